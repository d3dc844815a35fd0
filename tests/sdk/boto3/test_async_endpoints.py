"""Asynchronous inference, data capture and shadow variants, as boto3 users drive them."""

import json
import time
from datetime import datetime, timedelta, timezone

import pytest

MODEL = """
import os, pathlib, time
def model_fn(model_dir):
    return pathlib.Path(model_dir, "name").read_text()
def transform_fn(model, body, content_type, accept):
    text = body.decode() if isinstance(body, bytes) else body
    if text == "raise":
        raise ValueError("this row is bad")
    if text == "sleep":
        time.sleep(600)
    if text.startswith("slow"):
        time.sleep(1)
    return f"{model}:{text}:{content_type}", "text/plain"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory, server_process):
    started = server_process(tmp_path_factory.mktemp("async") / "home", capture_flush_seconds="0.3").start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def account(server, account_on):
    return account_on(server)


@pytest.fixture(scope="module")
def model(account):
    return account.model({"name": "m"}, MODEL)


def endpoint(account, model, name=None, **members):
    """An endpoint of one variant; ``members`` are the configuration's."""
    name = name or account.unique("kind")
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    account.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **members)
    account.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    described = account.settled(name)
    assert described["EndpointStatus"] == "InService", described
    return name


def asynchronous(account, model, **client):
    output = {"S3OutputPath": f"s3://{account.bucket}/out", "S3FailurePath": f"s3://{account.bucket}/failed"}
    config = {"OutputConfig": output, **({"ClientConfig": client} if client else {})}
    return endpoint(account, model, AsyncInferenceConfig=config)


def until(read, seconds=60):
    """What ``read`` returns once it is something."""
    deadline = time.monotonic() + seconds
    while (found := read()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def fetched(account, uri):
    def read():
        try:
            bucket, key = uri.removeprefix("s3://").split("/", 1)
            answer = account.s3.get_object(Bucket=bucket, Key=key)
        except account.s3.exceptions.NoSuchKey:
            return None
        return answer["Body"].read().decode(), answer["ContentType"]

    return until(read)


@pytest.fixture(scope="module")
def slow(account, model):
    return asynchronous(account, model, MaxConcurrentInvocationsPerInstance=2)


def test_an_answer_comes_to_the_place_that_was_told(account, slow):
    location = account.put("in/one", "hello")
    accepted = account.runtime.invoke_endpoint_async(
        EndpointName=slow, InputLocation=location, ContentType="text/x", InferenceId="mine"
    )
    assert accepted["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert accepted["InferenceId"] == "mine"
    assert accepted["OutputLocation"].startswith(f"s3://{account.bucket}/out/")
    assert accepted["OutputLocation"].endswith(".out")
    assert accepted["FailureLocation"].startswith(f"s3://{account.bucket}/failed/")
    assert accepted["FailureLocation"].endswith("-error.out")
    assert fetched(account, accepted["OutputLocation"]) == ("m:hello:text/x", "text/plain")


def test_the_content_type_may_be_the_objects_own(account, slow):
    account.s3.put_object(Bucket=account.bucket, Key="in/typed", Body=b"x", ContentType="text/own")
    location = f"s3://{account.bucket}/in/typed"
    accepted = account.runtime.invoke_endpoint_async(EndpointName=slow, InputLocation=location)
    assert accepted["InferenceId"]
    assert fetched(account, accepted["OutputLocation"])[0] == "m:x:text/own"


def test_a_request_may_come_with_its_body(account, slow):
    accepted = account.runtime.invoke_endpoint_async(
        EndpointName=slow, Body=b"inline", ContentType="text/x", Filename="mine.txt", S3OutputPathExtension="deep/er"
    )
    assert accepted["OutputLocation"] == f"s3://{account.bucket}/out/deep/er/mine.txt"
    assert accepted["FailureLocation"] == f"s3://{account.bucket}/failed/deep/er/mine-error.txt"
    assert fetched(account, accepted["OutputLocation"])[0] == "m:inline:text/x"


@pytest.mark.parametrize(
    ("body", "members", "words"),
    [
        ("raise", {}, r"server error (500) from primary"),
        ("sleep", {"InvocationTimeoutSeconds": 1}, "timed out"),
        (None, {}, "there is no such object"),
    ],
)
def test_what_went_wrong_is_at_the_failure_location(account, slow, body, members, words):
    location = f"s3://{account.bucket}/in/none" if body is None else account.put(f"in/{body}", body)
    accepted = account.runtime.invoke_endpoint_async(EndpointName=slow, InputLocation=location, **members)
    text, _ = fetched(account, accepted["FailureLocation"])
    assert words in text
    key = accepted["OutputLocation"].split("/", 3)[3]
    assert account.keys(key) == []


def test_each_kind_of_invocation_has_its_kind_of_endpoint(account, slow, model):
    refused = account.runtime.exceptions.ValidationError
    with pytest.raises(refused, match="InvokeEndpointAsync"):
        account.invoke(slow, "x")
    plain = endpoint(account, model)
    with pytest.raises(refused, match="no AsyncInferenceConfig"):
        account.runtime.invoke_endpoint_async(EndpointName=plain, InputLocation="s3://b/k")
    with pytest.raises(refused, match="not found"):
        account.runtime.invoke_endpoint_async(EndpointName="nobody", InputLocation="s3://b/k")
    with pytest.raises(refused, match="InputLocation"):
        account.runtime.invoke_endpoint_async(EndpointName=slow, InputLocation="https://b/k")
    with pytest.raises(refused, match="InputLocation is required"):
        account.runtime.invoke_endpoint_async(EndpointName=slow)
    described = account.sagemaker.describe_endpoint(EndpointName=slow)
    assert described["AsyncInferenceConfig"]["ClientConfig"]["MaxConcurrentInvocationsPerInstance"] == 2


def test_what_was_accepted_survives_a_kill_of_the_server(account, server, slow):
    locations = [account.put(f"in/slow-{number}", f"slow {number}") for number in range(6)]
    accepted = [
        account.runtime.invoke_endpoint_async(EndpointName=slow, InputLocation=location)["OutputLocation"]
        for location in locations
    ]
    server.kill()
    server.start()
    account.connect()
    answers = [fetched(account, uri)[0] for uri in accepted]
    assert [answer.split(":")[1] for answer in answers] == [f"slow {number}" for number in range(6)]


def test_how_many_wait_is_told_to_cloudwatch(account, slow):
    now = datetime.now(timezone.utc)
    found = account.server.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="ApproximateBacklogSizePerInstance",
        Dimensions=[{"Name": "EndpointName", "Value": slow}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=3600,
        Statistics=["Minimum"],
    )
    assert found["Datapoints"][0]["Minimum"] == 0


def captures(account, name, prefix="captured"):
    """The captured lines of an endpoint, with the keys of their objects."""

    def read():
        keys = account.keys(f"{prefix}/{name}/")
        return keys or None

    keys = until(read)
    lines = []
    for key in keys:
        text = account.get(f"s3://{account.bucket}/{prefix}/{name}/{key}").decode()
        lines += [json.loads(line) for line in text.splitlines()]
    return keys, lines


def capturing(account, percentage=100, modes=("Input", "Output"), prefix="captured"):
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": percentage,
        "DestinationS3Uri": f"s3://{account.bucket}/{prefix}",
        "CaptureOptions": [{"CaptureMode": mode} for mode in modes],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
    }


def test_requests_and_answers_are_captured(account, model):
    name = endpoint(account, model, DataCaptureConfig=capturing(account))
    config = account.sagemaker.describe_endpoint(EndpointName=name)["DataCaptureConfig"]
    assert (config["EnableCapture"], config["CaptureStatus"]) == (True, "Started")
    account.invoke(name, "1,2", "text/csv; charset=utf-8", InferenceId="first", CustomAttributes="trace=1")
    keys, (line,) = captures(account, name)
    assert len(keys) == 1
    import re

    assert re.fullmatch(r"AllTraffic/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl", keys[0])
    assert line["captureData"]["endpointInput"] == {
        "observedContentType": "text/csv; charset=utf-8",
        "mode": "INPUT",
        "data": "1,2",
        "encoding": "CSV",
    }
    output = line["captureData"]["endpointOutput"]
    assert (output["encoding"], output["mode"], output["observedContentType"]) == ("BASE64", "OUTPUT", "text/plain")
    import base64

    assert base64.b64decode(output["data"]) == b"m:1,2:text/csv; charset=utf-8"
    assert line["eventVersion"] == "0"
    metadata = line["eventMetadata"]
    assert (metadata["inferenceId"], metadata["customAttributes"]) == ("first", ["trace=1"])
    assert {"eventId", "inferenceTime"} <= set(metadata)


def test_what_was_captured_is_there_when_the_endpoint_is_gone(account, model):
    name = endpoint(account, model, DataCaptureConfig=capturing(account, modes=("Input",)))
    for number in range(5):
        account.invoke(name, json.dumps([number]), "application/json")
    account.sagemaker.delete_endpoint(EndpointName=name)
    account.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig={"Delay": 1})
    _, lines = captures(account, name)
    assert sorted(line["captureData"]["endpointInput"]["data"] for line in lines) == [f"[{n}]" for n in range(5)]
    assert all("endpointOutput" not in line["captureData"] for line in lines)


