"""InvokeEndpoint, called as the edge calls it."""

import asyncio

import pytest
from tests.serving.conftest import executor, loop, on_loop, plain_environment  # noqa: F401 - fixtures
from tests.serving.world import IMAGE, World, archive

from selfmaker.aws.errors import AwsError
from selfmaker.sagemaker_runtime.invocation import invoke_endpoint
from selfmaker.serving.spec import ModelSpec

SCRIPT = """
import os, time
class Response:
    status_code, mimetype = 200, "a/b"
    headers = {"X-Amzn-SageMaker-Custom-Attributes": "back"}
    def __init__(self, body):
        self.response = body
def model_fn(model_dir):
    return None
def transform_fn(model, body, content_type, accept, context):
    word = body.decode() if isinstance(body, bytes) else body
    if word == "raise":
        raise ValueError("x" * 3000 if accept == "long" else "not today")
    if word == "exit":
        os._exit(1)
    if word == "hang":
        time.sleep(600)
    if word == "refuse":
        error = ValueError("this row is bad")
        error.status_code = 422
        raise error
    given = context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
    return Response(f"{word} {content_type} {accept} {given}")
"""


@pytest.fixture
def world(tmp_path, loop, executor, plain_environment):  # noqa: F811
    made = World(tmp_path, loop, executor, plain_environment)
    made.objects.put("box", "model.tar.gz", archive(**{"code/inference.py": SCRIPT}))
    model = ModelSpec(name="m", image=IMAGE, uri="s3://box/model.tar.gz")
    assert made.create(made.spec(model, model)).status == "InService"
    yield made
    made.close()


@pytest.fixture
def invoke(world, on_loop):  # noqa: F811
    call = world.call("sagemaker-runtime")

    def run(body=b"hi", name="e", **members):
        return on_loop(invoke_endpoint(call, {"EndpointName": name, "Body": body, **members}))

    return run


def refused(invoke, *arguments, **members):
    with pytest.raises(AwsError) as caught:
        invoke(*arguments, **members)
    return caught.value


def test_the_answer_and_what_comes_with_it(invoke):
    output = invoke(b"hi", ContentType="x/y", Accept="u/v", CustomAttributes="there", TargetVariant="v2")
    assert output == {
        "Body": b"hi x/y u/v there",
        "ContentType": "a/b",
        "CustomAttributes": "back",
        "InvokedProductionVariant": "v2",
    }
    assert {invoke()["InvokedProductionVariant"] for _ in range(4)} == {"v1", "v2"}


def test_an_unknown_endpoint_and_an_unknown_variant(invoke):
    error = refused(invoke, name="nobody")
    assert (error.code, error.status) == ("ValidationError", 400)
    assert error.message == "Endpoint nobody of account 123456789012 not found."
    error = refused(invoke, TargetVariant="v9")
    assert (error.code, error.status) == ("ValidationError", 400)
    assert "v9" in error.message


@pytest.mark.parametrize("member", ["TargetModel", "TargetContainerHostname", "SessionId", "EnableExplanations"])
def test_what_is_for_other_kinds_of_endpoints(invoke, member):
    error = refused(invoke, **{member: "x"})
    assert (error.code, error.status) == ("ValidationError", 400)
    assert member in error.message


def test_a_component_that_the_endpoint_does_not_have(invoke):
    error = refused(invoke, InferenceComponentName="x")
    assert (error.code, error.status) == ("ValidationError", 400)
    assert error.message == "Inference component x of endpoint e of account 123456789012 not found."


def test_a_users_exception_is_a_model_error_with_its_words_and_the_log(invoke):
    error = refused(invoke, b"raise")
    assert (error.code, error.status) == ("ModelError", 424)
    assert error.message == (
        'Received server error (500) from primary with message "ValueError: not today". See '
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group="
        "/aws/sagemaker/Endpoints/e in account 123456789012 for more information."
    )
    assert error.members == {
        "OriginalStatusCode": 500,
        "OriginalMessage": "ValueError: not today",
        "LogStreamArn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/e",
    }


def test_a_status_of_the_models_own_is_kept(invoke):
    error = refused(invoke, b"refuse")
    assert (error.code, error.status, error.members["OriginalStatusCode"]) == ("ModelError", 424, 422)
    assert "Received client error (422) from primary" in error.message
    assert error.members["OriginalMessage"] == "this row is bad"


def test_long_words_are_cut_to_what_the_shape_takes(invoke):
    error = refused(invoke, b"raise", Accept="long")
    assert len(error.message) <= 2048
    assert len(error.members["OriginalMessage"]) <= 2048
    assert error.members["OriginalMessage"].endswith("...")


def test_a_worker_that_dies_is_a_model_error_and_the_next_request_is_answered(invoke):
    error = refused(invoke, b"exit")
    assert (error.code, error.status, error.members["OriginalStatusCode"]) == ("ModelError", 424, 500)
    assert "worker process ended" in error.message
    assert invoke()["Body"].startswith(b"hi")


def test_a_model_that_takes_too_long_is_a_model_error(world, invoke, loop):  # noqa: F811
    async def shorten():
        for variant in world.endpoints._router.get(("us-east-1", "e")).variants.values():
            variant.timeout = 0.2

    asyncio.run_coroutine_threadsafe(shorten(), loop).result()
    error = refused(invoke, b"hang")
    assert (error.code, error.status, error.members["OriginalStatusCode"]) == ("ModelError", 424, 0)
    assert "Your invocation timed out" in error.message
