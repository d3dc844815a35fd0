"""Batch transform as SDK v2 does it: transformers from estimators, models and names; filters, joins, logs."""

import json

import numpy as np
import pytest
from sagemaker import image_uris
from sagemaker.inputs import BatchDataCaptureConfig, TrainingInput
from sagemaker.pipeline import PipelineModel
from sagemaker.sklearn import SKLearn, SKLearnModel
from sagemaker.transformer import Transformer
from sklearn.datasets import load_wine

pytestmark = pytest.mark.frameworks

TRAIN = """
import os, joblib
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))

if __name__ == "__main__":
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(*load_wine(return_X_y=True))
    joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
"""

SCALE = """
import io, numpy as np
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return np.loadtxt(io.StringIO(body), delimiter=",", ndmin=2)
def predict_fn(data, model):
    return data * 10
def output_fn(data, accept):
    stream = io.StringIO()
    np.savetxt(stream, data, delimiter=",", fmt="%g")
    return stream.getvalue(), "text/csv"
"""

INSTANCE = {"instance_count": 1, "instance_type": "ml.m5.large"}


@pytest.fixture(scope="module")
def wine():
    return load_wine(return_X_y=True)


@pytest.fixture(scope="module")
def trained(session, role, tmp_path_factory):
    source = tmp_path_factory.mktemp("source") / "train.py"
    source.write_text(TRAIN)
    estimator = SKLearn(
        str(source), framework_version="1.4-2", role=role, sagemaker_session=session, disable_profiler=True, **INSTANCE
    )
    estimator.fit(logs=False)
    return estimator


@pytest.fixture
def upload(session, tmp_path):
    """``upload(text)``: store it as data.csv below a prefix of its own; returns the object's URI."""

    def store(text, name="data.csv"):
        path = tmp_path / name
        path.write_text(text)
        return session.upload_data(str(path), key_prefix=f"transform/{tmp_path.name}")

    return store


@pytest.fixture
def outputs(s3):
    """``outputs(transformer)``: the texts of the output objects by their relative keys."""

    def read(transformer):
        bucket, _, prefix = transformer.output_path.removeprefix("s3://").partition("/")
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix + "/")["Contents"]
        texts = {o["Key"]: s3.get_object(Bucket=bucket, Key=o["Key"])["Body"].read().decode() for o in listed}
        return {key.removeprefix(prefix + "/"): text for key, text in texts.items()}

    return read


def as_csv(rows):
    return "".join(",".join(map(str, row)) + "\n" for row in np.asarray(rows).tolist())


def test_an_estimators_transformer_predicts_a_file_with_default_handlers(trained, wine, upload, outputs, capsys):
    features, targets = wine
    transformer = trained.transformer(
        **INSTANCE, assemble_with="Line", accept="text/csv", strategy="MultiRecord", max_payload=6
    )
    transformer.transform(upload(as_csv(features)), content_type="text/csv", split_type="Line", wait=False)
    transformer.wait(logs=True)
    predicted = [int(line) for line in outputs(transformer)["data.csv.out"].splitlines()]
    assert np.mean(np.array(predicted) == targets) > 0.95
    assert "MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD" in capsys.readouterr().out
    transformer.delete_model()


