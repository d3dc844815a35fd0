"""Models and endpoints through SDK v3: ModelBuilder, and the resource classes."""

import io
import json
import logging
import tarfile

import pytest
from botocore.exceptions import ClientError
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant
from sagemaker.serve import ModelBuilder
from sagemaker.train.configs import SourceCode

HANDLERS = """
import json, os, pathlib

def model_fn(model_dir):
    return json.loads(pathlib.Path(model_dir, "weights.json").read_text())

def input_fn(body, content_type):
    return json.loads(body)

def predict_fn(data, model):
    if not data:
        raise ValueError("an empty question")
    return {"answer": sum(data) * model["factor"]}

def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""


@pytest.fixture(scope="module")
def weights(session):
    """The URI of a model artifact that holds weights.json with factor 10."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        data = json.dumps({"factor": 10}).encode()
        member = tarfile.TarInfo("weights.json")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    bucket = session.default_bucket()
    session.boto_session.client("s3").put_object(Bucket=bucket, Key="v3/model.tar.gz", Body=buffer.getvalue())
    return f"s3://{bucket}/v3/model.tar.gz"


def ask(endpoint, data):
    answer = endpoint.invoke(body=json.dumps(data), content_type="application/json", accept="application/json")
    return json.loads(answer.body.read())


def test_model_builder_repacks_the_code_and_deploys(session, role, image, weights, folder):
    builder = ModelBuilder(
        image_uri=image,
        s3_model_data_url=weights,
        source_code=SourceCode(source_dir=folder({"inference.py": HANDLERS}), entry_script="inference.py"),
        role_arn=role,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        log_level=logging.WARNING,
    )
    model = builder.build()
    endpoint = builder.deploy(initial_instance_count=1)
    try:
        assert ask(endpoint, [1, 2]) == {"answer": 30}
        with pytest.raises(ClientError) as caught:
            ask(endpoint, [])
        assert caught.value.response["Error"]["Code"] == "ModelError"
        assert "an empty question" in str(caught.value)
    finally:
        endpoint.delete()
        EndpointConfig.get(endpoint.endpoint_name).delete()
        model.delete()


def test_resource_classes_create_find_and_delete(session, role, image, weights, folder):
    source = folder({"inference.py": HANDLERS})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(f"{source}/inference.py", "inference.py")
    bucket = session.default_bucket()
    session.boto_session.client("s3").put_object(Bucket=bucket, Key="v3/code.tar.gz", Body=buffer.getvalue())
    model = Model.create(
        model_name="v3-model",
        primary_container=ContainerDefinition(
            image=image,
            model_data_url=weights,
            environment={
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{bucket}/v3/code.tar.gz",
            },
        ),
        execution_role_arn=role,
    )
    config = EndpointConfig.create(
        endpoint_config_name="v3-config",
        production_variants=[
            ProductionVariant(
                variant_name="AllTraffic",
                model_name=model.model_name,
                instance_type="ml.m5.large",
                initial_instance_count=1,
                initial_variant_weight=1.0,
            )
        ],
    )
    endpoint = Endpoint.create(endpoint_name="v3-endpoint", endpoint_config_name=config.endpoint_config_name)
    endpoint.wait_for_status("InService", poll=1, timeout=240)
    try:
        assert ask(endpoint, [4]) == {"answer": 40}
        assert "v3-endpoint" in [other.endpoint_name for other in Endpoint.get_all(name_contains="v3-endpoint")]
        assert Model.get("v3-model").primary_container.image == image
        assert endpoint.endpoint_status == "InService"
    finally:
        endpoint.delete()
        endpoint.wait_for_delete(poll=1, timeout=120)
        config.delete()
        model.delete()
    with pytest.raises(ClientError):
        Model.get("v3-model")
