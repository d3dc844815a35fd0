"""Models, configurations and endpoints, as plain boto3 drives them."""

import json
import threading
import time

import pytest

ECHO = """
import json, os, pathlib
def model_fn(model_dir):
    print("loading from", model_dir, flush=True)
    return json.loads(pathlib.Path(model_dir, "weights.json").read_text())
def input_fn(body, content_type):
    if content_type != "application/json":
        raise ValueError("cannot read " + content_type)
    return json.loads(body)
def predict_fn(data, model):
    if data == "raise":
        raise RuntimeError("this model had a bad day")
    if data == "exit":
        os._exit(3)
    return {"name": model["name"], "sum": sum(data) * model["factor"], "pid": os.getpid()}
def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""

DEFAULTS = """
import json, pathlib
class Doubler:
    def predict(self, rows):
        return [sum(map(float, row)) for row in rows]
def model_fn(model_dir):
    return Doubler()
def predict_fn(data, model):
    import numpy
    return numpy.asarray(model.predict(numpy.asarray(data)))
"""


def weights(name, factor=1):
    return {"weights.json": json.dumps({"name": name, "factor": factor})}


def ask(account, endpoint, data, **members):
    return json.loads(account.invoke(endpoint, json.dumps(data), "application/json", **members))


@pytest.fixture(scope="module")
def echo(account):
    """An endpoint with user handlers; its model multiplies by ten."""
    name = account.deploy(account.model(weights("ten", 10), ECHO))
    yield name
    account.sagemaker.delete_endpoint(EndpointName=name)


@pytest.fixture(scope="module")
def defaults(account):
    """An endpoint that leaves input and output to the container's own handlers; a row's answer is its sum."""
    name = account.deploy(account.model({"nothing": "x"}, DEFAULTS))
    yield name
    account.sagemaker.delete_endpoint(EndpointName=name)


def test_user_handlers_see_and_shape_the_request(account, echo):
    assert ask(account, echo, [1, 2, 3])["sum"] == 60
    answer = account.runtime.invoke_endpoint(EndpointName=echo, Body=b"[4]", ContentType="application/json")
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "variant-1"


def test_describe_tells_the_state_and_the_variants(account, echo):
    described = account.sagemaker.describe_endpoint(EndpointName=echo)
    assert described["EndpointStatus"] == "InService"
    variant = described["ProductionVariants"][0]
    assert variant["VariantName"] == "variant-1"
    assert variant["CurrentWeight"] == variant["DesiredWeight"] == 1
    assert variant["CurrentInstanceCount"] == variant["DesiredInstanceCount"] == 1
    assert described["EndpointArn"].endswith(f":endpoint/{echo}")
    assert described["CreationTime"] <= described["LastModifiedTime"]


def test_a_users_exception_is_a_model_error_with_the_message_and_the_log(account, echo):
    with pytest.raises(account.runtime.exceptions.ModelError) as caught:
        ask(account, echo, "raise")
    error = caught.value.response
    assert "this model had a bad day" in error["Error"]["Message"] + error.get("OriginalMessage", "")
    assert error["OriginalStatusCode"] == 500
    assert f"/aws/sagemaker/Endpoints/{echo}" in error["LogStreamArn"] + error["Error"]["Message"]
    assert ask(account, echo, [1])["sum"] == 10


def test_a_worker_that_dies_is_a_model_error_and_the_endpoint_recovers(account, echo):
    with pytest.raises(account.runtime.exceptions.ModelError):
        ask(account, echo, "exit")
    deadline = time.monotonic() + 60
    while True:
        try:
            assert ask(account, echo, [2])["sum"] == 20
            return
        except account.runtime.exceptions.ClientError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_workers_output_is_in_the_endpoints_log(account, echo):
    group = f"/aws/sagemaker/Endpoints/{echo}"
    streams = account.logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert all(stream["logStreamName"].startswith("variant-1/") for stream in streams)
    lines = [e["message"] for stream in streams for e in account.events(group, stream["logStreamName"])]
    assert any("loading from /opt/ml/model" in line for line in lines)


def test_the_default_handlers_take_csv_json_and_npy(account, defaults):
    import struct

    assert json.loads(account.invoke(defaults, "1,2\n3,4\n", "text/csv", Accept="application/json")) == [3, 7]
    assert json.loads(account.invoke(defaults, "[[1, 2], [3, 4]]", "application/json", Accept="application/json")) == [
        3,
        7,
    ]
    csv = account.invoke(defaults, "1,2\n3,4\n", "text/csv", Accept="text/csv").decode().split()
    assert [float(value) for value in csv] == [3, 7]
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack("<2d", 5, 6)
    answer = account.invoke(defaults, npy, "application/x-npy", Accept="application/x-npy")
    assert answer.startswith(b"\x93NUMPY")
    assert struct.unpack("<d", answer[-8:]) == (11.0,)


def test_an_unsupported_content_type_is_a_model_error_415(account, defaults):
    with pytest.raises(account.runtime.exceptions.ModelError) as caught:
        account.invoke(defaults, "x", "application/x-nobody-knows")
    assert caught.value.response["OriginalStatusCode"] == 415
    with pytest.raises(account.runtime.exceptions.ModelError) as caught:
        account.invoke(defaults, "1,2\n3,4\n", "text/csv", Accept="application/x-nobody-knows")
    assert caught.value.response["OriginalStatusCode"] == 406


def test_csv_that_is_not_numbers_is_an_error_of_the_caller_not_a_crash(account, defaults):
    with pytest.raises(account.runtime.exceptions.ModelError) as caught:
        account.invoke(defaults, "a,b\n", "text/csv")
    assert 400 <= caught.value.response["OriginalStatusCode"] < 600
    assert json.loads(account.invoke(defaults, "1,2\n3,4\n", "text/csv", Accept="application/json")) == [3, 7]


def test_an_unknown_endpoint_is_a_validation_error(account):
    with pytest.raises(account.runtime.exceptions.ClientError) as caught:
        account.invoke("nobody", "1")
    error = caught.value.response
    assert error["Error"]["Code"] in ("ValidationError", "ValidationException")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "nobody" in error["Error"]["Message"]


def test_a_model_that_does_not_load_fails_the_endpoint_with_its_own_error(account):
    model = account.model(weights("x"), "def model_fn(model_dir):\n    raise OSError('weights are corrupt')\n")
    name = account.unique("endpoint")
    account.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=account.config(model))
    described = account.settled(name)
    assert described["EndpointStatus"] == "Failed"
    assert "weights are corrupt" in described["FailureReason"]
    account.sagemaker.delete_endpoint(EndpointName=name)


def test_a_missing_artifact_is_refused_or_fails_by_name(account):
    name = account.unique("model")
    url = f"s3://{account.bucket}/nowhere/model.tar.gz"
    container = {"Image": account.sklearn, "ModelDataUrl": url, "Environment": {}}
    try:
        account.sagemaker.create_model(ModelName=name, ExecutionRoleArn=account.role, PrimaryContainer=container)
        endpoint = account.unique("endpoint")
        account.sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=account.config(name))
    except account.sagemaker.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationException"
        assert url in error.response["Error"]["Message"]
        return
    described = account.settled(endpoint)
    assert described["EndpointStatus"] == "Failed"
    assert url in described["FailureReason"]


def test_traffic_goes_by_weight_and_by_target_variant(account):
    endpoint = account.deploy(account.model(weights("one"), ECHO), account.model(weights("two"), ECHO))
    for target, name in (("variant-1", "one"), ("variant-2", "two")):
        assert {ask(account, endpoint, [1], TargetVariant=target)["name"] for _ in range(5)} == {name}
    assert {ask(account, endpoint, [1])["name"] for _ in range(60)} == {"one", "two"}
    account.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[
            {"VariantName": "variant-1", "DesiredWeight": 0},
            {"VariantName": "variant-2", "DesiredWeight": 3},
        ],
    )
    described = account.settled(endpoint)
    assert {v["VariantName"]: v["CurrentWeight"] for v in described["ProductionVariants"]} == {
        "variant-1": 0,
        "variant-2": 3,
    }
    assert {ask(account, endpoint, [1])["name"] for _ in range(30)} == {"two"}
    with pytest.raises(account.runtime.exceptions.ClientError) as caught:
        ask(account, endpoint, [1], TargetVariant="nobody")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    account.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_update_endpoint_swaps_without_one_failed_request(account):
    endpoint = account.deploy(account.model(weights("old"), ECHO))
    new = account.config(account.model(weights("new"), ECHO))
    seen, problems, over = [], [], threading.Event()

    def load(runtime):
        while not over.is_set():
            try:
                begun = time.monotonic()
                answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=b"[1]", ContentType="application/json")
                seen.append((begun, json.loads(answer["Body"].read())["name"]))
            except Exception as error:  # noqa: BLE001 - any failure at all is what the test looks for
                problems.append(repr(error))

    threads = [threading.Thread(target=load, args=(account.server.client("sagemaker-runtime"),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(seen) < 20:
        time.sleep(0.01)
    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)
    described = account.settled(endpoint)
    updated = time.monotonic()
    while sum(begun > updated for begun, _ in seen) < 20 and not problems:
        time.sleep(0.01)
    over.set()
    for thread in threads:
        thread.join()
    assert not problems, problems[:3]
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == new
    assert seen[0][1] == "old"
    assert {name for begun, name in seen if begun > updated} == {"new"}
    account.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_an_update_that_fails_leaves_the_old_version_serving(account):
    endpoint = account.deploy(account.model(weights("good"), ECHO))
    bad = account.config(account.model(weights("bad"), "def model_fn(model_dir):\n    raise OSError('no')\n"))
    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=bad)
    account.settled(endpoint)
    assert ask(account, endpoint, [1])["name"] == "good"
    account.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_delete_ends_the_endpoint_and_leaves_its_configuration(account):
    endpoint = account.deploy(account.model(weights("gone"), ECHO))
    config = account.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    account.sagemaker.delete_endpoint(EndpointName=endpoint)
    account.sagemaker.get_waiter("endpoint_deleted").wait(
        EndpointName=endpoint, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    with pytest.raises(account.sagemaker.exceptions.ClientError, match=r"(?i)could not find"):
        account.sagemaker.describe_endpoint(EndpointName=endpoint)
    with pytest.raises(account.runtime.exceptions.ClientError):
        ask(account, endpoint, [1])
    assert account.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    account.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    with pytest.raises(account.sagemaker.exceptions.ClientError, match=r"(?i)could not find"):
        account.sagemaker.describe_endpoint_config(EndpointConfigName=config)


def test_models_are_described_listed_and_deleted(account):
    name = account.model(weights("listed"), ECHO, Tags=[{"Key": "k", "Value": "v"}])
    described = account.sagemaker.describe_model(ModelName=name)
    assert described["PrimaryContainer"]["Image"] == account.sklearn
    assert described["ExecutionRoleArn"] == account.role
    assert name in [m["ModelName"] for m in account.sagemaker.list_models(NameContains=name)["Models"]]
    assert account.sagemaker.list_tags(ResourceArn=described["ModelArn"])["Tags"] == [{"Key": "k", "Value": "v"}]
    with pytest.raises(account.sagemaker.exceptions.ClientError, match="Cannot create already existing model"):
        account.sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=account.role, PrimaryContainer=described["PrimaryContainer"]
        )
    account.sagemaker.delete_model(ModelName=name)
    with pytest.raises(account.sagemaker.exceptions.ClientError, match=r"(?i)could not find"):
        account.sagemaker.describe_model(ModelName=name)


def test_an_endpoint_needs_a_configuration_and_a_configuration_its_models(account):
    with pytest.raises(account.sagemaker.exceptions.ClientError, match=r"(?i)could not find") as caught:
        account.sagemaker.create_endpoint(EndpointName=account.unique("e"), EndpointConfigName="nobody")
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(account.sagemaker.exceptions.ClientError, match=r"(?i)could not find"):
        account.config("no-such-model")


def test_endpoints_come_back_after_a_restart(new_server, account_on):
    server = new_server()
    account = account_on(server)
    endpoint = account.deploy(account.model(weights("again"), ECHO))
    server.kill()
    server.start()
    account.connect()
    assert account.settled(endpoint)["EndpointStatus"] == "InService"
    assert ask(account, endpoint, [1])["name"] == "again"
    server.stop()
    server.start()
    account.connect()
    account.settled(endpoint)
    assert ask(account, endpoint, [1])["name"] == "again"


def test_many_clients_at_once_get_their_own_answers(account, echo):
    wrong = []

    def load(number, runtime):
        for i in range(25):
            answer = runtime.invoke_endpoint(
                EndpointName=echo, Body=json.dumps([number, i]), ContentType="application/json"
            )
            if json.loads(answer["Body"].read())["sum"] != (number + i) * 10:
                wrong.append((number, i))

    threads = [
        threading.Thread(target=load, args=(number, account.server.client("sagemaker-runtime"))) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_large_body_goes_through(account, echo):
    numbers = [1] * 400_000
    assert ask(account, echo, numbers)["sum"] == 4_000_000


def test_search_finds_endpoints_and_the_models_that_they_serve(account, echo):
    def found(resource, name, value):
        filters = [{"Name": name, "Operator": "Equals", "Value": value}]
        return account.sagemaker.search(Resource=resource, SearchExpression={"Filters": filters})["Results"]

    (result,) = found("Endpoint", "EndpointName", echo)
    assert result["Endpoint"]["EndpointStatus"] == "InService"
    config = account.sagemaker.describe_endpoint_config(EndpointConfigName=result["Endpoint"]["EndpointConfigName"])
    name = config["ProductionVariants"][0]["ModelName"]
    (result,) = found("Model", "ModelName", name)
    assert result["Model"]["Model"]["ModelName"] == name
    assert [host["EndpointName"] for host in result["Model"]["Endpoints"]] == [echo]