def test_a_model_with_filters_joins_its_answers_to_the_rows_ids(session, role, trained, wine, upload, outputs):
    features, targets = wine
    rows = [[f"wine-{n}", *row] for n, row in enumerate(features.tolist())]
    model = SKLearnModel(
        model_data=trained.model_data,
        role=role,
        entry_point=trained.entry_point,
        framework_version="1.4-2",
        sagemaker_session=session,
    )
    transformer = model.transformer(**INSTANCE, assemble_with="Line", accept="text/csv")
    data = "".join(",".join(map(str, row)) + "\n" for row in rows)
    transformer.transform(
        upload(data),
        content_type="text/csv",
        split_type="Line",
        input_filter="$[1:]",
        join_source="Input",
        output_filter="$[0,-1]",
        model_client_config={"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 1},
        wait=True,
        logs=False,
    )
    joined = [line.split(",") for line in outputs(transformer)["data.csv.out"].splitlines()]
    assert [row[0] for row in joined] == [row[0] for row in rows]
    assert np.mean(np.array([int(row[1]) for row in joined]) == targets) > 0.95


def test_attach_finds_a_job_again(session, trained, wine, upload):
    transformer = trained.transformer(
        **INSTANCE, assemble_with="Line", accept="text/csv", tags=[{"Key": "a", "Value": "b"}]
    )
    transformer.transform(upload(as_csv(wine[0][:5])), content_type="text/csv", split_type="Line", logs=False)
    again = Transformer.attach(transformer.latest_transform_job.name, sagemaker_session=session)
    assert again.output_path == transformer.output_path
    assert again.model_name == transformer.model_name
    assert (again.assemble_with, again.accept, again.instance_type) == ("Line", "text/csv", "ml.m5.large")
    again.wait(logs=False)


def test_a_transformer_by_the_models_name_captures_its_data(session, role, trained, wine, upload, outputs, s3):
    model = trained.create_model(role=role)
    model.create(instance_type="ml.m5.large")
    bucket = session.default_bucket()
    transformer = Transformer(
        model_name=model.name,
        sagemaker_session=session,
        output_path=f"s3://{bucket}/captured/out",
        accept="application/jsonlines",
        assemble_with="Line",
        strategy="MultiRecord",
        **INSTANCE,
    )
    capture = BatchDataCaptureConfig(destination_s3_uri=f"s3://{bucket}/captured/data", generate_inference_id=False)
    transformer.transform(
        upload(as_csv(wine[0])),
        content_type="text/csv",
        split_type="Line",
        batch_data_capture_config=capture,
        logs=False,
    )
    assert len(outputs(transformer)["data.csv.out"].splitlines()) == len(wine[0])
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="captured/data/")["Contents"]
    sides = {item["Key"].split("/")[2]: item["Key"] for item in listed}
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=sides["output"])["Body"].read())
    assert manifest == [{"prefix": f"s3://{bucket}/captured/out/"}, "data.csv.out"]


def test_a_pipeline_of_two_containers_transforms(session, role, trained, wine, upload, outputs, folder):
    scale = SKLearnModel(
        model_data=trained.model_data,
        role=role,
        entry_point="scale.py",
        source_dir=folder({"scale.py": SCALE}),
        framework_version="1.4-2",
        sagemaker_session=session,
    )
    predict = trained.create_model(role=role)
    pipeline = PipelineModel(models=[scale, predict], role=role, sagemaker_session=session)
    transformer = pipeline.transformer(**INSTANCE, assemble_with="Line", accept="text/csv")
    transformer.transform(upload(as_csv(wine[0] / 10)), content_type="text/csv", split_type="Line", logs=False)
    predicted = [int(line) for line in outputs(transformer)["data.csv.out"].splitlines()]
    assert np.mean(np.array(predicted) == wine[1]) > 0.95


def test_a_failed_job_raises_with_the_reason(trained, upload):
    transformer = trained.transformer(**INSTANCE, accept="text/csv")
    with pytest.raises(Exception, match="Failed") as caught:
        transformer.transform(upload("1,2,3\n"), content_type="text/csv", split_type="Line", logs=False)
    assert "Bad HTTP status received from algorithm: 500" in str(caught.value)


def test_the_built_in_xgboost_answers_one_line_a_row(session, generic, wine, upload, outputs):
    features, targets = wine
    rows = upload(as_csv(np.column_stack([targets == 0, features]).astype(float)), "train.csv")
    estimator = generic(image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"))
    estimator.set_hyperparameters(objective="binary:logistic", num_round=10)
    estimator.fit({"train": TrainingInput(rows, content_type="text/csv")}, logs=False)
    transformer = estimator.transformer(**INSTANCE, assemble_with="Line", accept="text/csv", strategy="MultiRecord")
    transformer.transform(
        upload(as_csv(np.column_stack([range(len(features)), features]))),
        content_type="text/csv",
        split_type="Line",
        input_filter="$[1:]",
        join_source="Input",
        output_filter="$[0,-1]",
        logs=False,
    )
    joined = np.array([line.split(",") for line in outputs(transformer)["data.csv.out"].splitlines()], dtype=float)
    assert np.array_equal(joined[:, 0], np.arange(len(features)))
    assert np.mean((joined[:, 1] > 0.5) == (targets == 0)) > 0.95
