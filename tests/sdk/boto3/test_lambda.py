"""Functions as a user of boto3 knows them."""

import base64
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.frameworks

ROLE = "arn:aws:iam::123456789012:role/LambdaRole"

HANDLER = """
import os, sys, time, logging
calls = 0
def handler(event, context):
    global calls
    calls += 1
    logging.getLogger().warning("call %d", calls)
    print("event", event)
    return {"calls": calls, "event": event, "name": context.function_name, "who": os.environ.get("WHO"),
            "left": context.get_remaining_time_in_millis() > 0, "arn": context.invoked_function_arn}
def fail(event, context):
    raise ValueError("no " + event["what"])
def leave(event, context):
    sys.exit(3)
def sleep(event, context):
    print("sleeping")
    time.sleep(60)
def odd(event, context):
    return object()
def secrets(event, context):
    return sorted(os.listdir("/")), os.path.exists(event["home"])
def store(event, context):
    import boto3
    boto3.client("s3").put_object(Bucket=event["bucket"], Key=event["key"], Body=b"x")
    return boto3.client("sts").get_caller_identity()["Account"]
"""


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, text in files.items():
            file.writestr(name.replace("__", "/") + ".py", text)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def client(server: Any) -> Any:
    return server.client("lambda")


@pytest.fixture
def make(client: Any, account: Any) -> Iterator[Callable[..., str]]:
    """Create a function; returns its name."""
    made = []

    def create(handler: str = "index.handler", code: bytes | None = None, **members: Any) -> str:
        name = account.unique("function")
        request = {
            "FunctionName": name, "Runtime": "python3.11", "Role": ROLE, "Handler": handler,
            "Code": {"ZipFile": code or archive(index=HANDLER)}, **members,
        }  # fmt: skip
        client.create_function(**request)
        made.append(name)
        return name

    yield create
    for name in made:
        client.delete_function(FunctionName=name)


def invoke(client: Any, name: str, event: Any = None, **members: Any) -> tuple[Any, dict[str, Any]]:
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event), **members)
    return json.loads(answer["Payload"].read()), answer


def refused(call: Callable[..., Any], **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert 400 <= caught.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500
    return str(caught.value.response["Error"]["Code"])


def test_a_function_answers_and_stays_warm(client, make) -> None:
    name = make(Environment={"Variables": {"WHO": "me"}})
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    first, answer = invoke(client, name, {"a": [1, "ü"]}, LogType="Tail")
    assert first["event"] == {"a": [1, "ü"]} and first["who"] == "me" and first["left"] and first["name"] == name
    assert answer["ExecutedVersion"] == "$LATEST" and "FunctionError" not in answer
    log = base64.b64decode(answer["LogResult"]).decode()
    assert log.startswith("START RequestId") and "[WARNING]" in log and "REPORT RequestId" in log
    second, _ = invoke(client, name)
    assert second["calls"] == 2 and second["event"] is None


def test_the_log_is_in_its_group(client, make, account) -> None:
    name = make()
    invoke(client, name, "hello log")
    events = account.logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    assert any("event hello log" in event["message"] for event in events)


def test_an_exception_is_told(client, make) -> None:
    error, answer = invoke(client, make("index.fail"), {"what": "luck"})
    assert answer["FunctionError"] == "Unhandled" and answer["StatusCode"] == 200
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no luck")
    assert "/var/task/index.py" in error["stackTrace"][0] and "raise ValueError" in error["stackTrace"][0]


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        ("index.leave", "Runtime.ExitError", "exit status 3"),
        ("index.odd", "Runtime.MarshalError", "Unable to marshal response"),
        ("index.nothing", "Runtime.HandlerNotFound", "Handler 'nothing' missing on module 'index'"),
        ("other.handler", "Runtime.ImportModuleError", "Unable to import module 'other'"),
        ("index", "Runtime.MalformedHandlerName", "Bad handler 'index'"),
    ],
)
def test_what_goes_wrong_is_told_and_the_next_call_works(client, make, handler, kind, message) -> None:
    name = make(handler)
    for _ in range(2):
        error, answer = invoke(client, name, {})
        assert (
            answer["FunctionError"] == "Unhandled" and error["errorType"] == kind and message in error["errorMessage"]
        )
    client.update_function_configuration(FunctionName=name, Handler="index.handler")
    assert invoke(client, name, 1)[0]["event"] == 1


