"""Endpoints of other kinds, as SDK v2 makes them."""

import io
import json
import tarfile
import time

import pytest
from botocore.exceptions import ClientError
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.async_inference.async_inference_response import AsyncInferenceModelError
from sagemaker.compute_resource_requirements.resource_requirements import ResourceRequirements
from sagemaker.deserializers import JSONDeserializer
from sagemaker.enums import EndpointType
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer, JSONSerializer
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.sklearn import SKLearnModel
from sagemaker.utils import name_from_base

HANDLERS = """
import json, pathlib

def model_fn(model_dir):
    return json.loads(pathlib.Path(model_dir, "weights.json").read_text())

def input_fn(body, content_type):
    return json.loads(body) if content_type == "application/json" else [float(n) for n in body.split(",")]

def predict_fn(data, model):
    if not data:
        raise ValueError("an empty question")
    return {"name": model["name"], "answer": sum(data) * model["factor"]}

def output_fn(prediction, accept):
    if accept == "text/csv":
        return str(prediction["answer"]), accept
    return json.dumps(prediction), "application/json"
"""


@pytest.fixture(scope="module")
def artifact(session):
    """``artifact(name, factor)``: the URI of a model that multiplies."""
    s3 = session.boto_session.client("s3")

    def put(name, factor):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            data = json.dumps({"name": name, "factor": factor}).encode()
            member = tarfile.TarInfo("weights.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        s3.put_object(Bucket=session.default_bucket(), Key=f"kinds/{name}.tar.gz", Body=buffer.getvalue())
        return f"s3://{session.default_bucket()}/kinds/{name}.tar.gz"

    return put


@pytest.fixture(scope="module")
def model(session, role, artifact, tmp_path_factory):
    """``model(name, factor)``: an SKLearnModel with the handlers above."""
    source = tmp_path_factory.mktemp("handlers") / "inference.py"
    source.write_text(HANDLERS)

    def make(name, factor, **arguments):
        return SKLearnModel(
            model_data=artifact(name, factor),
            role=role,
            entry_point=str(source),
            framework_version="1.4-2",
            sagemaker_session=session,
            **arguments,
        )

    return make


def as_json(predictor):
    predictor.serializer, predictor.deserializer = JSONSerializer(), JSONDeserializer()
    return predictor


def test_a_pipeline_model(session, role, model):
    first = model("first", 10, env={"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"})
    name = name_from_base("pipeline")
    pipeline = PipelineModel(models=[first, model("second", 2)], role=role, name=name, sagemaker_session=session)
    pipeline.deploy(1, "ml.m5.large", endpoint_name=name)
    predictor = Predictor(name, session, CSVSerializer(), JSONDeserializer(accept="application/json"))
    assert predictor.predict([1, 2]) == {"name": "second", "answer": 60.0}
    predictor.delete_endpoint()
    pipeline.delete_model()


def test_a_multi_data_model(session, model, artifact):
    prefix = f"s3://{session.default_bucket()}/{name_from_base('many')}/"
    many = MultiDataModel(name_from_base("many"), prefix, model=model("base", 1), sagemaker_session=session)
    assert list(many.list_models()) == []
    many.add_model(artifact("red", 2), "red.tar.gz")
    predictor = as_json(many.deploy(1, "ml.m5.large"))
    assert predictor.predict([1, 2], target_model="red.tar.gz") == {"name": "red", "answer": 6}
    added = many.add_model(artifact("blue", 3), "colours/blue.tar.gz")
    assert added == f"{prefix}colours/blue.tar.gz"
    assert sorted(many.list_models()) == ["colours/blue.tar.gz", "red.tar.gz"]
    assert predictor.predict([1, 2], target_model="colours/blue.tar.gz") == {"name": "blue", "answer": 9}
    with pytest.raises(ClientError, match="Failed to download model data"):
        predictor.predict([1], target_model="none.tar.gz")
    predictor.delete_endpoint()


def test_a_serverless_endpoint(model):
    config = ServerlessInferenceConfig(memory_size_in_mb=4096, max_concurrency=10)
    predictor = as_json(model("quiet", 3).deploy(serverless_inference_config=config))
    assert predictor.predict([1, 2]) == {"name": "quiet", "answer": 9}
    predictor.delete_endpoint()


def test_an_async_predictor(session, model):
    bucket = session.default_bucket()
    config = AsyncInferenceConfig(
        output_path=f"s3://{bucket}/kinds/out",
        failure_path=f"s3://{bucket}/kinds/failed",
        max_concurrent_invocations_per_instance=2,
    )
    predictor = model("later", 4).deploy(1, "ml.m5.large", async_inference_config=config)
    as_json(predictor.predictor)
    waiting = WaiterConfig(max_attempts=30, delay=1)
    assert predictor.predict([1, 2], waiter_config=waiting) == {"name": "later", "answer": 12}
    response = predictor.predict_async([2, 2], inference_id="mine")
    assert response.output_path.startswith(f"s3://{bucket}/kinds/out/")
    assert response.get_result(waiting) == {"name": "later", "answer": 16}
    with pytest.raises(AsyncInferenceModelError, match="an empty question"):
        predictor.predict([], waiter_config=waiting)
    predictor.delete_endpoint()


def test_the_default_places_of_an_async_endpoint(model):
    predictor = model("later", 5).deploy(1, "ml.m5.large", async_inference_config=AsyncInferenceConfig())
    as_json(predictor.predictor)
    assert predictor.predict([1], waiter_config=WaiterConfig(30, 1)) == {"name": "later", "answer": 5}
    predictor.delete_endpoint()


def test_data_capture_is_switched_on_and_off(session, model):
    place = f"s3://{session.default_bucket()}/kinds/captured"
    capture = DataCaptureConfig(True, sampling_percentage=100, destination_s3_uri=place, sagemaker_session=session)
    predictor = as_json(model("seen", 6).deploy(1, "ml.m5.large", data_capture_config=capture))
    assert predictor.predict([1, 2], inference_id="mine")["answer"] == 18
    lines = captured(session, f"{place}/{predictor.endpoint_name}/AllTraffic/")
    assert lines[0]["captureData"]["endpointInput"]["data"] == "[1, 2]"
    assert lines[0]["captureData"]["endpointOutput"]["encoding"] == "JSON"
    assert lines[0]["eventMetadata"]["inferenceId"] == "mine"
    predictor.disable_data_capture()
    assert status(session, predictor) == "Stopped"
    predictor.enable_data_capture()
    assert status(session, predictor) == "Started"
    predictor.delete_endpoint()


def status(session, predictor):
    client = session.sagemaker_client
    client.get_waiter("endpoint_in_service").wait(EndpointName=predictor.endpoint_name, WaiterConfig={"Delay": 1})
    return client.describe_endpoint(EndpointName=predictor.endpoint_name)["DataCaptureConfig"]["CaptureStatus"]


def captured(session, uri):
    from sagemaker.s3 import S3Downloader

    deadline = time.monotonic() + 60
    while not (files := S3Downloader.list(uri, sagemaker_session=session)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    texts = [S3Downloader.read_file(file, sagemaker_session=session) for file in files]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def test_an_endpoint_of_inference_components(session, model):
    resources = ResourceRequirements(requests={"copies": 1, "num_cpus": 1, "memory": 256})
    endpoint = name_from_base("shared")
    predictors = []
    for name, factor in (("one", 1), ("two", 2)):
        predictors.append(
            as_json(
                model(name, factor).deploy(
                    1,
                    "ml.m5.large",
                    endpoint_name=endpoint,
                    endpoint_type=EndpointType.INFERENCE_COMPONENT_BASED,
                    resources=resources,
                )
            )
        )
    one, two = predictors
    assert one.predict([1, 2]) == {"name": "one", "answer": 3}
    assert two.predict([1, 2]) == {"name": "two", "answer": 6}
    names = session.list_and_paginate_inference_component_names_associated_with_endpoint(endpoint)
    assert len(names) == 2
    for predictor in predictors:
        predictor.delete_predictor(wait=True)
    one.delete_endpoint()