def test_a_sample_of_nothing_and_capture_switched_off_by_an_update(account, model):
    name = endpoint(account, model, DataCaptureConfig=capturing(account, percentage=0, prefix="none"))
    account.invoke(name, "x")
    off = {**capturing(account, prefix="none"), "EnableCapture": False}
    variant = account.sagemaker.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"][0]
    config = account.unique("off")
    account.sagemaker.create_endpoint_config(
        EndpointConfigName=config, ProductionVariants=[variant], DataCaptureConfig=off
    )
    account.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    described = account.settled(name)
    assert described["DataCaptureConfig"]["CaptureStatus"] == "Stopped"
    account.invoke(name, "x")
    assert account.keys("none/") == []


def test_a_shadow_gets_the_requests_and_nobody_its_answers(account, model):
    other = account.model({"name": "shadow"}, MODEL)
    shadow = {"VariantName": "Shadow", "ModelName": other, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    name = endpoint(
        account,
        model,
        ShadowProductionVariants=[shadow],
        DataCaptureConfig=capturing(account, modes=("InputAndOutput",), prefix="shadowed"),
    )
    described = account.sagemaker.describe_endpoint(EndpointName=name)
    assert [variant["VariantName"] for variant in described["ProductionVariants"]] == ["AllTraffic"]
    assert [variant["VariantName"] for variant in described["ShadowProductionVariants"]] == ["Shadow"]
    assert account.invoke(name, "x", "text/x") == b"m:x:text/x"
    until(lambda: True if len(captures(account, name, "shadowed")[0]) == 2 else None)
    keys, _ = captures(account, name, "shadowed")
    assert {key.split("/")[0] for key in keys} == {"AllTraffic", "Shadow"}
    dimensions = [{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "Shadow"}]
    points = account.server.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=dimensions,
        StartTime=datetime.now(timezone.utc) - timedelta(hours=1),
        EndTime=datetime.now(timezone.utc),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(point["Sum"] for point in points) == 1