def test_a_function_that_takes_too_long_is_ended(client, make) -> None:
    error, answer = invoke(client, make("index.sleep", Timeout=1), LogType="Tail")
    assert error["errorType"] == "Sandbox.Timedout" and "timed out after 1.00 seconds" in error["errorMessage"]
    assert b"sleeping" in base64.b64decode(answer["LogResult"])


def test_a_function_has_boto3_and_credentials_of_its_own(client, make, account, server) -> None:
    key = account.unique("key")
    name = make("index.store", Timeout=60)
    assert invoke(client, name, {"bucket": account.bucket, "key": key})[0] == "123456789012"
    assert account.get(f"s3://{account.bucket}/{key}") == b"x"
    roots, home = invoke(client, make("index.secrets"), {"home": str(server.home / "run")})[0]
    assert home is False and "var" in roots


def test_new_code_is_run_from_then_on(client, make, account) -> None:
    name = make()
    before = client.get_function(FunctionName=name)["Configuration"]
    code = archive(index="def handler(event, context): return 'new'")
    account.s3.put_object(Bucket=account.bucket, Key=f"{name}.zip", Body=code)
    updated = client.update_function_code(FunctionName=name, S3Bucket=account.bucket, S3Key=f"{name}.zip")
    assert updated["CodeSha256"] != before["CodeSha256"] and updated["CodeSize"] == len(code)
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    assert invoke(client, name)[0] == "new"
    assert refused(client.update_function_code, FunctionName=name, ZipFile=code, RevisionId="x") == (
        "PreconditionFailedException"
    )


def test_versions_stay_as_they_were_and_aliases_lead_to_them(client, make) -> None:
    name = make(code=archive(index="def handler(event, context): return context.function_version, 1"))
    assert client.publish_version(FunctionName=name)["Version"] == "1"
    assert client.publish_version(FunctionName=name)["Version"] == "1"
    code = archive(index="def handler(event, context): return context.function_version, 2")
    assert client.update_function_code(FunctionName=name, ZipFile=code, Publish=True)["Version"] == "2"
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert invoke(client, name)[0] == ["$LATEST", 2]
    assert invoke(client, f"{name}:live")[0] == ["1", 1]
    client.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    assert invoke(client, name, Qualifier="live")[0] == ["2", 2]
    versions = client.list_versions_by_function(FunctionName=name)["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]
    assert refused(client.delete_function, FunctionName=name, Qualifier="2") == "ResourceConflictException"
    assert refused(client.invoke, FunctionName=name, Qualifier="3") == "ResourceNotFoundException"


def test_an_event_is_taken_on_and_made(client, make, account) -> None:
    key = account.unique("key")
    name = make("index.store", Timeout=60)
    answer = client.invoke(
        FunctionName=name, InvocationType="Event", Payload=json.dumps({"bucket": account.bucket, "key": key})
    )
    assert answer["StatusCode"] == 202
    deadline = time.monotonic() + 60
    while key not in account.keys(""):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_dry_run_runs_nothing(client, make) -> None:
    assert client.invoke(FunctionName=make(), InvocationType="DryRun")["StatusCode"] == 204


def test_a_policy_tags_and_a_limit_are_kept(client, make) -> None:
    name = make(Tags={"a": "b"})
    client.add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
    )
    policy = json.loads(client.get_policy(FunctionName=name)["Policy"])
    assert policy["Statement"][0]["Principal"] == {"Service": "events.amazonaws.com"}
    client.remove_permission(FunctionName=name, StatementId="s")
    assert refused(client.get_policy, FunctionName=name) == "ResourceNotFoundException"
    arn = client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"c": "d"})
    client.untag_resource(Resource=arn, TagKeys=["a"])
    assert client.get_function(FunctionName=name)["Tags"] == {"c": "d"}
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert refused(client.invoke, FunctionName=name) == "TooManyRequestsException"


def damaged() -> bytes:
    """A file of it is not what its checksum says."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as made:
        made.writestr("index.py", HANDLER)
    return buffer.getvalue().replace(b"handler", b"hundler", 1)


def in_a_file() -> bytes:
    """A name goes on behind that of a file, or of a link."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("index.py", HANDLER)
        made.writestr("index.py/more.py", "")
    return buffer.getvalue()


