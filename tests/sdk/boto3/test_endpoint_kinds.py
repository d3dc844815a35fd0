"""Endpoints of several containers, of many models, without workers of their own, and answers in pieces."""

import json
import time
from datetime import datetime, timedelta, timezone

import pytest

MODEL = """
import json, os, pathlib, time
def model_fn(model_dir):
    weights = json.loads(pathlib.Path(model_dir, "weights.json").read_text())
    if "fail" in weights:
        raise ValueError(weights["fail"])
    return {**weights, "born": time.time_ns()}
def input_fn(body, content_type):
    return body, content_type
def predict_fn(data, model):
    body, content_type = data
    if body == "fail":
        raise ValueError(model["name"] + " will not")
    word = os.environ.get("WORD")
    return {"name": model["name"], "body": body, "type": content_type, "born": model["born"], "word": word}
def output_fn(prediction, accept):
    if os.environ.get("STAGE") == "first":
        return prediction["body"] + "+first/" + accept, "text/csv"
    return json.dumps({**prediction, "accept": accept}), "application/json"
"""

STREAM = """
import time
def model_fn(model_dir):
    return None
def transform_fn(model, body, content_type, accept):
    count = int(body)
    def parts():
        try:
            for number in range(abs(count)):
                yield f"part {number};"
            if count < 0:
                raise ValueError("enough of it")
        except GeneratorExit:
            print("nobody reads on", flush=True)
            raise
    if count == 0:
        raise ValueError("nothing to say")
    if count > 10000:
        def endless():
            try:
                while True:
                    yield "x" * 65536
            finally:
                print("the endless one ended", flush=True)
        return endless(), "text/endless"
    return parts(), "text/parts"
"""


@pytest.fixture(scope="module")
def account(tmp_path_factory, server_process, account_on):
    home = tmp_path_factory.mktemp("kinds") / "home"
    server = server_process(home, serverless_idle_seconds="0.5", multi_model_loaded="2").start()
    yield account_on(server)
    server.stop()


def container(account, name, **environment):
    """One container of a pipeline: its model names itself, its code is MODEL."""
    model = account.model({"weights.json": json.dumps({"name": name})}, MODEL, Environment=environment)
    described = account.sagemaker.describe_model(ModelName=model)
    return described["PrimaryContainer"]


def pipeline(account, *containers, **members):
    name = account.unique("pipeline")
    account.sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=account.role, Containers=list(containers), **members
    )
    return account.deploy(name)


def answer(account, endpoint, body=b"hi", content_type="text/csv", **members):
    return json.loads(account.invoke(endpoint, body, content_type, **members))


def streamed(account, endpoint, body):
    """The parts of a streamed answer, and the answer itself."""
    response = account.runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=body)
    return [event["PayloadPart"]["Bytes"].decode() for event in response["Body"]], response


def until_logged(account, endpoint, text, seconds=60):
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    deadline = time.monotonic() + seconds
    while True:
        streams = account.logs.describe_log_streams(logGroupName=group)["logStreams"]
        lines = [e["message"] for stream in streams for e in account.events(group, stream["logStreamName"])]
        if any(text in line for line in lines):
            return
        assert time.monotonic() < deadline, lines
        time.sleep(0.05)


@pytest.fixture(scope="module")
def streaming(account):
    return account.deploy(account.model({"nothing": "x"}, STREAM))


def test_an_answer_comes_in_parts(account, streaming):
    parts, response = streamed(account, streaming, b"3")
    assert "".join(parts) == "part 0;part 1;part 2;"
    assert response["ContentType"] == "text/parts"
    assert response["InvokedProductionVariant"] == "variant-1"


def test_a_plain_invocation_has_all_parts_in_one(account, streaming):
    assert account.invoke(streaming, b"3") == b"part 0;part 1;part 2;"
    with pytest.raises(account.runtime.exceptions.ModelError, match="enough of it"):
        account.invoke(streaming, b"-2")


def test_an_error_before_the_first_part_is_a_model_error(account, streaming):
    with pytest.raises(account.runtime.exceptions.ModelError, match="nothing to say"):
        streamed(account, streaming, b"0")


def test_an_error_between_the_parts_is_a_model_stream_error(account, streaming):
    from botocore.exceptions import EventStreamError

    seen = []
    response = account.runtime.invoke_endpoint_with_response_stream(EndpointName=streaming, Body=b"-2")
    with pytest.raises(EventStreamError, match="enough of it") as caught:
        for event in response["Body"]:
            seen.append(event["PayloadPart"]["Bytes"])
    assert b"".join(seen) == b"part 0;part 1;"
    assert caught.value.response["Error"]["Code"] == "ModelStreamError"
    assert account.invoke(streaming, b"1") == b"part 0;"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of botocore: its socket
