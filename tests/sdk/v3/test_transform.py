"""Batch transform through SDK v3: the Transformer and the TransformJob resource."""

import io
import itertools
import json
import tarfile

import pytest
from sagemaker.core.resources import Model, TransformJob
from sagemaker.core.shapes import (
    ContainerDefinition,
    DataProcessing,
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)
from sagemaker.core.transformer import Transformer

SUMS = """
import csv, io
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return [[float(cell) for cell in row] for row in csv.reader(io.StringIO(body)) if row]
def predict_fn(rows, model):
    return [sum(row) for row in rows]
def output_fn(sums, accept):
    return "".join(f"{value:g}\\n" for value in sums), "text/csv"
"""
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def model(session, role, image):
    """A model that answers with the sum of each row; returns its name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(SUMS)
        archive.addfile(member, io.BytesIO(SUMS.encode()))
    bucket = session.default_bucket()
    session.boto_session.client("s3").put_object(Bucket=bucket, Key="v3/sums/model.tar.gz", Body=buffer.getvalue())
    made = Model.create(
        model_name="v3-sums",
        execution_role_arn=role,
        primary_container=ContainerDefinition(image=image, model_data_url=f"s3://{bucket}/v3/sums/model.tar.gz"),
    )
    return made.model_name


@pytest.fixture
def data(session):
    """A CSV object below a prefix of its own; returns its URI."""
    bucket, key = session.default_bucket(), f"v3/transform-{next(NUMBERS)}/rows.csv"
    session.boto_session.client("s3").put_object(Bucket=bucket, Key=key, Body=b"7,1,2\n8,3,4\n")
    return f"s3://{bucket}/{key}"


def body(s3, uri):
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_a_transformer_filters_and_joins(session, s3, model, data):
    transformer = Transformer(
        model_name=model,
        instance_count=1,
        instance_type="ml.m5.large",
        strategy="SingleRecord",
        assemble_with="Line",
        accept="text/csv",
        output_path=data.rsplit("/", 1)[0] + "-out",
        sagemaker_session=session,
    )
    transformer.transform(
        data, content_type="text/csv", split_type="Line", input_filter="$[1:]", join_source="Input", logs=False
    )
    assert body(s3, f"{transformer.output_path}/rows.csv.out") == b"7,1,2,3\n8,3,4,7\n"
    again = Transformer.attach(transformer.latest_transform_job.transform_job_name, sagemaker_session=session)
    assert again.output_path == transformer.output_path


def test_the_resource_is_created_waited_for_and_listed(session, s3, model, data):
    job = TransformJob.create(
        transform_job_name=f"v3-transform-{next(NUMBERS)}",
        model_name=model,
        transform_input=TransformInput(
            data_source=TransformDataSource(s3_data_source=TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=data)),
            content_type="text/csv",
            split_type="Line",
        ),
        transform_output=TransformOutput(s3_output_path=data.rsplit("/", 1)[0] + "-out", assemble_with="Line"),
        transform_resources=TransformResources(instance_type="ml.m5.large", instance_count=1),
        data_processing=DataProcessing(input_filter="$[0]", output_filter="$[0]", join_source="Input"),
    )
    job.wait(poll=1)
    assert job.transform_job_status == "Completed"
    assert body(s3, data.rsplit("/", 1)[0] + "-out/rows.csv.out") == b"7\n8\n"
    assert job.transform_job_name in [found.transform_job_name for found in TransformJob.get_all()]


def test_a_failed_job_says_why(session, model, s3, data):
    bucket, _, key = data.removeprefix("s3://").partition("/")
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(["no", "numbers"]).encode())
    transformer = Transformer(
        model_name=model,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=data.rsplit("/", 1)[0] + "-out",
        sagemaker_session=session,
    )
    with pytest.raises(Exception, match="could not convert string to float"):
        transformer.transform(data, content_type="text/csv", split_type="Line", logs=False)
