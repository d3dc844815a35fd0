"""Functions that listen to queues, as a user of boto3 knows them."""

import io
import json
import time
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.frameworks

HANDLER = """
import boto3, json
sqs = boto3.client("sqs")
def handler(event, context):
    failures = []
    for record in event["Records"]:
        if record["body"].startswith("bad"):
            failures.append({"itemIdentifier": record["messageId"]})
            continue
        told = {"body": record["body"], "source": record["eventSource"], "own": record["messageAttributes"]}
        sqs.send_message(QueueUrl=OUT, MessageBody=json.dumps(told))
    return {"batchItemFailures": failures}
"""


@pytest.fixture
def world(server: Any, account: Any) -> Any:
    """Clients, the URL and ARN of a queue, the URL of another, and a function that goes from one to the other."""
    sqs, functions, name = server.client("sqs"), server.client("lambda"), account.unique("listens")
    into = sqs.create_queue(QueueName=name)["QueueUrl"]
    out = sqs.create_queue(QueueName=f"{name}-out")["QueueUrl"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", f"OUT = {out!r}\n{HANDLER}")
    functions.create_function(
        FunctionName=name, Runtime="python3.11", Role="arn:aws:iam::123456789012:role/r", Handler="index.handler",
        Timeout=20, Code={"ZipFile": buffer.getvalue()},
    )  # fmt: skip
    return sqs, functions, name, into, f"arn:aws:sqs:us-east-1:123456789012:{name}", out


def received(sqs: Any, url: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_a_function_takes_what_comes_and_leaves_what_it_fails_on(world: Any) -> None:
    sqs, functions, name, into, arn, out = world
    mapping = functions.create_event_source_mapping(
        EventSourceArn=arn, FunctionName=name, BatchSize=5, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    own = {"n": {"DataType": "Number", "StringValue": "1"}}
    sqs.send_message(QueueUrl=into, MessageBody="first", MessageAttributes=own)
    (told,) = received(sqs, out, 1)
    assert told["source"] == "aws:sqs" and told["own"]["n"]["stringValue"] == "1"
    entries = [{"Id": str(n), "MessageBody": f"{'bad' if n == 3 else 'good'} {n}"} for n in range(10)]
    sqs.send_message_batch(QueueUrl=into, Entries=entries)
    assert sorted(told["body"] for told in received(sqs, out, 9)) == [f"good {n}" for n in range(10) if n != 3]
    deadline = time.monotonic() + 20
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    while sorted(sqs.get_queue_attributes(QueueUrl=into, AttributeNames=names)["Attributes"].values()) != ["0", "1"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    assert functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Disabled"
    listed = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    assert [found["UUID"] for found in listed] == [mapping["UUID"]]
    functions.delete_event_source_mapping(UUID=mapping["UUID"])
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_event_source_mapping(UUID=mapping["UUID"])


def test_filters_and_bad_mappings(world: Any) -> None:
    sqs, functions, name, into, arn, out = world
    criteria = {"Filters": [{"Pattern": json.dumps({"body": {"kind": ["wanted"]}})}]}
    functions.create_event_source_mapping(EventSourceArn=arn, FunctionName=name, FilterCriteria=criteria)
    for kind in ("other", "wanted"):
        sqs.send_message(QueueUrl=into, MessageBody=json.dumps({"kind": kind}))
    assert [json.loads(told["body"]) for told in received(sqs, out, 1)] == [{"kind": "wanted"}]
    with pytest.raises(functions.exceptions.ResourceConflictException):
        functions.create_event_source_mapping(EventSourceArn=arn, FunctionName=name)
    for wrong in (
        {"EventSourceArn": arn + "x"}, {"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"},
        {"FilterCriteria": {"Filters": [{"Pattern": "{"}]}},
    ):  # fmt: skip
        with pytest.raises(ClientError) as caught:
            functions.create_event_source_mapping(**{"EventSourceArn": arn, "FunctionName": name, **wrong})
        assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