def test_a_reader_who_leaves_ends_the_models_work(account, streaming):
    response = account.runtime.invoke_endpoint_with_response_stream(EndpointName=streaming, Body=b"20000")
    assert len(next(iter(response["Body"]))["PayloadPart"]["Bytes"]) == 65536
    response["Body"].close()
    until_logged(account, streaming, "the endless one ended", seconds=60)
    assert account.invoke(streaming, b"1") == b"part 0;"


def test_an_answer_that_is_no_stream_is_one_part(account):
    endpoint = account.deploy(account.model({"weights.json": '{"name": "whole"}'}, MODEL))
    parts, response = streamed(account, endpoint, b"hi")
    assert [json.loads(part)["name"] for part in parts] == ["whole"]
    assert response["ContentType"] == "application/json"


def test_containers_one_after_the_other(account):
    first = container(account, "first", STAGE="first", WORD="a", SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv")
    second = container(account, "second", WORD="b")
    endpoint = pipeline(account, first, second)
    got = answer(account, endpoint, "hi", "text/csv", Accept="application/json")
    assert got["body"] == "hi+first/text/csv"
    assert (got["name"], got["type"], got["word"]) == ("second", "text/csv", "b")
    assert got["accept"] == "application/json"
    with pytest.raises(account.runtime.exceptions.ModelError, match=r"from container-1 with message .*first will not"):
        account.invoke(endpoint, "fail")
    with pytest.raises(account.runtime.exceptions.ValidationError, match="Mode Direct"):
        account.invoke(endpoint, "hi", TargetContainerHostname="container-1")
    images = account.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"][0]["DeployedImages"]
    assert len(images) == 2


def test_containers_that_requests_name(account):
    one = {**container(account, "one"), "ContainerHostname": "left"}
    two = {**container(account, "two"), "ContainerHostname": "right"}
    endpoint = pipeline(account, one, two, InferenceExecutionConfig={"Mode": "Direct"})
    assert answer(account, endpoint, TargetContainerHostname="right")["name"] == "two"
    assert answer(account, endpoint, TargetContainerHostname="left")["name"] == "one"
    for members in ({}, {"TargetContainerHostname": "middle"}):
        with pytest.raises(account.runtime.exceptions.ValidationError, match="left, right"):
            account.invoke(endpoint, "hi", **members)


@pytest.fixture(scope="module")
def many(account):
    """A multi-model endpoint and the prefix of its models a, b and c; two of them stay loaded."""
    prefix = f"s3://{account.bucket}/many/"
    for name in ("a", "b", "c"):
        put(account, f"{name}.tar.gz", {"name": name})
    put(account, "deep/er/d.tar.gz", {"name": "d"})
    put(account, "bad.tar.gz", {"name": "bad", "fail": "these weights are bad"})
    given = container(account, "code")
    model = account.unique("many")
    account.sagemaker.create_model(
        ModelName=model,
        ExecutionRoleArn=account.role,
        PrimaryContainer={**given, "ModelDataUrl": prefix, "Mode": "MultiModel"},
    )
    return account.deploy(model)


def put(account, name, weights):
    from tests.sdk.boto3.conftest import tar

    account.put(f"many/{name}", tar({"weights.json": json.dumps(weights)}))


def test_models_are_loaded_when_they_are_asked_for(account, many):
    first = answer(account, many, TargetModel="a.tar.gz")
    assert first["name"] == "a"
    assert answer(account, many, TargetModel="/b.tar.gz")["name"] == "b"
    assert answer(account, many, TargetModel="a.tar.gz")["born"] == first["born"]
    assert answer(account, many, TargetModel="deep/er/d.tar.gz")["name"] == "d"
    assert answer(account, many, TargetModel="a.tar.gz")["born"] == first["born"], "b was used less recently"
    assert answer(account, many, TargetModel="c.tar.gz")["name"] == "c"
    assert answer(account, many, TargetModel="a.tar.gz")["born"] == first["born"]
    put(account, "late.tar.gz", {"name": "late"})
    assert answer(account, many, TargetModel="late.tar.gz")["name"] == "late"


def test_models_that_are_not_there_or_cannot_be_loaded(account, many):
    refused = account.runtime.exceptions.ValidationError
    with pytest.raises(refused, match=r"Failed to download model data\(bucket: .*, key: many/none.tar.gz\)"):
        account.invoke(many, "hi", TargetModel="none.tar.gz")
    with pytest.raises(refused, match="TargetModel is required"):
        account.invoke(many, "hi")
    with pytest.raises(account.runtime.exceptions.ModelError, match="these weights are bad"):
        account.invoke(many, "hi", TargetModel="bad.tar.gz")
    put(account, "bad.tar.gz", {"name": "mended"})
    assert answer(account, many, TargetModel="bad.tar.gz")["name"] == "mended"


def test_how_models_come_and_go_is_told_to_cloudwatch(account, many):
    answer(account, many, TargetModel="a.tar.gz")
    answer(account, many, TargetModel="a.tar.gz")
    cloudwatch = account.server.client("cloudwatch")
    now = datetime.now(timezone.utc)

    def statistics(name):
        found = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[{"Name": "EndpointName", "Value": many}, {"Name": "VariantName", "Value": "variant-1"}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=3600,
            Statistics=["Sum", "SampleCount", "Minimum"],
        )["Datapoints"]
        return {word: sum(point[word] for point in found) for word in ("Sum", "SampleCount", "Minimum")}

    hits = statistics("ModelCacheHit")
    assert 1 <= hits["Sum"] < hits["SampleCount"], (
        "the second of two requests found its model, the first of all did not"
    )
    assert statistics("ModelLoadingTime")["Minimum"] > 0
    assert statistics("ModelLoadingWaitTime")["SampleCount"] >= 1


def test_target_model_is_for_multi_model_endpoints(account, streaming):
    with pytest.raises(account.runtime.exceptions.ValidationError, match="multi-model"):
        account.invoke(streaming, b"1", TargetModel="a.tar.gz")


def serverless(account, files, concurrency=2):
    config = account.unique("config")
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": account.model(files, MODEL),
        "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": concurrency},
    }
    account.sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant])
    name = account.unique("serverless")
    account.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    return name


