"""Endpoints of other kinds through SDK v3: ModelBuilder and the resource classes."""

import io
import json
import logging
import tarfile
import time

import pytest
from sagemaker.core.inference_config import AsyncInferenceConfig, ServerlessInferenceConfig
from sagemaker.core.resources import Endpoint, EndpointConfig, InferenceComponent, Model
from sagemaker.core.shapes import (
    ContainerDefinition,
    InferenceComponentComputeResourceRequirements,
    InferenceComponentRuntimeConfig,
    InferenceComponentSpecification,
    ProductionVariant,
)
from sagemaker.serve import ModelBuilder
from sagemaker.train.configs import SourceCode

HANDLERS = """
import json, pathlib

def model_fn(model_dir):
    return json.loads(pathlib.Path(model_dir, "weights.json").read_text())

def transform_fn(model, body, content_type, accept):
    return json.dumps({"name": model["name"], "answer": sum(json.loads(body)) * model["factor"]}), "application/json"
"""


def packed(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def put(session):
    """``put(key, data)``: store an object; returns its URI."""
    s3 = session.boto_session.client("s3")

    def store(key, data):
        s3.put_object(Bucket=session.default_bucket(), Key=f"v3-kinds/{key}", Body=data)
        return f"s3://{session.default_bucket()}/v3-kinds/{key}"

    return store


@pytest.fixture(scope="module")
def container(put, image):
    """``container(name, factor, **members)``: a container whose model multiplies."""
    code = put("code.tar.gz", packed({"inference.py": HANDLERS}))
    environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": code}

    def make(name, factor, **members):
        weights = packed({"weights.json": json.dumps({"name": name, "factor": factor})})
        url = put(f"models/{name}.tar.gz", weights)
        return ContainerDefinition(**{"image": image, "model_data_url": url, "environment": environment, **members})

    return make


def served(name, role, **members):
    """An endpoint in service for one variant, whose model (if it has one) has the endpoint's name."""
    variant = {
        "variant_name": "AllTraffic",
        "model_name": name,
        "instance_type": "ml.m5.large",
        "initial_instance_count": 1,
        "initial_variant_weight": 1.0,
        **members,
    }
    given = {key: value for key, value in variant.items() if value is not None}
    roles = {} if given.get("model_name") else {"execution_role_arn": role}
    EndpointConfig.create(endpoint_config_name=name, production_variants=[ProductionVariant(**given)], **roles)
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    endpoint.wait_for_status("InService", poll=1, timeout=240)
    return endpoint


def ask(endpoint, data, **members):
    answer = endpoint.invoke(body=json.dumps(data), content_type="application/json", **members)
    return json.loads(answer.body.read())


@pytest.fixture
def builder(session, role, image, container, folder):
    return ModelBuilder(
        image_uri=image,
        s3_model_data_url=container("built", 7).model_data_url,
        source_code=SourceCode(source_dir=folder({"inference.py": HANDLERS}), entry_script="inference.py"),
        role_arn=role,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        log_level=logging.WARNING,
    )


def test_model_builder_deploys_without_servers(builder):
    builder.build()
    endpoint = builder.deploy(inference_config=ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=3))
    assert ask(endpoint, [1, 2]) == {"name": "built", "answer": 21}
    config = endpoint.refresh().production_variants[0].current_serverless_config
    assert (config.memory_size_in_mb, config.max_concurrency) == (2048, 3)
    endpoint.delete()


def test_model_builder_deploys_for_answers_that_come_later(builder, session, put):
    builder.build()
    output = f"s3://{session.default_bucket()}/v3-kinds/out"
    endpoint = builder.deploy(inference_config=AsyncInferenceConfig(output_path=output), initial_instance_count=1)
    accepted = endpoint.invoke_async(input_location=put("question", b"[2, 3]"), content_type="application/json")
    bucket, key = accepted.output_location.removeprefix("s3://").split("/", 1)
    s3 = session.boto_session.client("s3")
    s3.get_waiter("object_exists").wait(Bucket=bucket, Key=key, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) == {"name": "built", "answer": 35}
    endpoint.delete()


def test_many_models_of_one_container(role, session, container):
    prefix = f"s3://{session.default_bucket()}/v3-kinds/models/"
    container("red", 2)
    many = container("blue", 3, model_data_url=prefix, mode="MultiModel")
    Model.create(model_name="v3-many", primary_container=many, execution_role_arn=role)
    endpoint = served("v3-many", role)
    container("blue", 3)
    assert ask(endpoint, [1, 2], target_model="red.tar.gz") == {"name": "red", "answer": 6}
    assert ask(endpoint, [1, 2], target_model="blue.tar.gz") == {"name": "blue", "answer": 9}
    endpoint.delete()


def test_inference_components(role, container):
    endpoint = served("v3-shared", role, model_name=None, initial_variant_weight=None)
    Model.create(model_name="v3-part", primary_container=container("part", 4), execution_role_arn=role)
    component = InferenceComponent.create(
        inference_component_name="v3-component",
        endpoint_name="v3-shared",
        variant_name="AllTraffic",
        specification=InferenceComponentSpecification(
            model_name="v3-part",
            compute_resource_requirements=InferenceComponentComputeResourceRequirements(min_memory_required_in_mb=256),
        ),
        runtime_config=InferenceComponentRuntimeConfig(copy_count=1),
    )
    component.wait_for_status("InService", poll=1, timeout=120)
    assert ask(endpoint, [1, 1], inference_component_name="v3-component") == {"name": "part", "answer": 8}
    component.update_runtime_configs(desired_runtime_config=InferenceComponentRuntimeConfig(copy_count=2))
    component.wait_for_status("InService", poll=1, timeout=120)
    deadline = time.monotonic() + 60
    while component.refresh().runtime_config.current_copy_count != 2:
        assert time.monotonic() < deadline
    component.delete()
    component.wait_for_delete(poll=1, timeout=60)
    endpoint.delete()
