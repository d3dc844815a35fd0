"""ModelBuilder with an InferenceSpec and with models of frameworks, on the images that have a runtime here."""

import json
import uuid

import numpy as np
import pytest
from sagemaker.core import image_uris
from sagemaker.core.resources import EndpointConfig
from sagemaker.serve import InferenceSpec, ModelBuilder
from sagemaker.serve.builder.schema_builder import SchemaBuilder
from sagemaker.serve.utils.types import ModelServer

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="module")
def pytorch(session):
    return image_uris.retrieve(
        "pytorch",
        session.boto_region_name,
        version="2.6.0",
        py_version="py312",
        instance_type="ml.m5.large",
        image_scope="inference",
    )


@pytest.fixture
def builder(session, role, tmp_path):
    """``builder(**arguments)``: a ModelBuilder for one small instance, with a folder of its own."""

    def make(**arguments):
        defaults = {
            "role_arn": role,
            "instance_type": "ml.m5.large",
            "sagemaker_session": session,
            "model_path": str(tmp_path / "model"),
            "model_server": ModelServer.TORCHSERVE,
        }
        return ModelBuilder(**{**defaults, **arguments})

    return make


@pytest.fixture
def deployed():
    """``deployed(builder)``: its endpoint, removed at the end."""
    made = []

    def deploy(builder):
        builder.build()
        endpoint = builder.deploy(initial_instance_count=1, endpoint_name=f"built-{uuid.uuid4().hex[:8]}")
        made.append(endpoint)
        return endpoint

    yield deploy
    for endpoint in made:
        endpoint.delete()
        EndpointConfig.get(endpoint.endpoint_name).delete()


def multiplier(factor):
    """An InferenceSpec of the user's own, as a notebook has it: pickled whole."""

    class Multiplies(InferenceSpec):
        def load(self, model_dir):
            return {"factor": factor}

        def invoke(self, input_object, model):
            return [model["factor"] * value for value in input_object]

    return Multiplies()


def test_an_inference_spec_loads_and_is_invoked(builder, deployed, pytorch):
    spec = builder(inference_spec=multiplier(3), schema_builder=SchemaBuilder([1, 2], [3, 6]), image_uri=pytorch)
    endpoint = deployed(spec)
    answer = endpoint.invoke(body=json.dumps([1, 2, 5]), content_type="application/json", accept="application/json")
    assert json.loads(answer.body.read()) == [3, 6, 15]


def test_a_scikit_learn_model_is_served(builder, deployed, pytorch):
    from sklearn.linear_model import LinearRegression

    sample = np.array([[1.0], [2.0], [3.0]])
    model = LinearRegression().fit(sample, 2 * sample[:, 0] + 1)
    made = builder(model=model, schema_builder=SchemaBuilder(sample, model.predict(sample)), image_uri=pytorch)
    endpoint = deployed(made)
    body = made.schema_builder.input_serializer.serialize(np.array([[10.0]]))
    answer = endpoint.invoke(body=body, content_type="application/x-npy", accept="application/x-npy")
    assert made.schema_builder.output_deserializer.deserialize(answer.body, "application/x-npy") == pytest.approx([21])