def test_a_serverless_endpoint_goes_to_sleep_and_wakes_up(account):
    name = serverless(account, {"weights.json": '{"name": "sleeper"}'})
    described = account.settled(name)
    assert described["EndpointStatus"] == "InService", described
    variant = described["ProductionVariants"][0]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
    assert "CurrentInstanceCount" not in variant
    first = answer(account, name)["born"]
    deadline = time.monotonic() + 60
    while answer(account, name)["born"] == first:
        assert time.monotonic() < deadline
        time.sleep(1.5)


def test_a_serverless_endpoint_takes_so_many_requests_at_once(account):
    name = serverless(account, {"weights.json": '{"name": "one"}'}, concurrency=1)
    assert account.settled(name)["EndpointStatus"] == "InService"
    from concurrent.futures import ThreadPoolExecutor

    def ask(_):
        try:
            return answer(account, name)["name"]
        except account.runtime.exceptions.ClientError as error:
            return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(200)))
    assert set(answers) == {"one", ("ThrottlingException", 429)}
    account.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"MaxConcurrency": 100}}],
    )
    variant = account.settled(name)["ProductionVariants"][0]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 100}
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(50))) == {"one"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ServerlessConfig": {"MemorySizeInMB": 1500, "MaxConcurrency": 1}}, "MemorySizeInMB must be"),
        ({"InstanceType": "ml.m5.large"}, "cannot have InstanceType"),
        ({"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1, "ProvisionedConcurrency": 2}}, "Provis"),
    ],
)
def test_what_a_serverless_variant_cannot_be(account, change, words):
    model = account.model({"weights.json": "{}"}, MODEL)
    config = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    variant = {"VariantName": "v", "ModelName": model, "ServerlessConfig": config, **change}
    with pytest.raises(account.sagemaker.exceptions.ClientError, match=words):
        account.sagemaker.create_endpoint_config(EndpointConfigName="none", ProductionVariants=[variant])


def test_models_whose_files_are_not_packed_and_what_comes_beside_them(account):
    script = """
import pathlib
def model_fn(model_dir):
    return pathlib.Path(model_dir, "weights.txt").read_text()
def transform_fn(model, body, content_type, accept):
    beside = pathlib.Path("/opt/ml/additional-model-data-sources")
    return model + "|" + "|".join(f"{p.relative_to(beside)}={p.read_text()}" for p in sorted(beside.rglob("*.txt")))
"""
    base = f"s3://{account.bucket}/plain"
    account.put("plain/model/weights.txt", "w")
    account.put("plain/model/code/inference.py", script)
    account.put("plain/adapter/one.txt", "1")
    account.put("plain/tokens.txt", "t")

    def data(uri, kind):
        return {"S3DataSource": {"S3Uri": uri, "S3DataType": kind, "CompressionType": "None"}}

    name = account.unique("plain")
    account.sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=account.role,
        PrimaryContainer={
            "Image": account.sklearn,
            "ModelDataSource": data(f"{base}/model/", "S3Prefix"),
            "AdditionalModelDataSources": [
                {"ChannelName": "adapter", **data(f"{base}/adapter/", "S3Prefix")},
                {"ChannelName": "tokens", **data(f"{base}/tokens.txt", "S3Object")},
            ],
        },
    )
    assert account.invoke(account.deploy(name), "x") == b"w|adapter/one.txt=1|tokens/tokens.txt=t"