def test_bad_functions_are_refused(client, make) -> None:
    name = make()
    good = {"FunctionName": "f", "Runtime": "python3.11", "Role": ROLE, "Handler": "index.handler",
            "Code": {"ZipFile": archive(index=HANDLER)}}  # fmt: skip
    invalid = "InvalidParameterValueException"
    assert refused(client.create_function, **{**good, "FunctionName": name}) == "ResourceConflictException"
    assert refused(client.create_function, **{**good, "Runtime": "nodejs20.x"}) == invalid
    assert refused(client.create_function, **{**good, "Code": {"ZipFile": b"no zip"}}) == invalid
    for broken in (damaged(), in_a_file()):
        assert refused(client.create_function, **{**good, "Code": {"ZipFile": broken}}) == invalid
    assert refused(client.create_function, **{**good, "Code": {"S3Bucket": "none-here", "S3Key": "k"}}) == invalid
    assert refused(client.create_function, **{**good, "Code": {"ImageUri": "x:y"}}) == invalid
    assert refused(client.create_function, **{**good, "Timeout": 901}) == invalid
    variables = {"Variables": {"AWS_REGION": "x"}}
    assert refused(client.create_function, **{**good, "Environment": variables}) == invalid
    assert refused(client.invoke, FunctionName=name, Payload=b"{") == "InvalidRequestContentException"
    assert refused(client.invoke, FunctionName="nobody") == "ResourceNotFoundException"
    assert refused(client.get_function, FunctionName="f") == "ResourceNotFoundException"


def test_an_event_that_a_kill_cut_off_is_made_again(new_server, account_on) -> None:
    server = new_server()
    account, client = account_on(server), server.client("lambda")
    code = (
        "import boto3, time\ns3 = boto3.client('s3')\n"
        "def handler(event, context):\n"
        "    run = f'runs/{time.time()}/{context.aws_request_id}'\n"
        f"    s3.put_object(Bucket={account.bucket!r}, Key=run, Body=b'')\n"
        "    time.sleep(event)\n"
        f"    s3.put_object(Bucket={account.bucket!r}, Key='done', Body=b'')\n"
    )
    client.create_function(
        FunctionName="f", Runtime="python3.11", Role=ROLE, Handler="index.handler", Timeout=60,
        Code={"ZipFile": archive(index=code)},
    )  # fmt: skip
    client.invoke(FunctionName="f", InvocationType="Event", Payload=b"2")
    deadline = time.monotonic() + 60
    while not account.keys("runs/"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.kill()
    server.start()
    account.connect()
    while "done" not in account.keys(""):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    runs = [key.rpartition("/")[2] for key in account.keys("runs/")]
    assert len(runs) == 2 and len(set(runs)) == 1  # one call, made twice


def test_a_server_that_stops_waits_for_no_function(new_server) -> None:
    server = new_server()
    client = server.client("lambda")
    client.create_function(
        FunctionName="f", Runtime="python3.11", Role=ROLE, Handler="index.sleep", Timeout=900,
        Code={"ZipFile": archive(index=HANDLER)},
    )  # fmt: skip
    client.invoke(FunctionName="f", InvocationType="Event")
    deadline = time.monotonic() + 60
    logs = server.client("logs")
    while (
        not (groups := logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/f")["logGroups"])
        or not (logs.filter_log_events(logGroupName=groups[0]["logGroupName"], filterPattern="sleeping")["events"])
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    server.stop()  # raises when the server is still there after a minute


def test_the_outcome_of_an_event_goes_where_the_function_says(client, make, account, server) -> None:
    sqs = server.client("sqs")
    queues = [sqs.create_queue(QueueName=account.unique("outcomes"))["QueueUrl"] for _ in range(2)]
    heard, dead = (sqs.get_queue_attributes(QueueUrl=q, AttributeNames=["QueueArn"])["Attributes"] for q in queues)
    name = make("index.fail", DeadLetterConfig={"TargetArn": dead["QueueArn"]})
    destinations = {"OnSuccess": {"Destination": heard["QueueArn"]}, "OnFailure": {"Destination": heard["QueueArn"]}}
    kept = client.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=0, DestinationConfig=destinations
    )
    assert kept["FunctionArn"].endswith(f":{name}:$LATEST") and kept["DestinationConfig"] == destinations
    sent = client.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n": 1}')
    told = json.loads(sqs.receive_message(QueueUrl=queues[0], WaitTimeSeconds=20)["Messages"][0]["Body"])
    assert told["requestPayload"] == {"n": 1}
    assert told["requestContext"] == {
        "requestId": sent["ResponseMetadata"]["RequestId"],
        "functionArn": kept["FunctionArn"],
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 1,
    }
    assert told["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert "errorMessage" in told["responsePayload"]
    [letter] = sqs.receive_message(QueueUrl=queues[1], WaitTimeSeconds=20, MessageAttributeNames=["All"])["Messages"]
    attributes = {key: value["StringValue"] for key, value in letter["MessageAttributes"].items()}
    assert json.loads(letter["Body"]) == {"n": 1}
    assert attributes == {
        "RequestID": told["requestContext"]["requestId"],
        "ErrorCode": "200",
        "ErrorMessage": told["responsePayload"]["errorMessage"],
    }

    code = archive(index="def fail(event, context): return {'id': context.aws_request_id}")
    client.update_function_code(FunctionName=name, ZipFile=code)
    sent = client.invoke(FunctionName=name, InvocationType="Event", Payload=b"[]")
    told = json.loads(sqs.receive_message(QueueUrl=queues[0], WaitTimeSeconds=20)["Messages"][0]["Body"])
    assert told["requestContext"]["condition"] == "Success"
    assert told["responsePayload"] == {"id": sent["ResponseMetadata"]["RequestId"]}


def test_how_events_are_made_is_kept_changed_and_forgotten(client, make) -> None:
    name = make()
    assert refused(client.get_function_event_invoke_config, FunctionName=name) == "ResourceNotFoundException"
    assert refused(client.put_function_event_invoke_config, FunctionName=name) == "InvalidParameterValueException"
    topic = {"OnFailure": {"Destination": "arn:aws:sns:us-east-1:123456789012:topic"}}
    request = {"FunctionName": name, "DestinationConfig": topic}
    assert refused(client.put_function_event_invoke_config, **request) == "InvalidParameterValueException"
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    client.update_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=60)
    [kept] = client.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
    assert (kept["MaximumRetryAttempts"], kept["MaximumEventAgeInSeconds"]) == (1, 60)
    client.put_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=90)
    kept = client.get_function_event_invoke_config(FunctionName=name)
    assert "MaximumRetryAttempts" not in kept and kept["MaximumEventAgeInSeconds"] == 90
    client.delete_function_event_invoke_config(FunctionName=name)
    assert refused(client.delete_function_event_invoke_config, FunctionName=name) == "ResourceNotFoundException"


def test_decimals_are_numbers_in_an_answer(client, make) -> None:
    code = "from decimal import Decimal as D\ndef handler(event, context): return [D('1.50'), D('7'), D('-0')]"
    assert invoke(client, make(code=archive(index=code)))[0] == [1.5, 7, 0]


def test_what_has_not_changed_since_is_no_new_version(client, make) -> None:
    name = make()
    assert client.publish_version(FunctionName=name, Description="first")["Version"] == "1"
    assert client.publish_version(FunctionName=name)["Version"] == "1"
    client.update_function_configuration(FunctionName=name, Timeout=7)
    assert client.publish_version(FunctionName=name)["Version"] == "2"


def test_permissions_added_at_once_are_all_kept(client, make, server, account) -> None:
    name, url = make(), server.client("sqs").create_queue(QueueName=account.unique("queue"))["QueueUrl"]
    clients = [(server.client("lambda"), server.client("sqs")) for _ in range(6)]
    revision = client.get_function_configuration(FunctionName=name)["RevisionId"]

    def add(number: int) -> None:
        functions, queues = clients[number % 6]
        functions.add_permission(
            FunctionName=name, StatementId=str(number), Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
        )
        queues.add_permission(QueueUrl=url, Label=str(number), AWSAccountIds=["123456789012"], Actions=["SendMessage"])

    def change(number: int) -> str:
        try:
            clients[number % 6][0].update_function_configuration(
                FunctionName=name, Timeout=number + 1, RevisionId=revision
            )
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "changed"

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(18)))
        outcomes = list(pool.map(change, range(6)))
    assert sorted(outcomes) == [*["PreconditionFailedException"] * 5, "changed"]
    policy = json.loads(client.get_policy(FunctionName=name)["Policy"])
    assert {statement["Sid"] for statement in policy["Statement"]} == set(map(str, range(18)))
    kept = clients[0][1].get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    assert {statement["Sid"] for statement in json.loads(kept)["Statement"]} == set(map(str, range(18)))
