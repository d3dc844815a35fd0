"""What a bucket tells of its objects: to EventBridge, to queues and to functions."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/any"
Message = dict[str, Any]


@pytest.fixture
def queue(server: Any, account: Any) -> tuple[str, Callable[..., list[Message]]]:
    """A queue's ARN, and ``heard(count)``: the next messages in it."""
    sqs, name = server.client("sqs"), account.unique("s3-events")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]

    def heard(count: int = 1, wait: float = 20) -> list[Message]:
        found: list[Message] = []
        deadline = time.monotonic() + wait
        while len(found) < count and time.monotonic() < deadline:
            answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=min(5, int(wait)), MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return f"arn:aws:sqs:us-east-1:123456789012:{name}", heard


@pytest.fixture
def bucket(account: Any) -> str:
    name = account.unique("telling-bucket")
    account.s3.create_bucket(Bucket=name)
    return str(name)


@pytest.fixture
def notify(account: Any, bucket: str) -> Iterator[Callable[..., None]]:
    def put(**configuration: Any) -> None:
        account.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)

    yield put
    put()


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_rule_sees_what_is_created_and_deleted_once_the_bucket_sends_it(server, account, bucket, notify, queue):
    arn, heard = queue
    events = server.client("events")
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": "in/"}]}}}
    events.put_rule(Name=bucket, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=bucket, Targets=[{"Id": "t", "Arn": arn}])
    account.s3.put_object(Bucket=bucket, Key="in/unheard.csv", Body=b"x")
    notify(EventBridgeConfiguration={})
    account.s3.put_object(Bucket=bucket, Key="out/a.csv", Body=b"x")
    account.s3.put_object(Bucket=bucket, Key="in/a b.csv", Body=b"1,2")
    account.s3.copy_object(Bucket=bucket, Key="in/c.csv", CopySource={"Bucket": bucket, "Key": "in/a b.csv"})
    account.s3.delete_object(Bucket=bucket, Key="in/c.csv")
    told = sorted(heard(3), key=lambda one: one["detail"]["object"]["sequencer"])
    assert [(one["detail-type"], one["detail"]["reason"], one["detail"]["object"]["key"]) for one in told] == [
        ("Object Created", "PutObject", "in/a b.csv"),
        ("Object Created", "CopyObject", "in/c.csv"),
        ("Object Deleted", "DeleteObject", "in/c.csv"),
    ]
    assert told[0]["resources"] == [f"arn:aws:s3:::{bucket}"] and told[0]["detail"]["object"]["size"] == 3
    assert told[2]["detail"]["deletion-type"] == "Permanently Deleted"
    events.remove_targets(Rule=bucket, Ids=["t"])
    events.delete_rule(Name=bucket)


def test_a_queue_gets_what_its_filter_lets_through(account, bucket, notify, queue):
    arn, heard = queue
    key = {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".csv"}]}
    events = ["s3:ObjectCreated:*"]
    notify(QueueConfigurations=[{"Id": "mine", "QueueArn": arn, "Events": events, "Filter": {"Key": key}}])
    for name in ("in/a.txt", "out/a.csv", "in/a b+ü.csv"):
        account.s3.put_object(Bucket=bucket, Key=name, Body=b"1,2")
    account.s3.delete_object(Bucket=bucket, Key="in/a b+ü.csv")
    upload = account.s3.create_multipart_upload(Bucket=bucket, Key="in/big.csv")["UploadId"]
    part = account.s3.upload_part(Bucket=bucket, Key="in/big.csv", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    account.s3.complete_multipart_upload(Bucket=bucket, Key="in/big.csv", UploadId=upload, MultipartUpload=parts)
    records = sorted((message["Records"][0] for message in heard(2)), key=lambda one: one["s3"]["object"]["sequencer"])
    assert [(one["eventName"], one["s3"]["object"]["key"]) for one in records] == [
        ("ObjectCreated:Put", "in/a+b%2B%C3%BC.csv"),
        ("ObjectCreated:CompleteMultipartUpload", "in/big.csv"),
    ]
    assert records[0]["eventSource"] == "aws:s3" and records[0]["s3"]["bucket"]["name"] == bucket
    assert records[0]["s3"]["configurationId"] == "mine" and records[0]["s3"]["object"]["size"] == 3


@pytest.mark.frameworks
def test_a_function_is_called_and_reads_the_object(server, account, bucket, notify):
    source = (
        "import boto3\n"
        "from urllib.parse import unquote_plus\n"
        "def handler(event, context):\n"
        "    s3 = boto3.client('s3')\n"
        "    for record in event['Records']:\n"
        "        bucket, key = record['s3']['bucket']['name'], unquote_plus(record['s3']['object']['key'])\n"
        "        body = s3.get_object(Bucket=bucket, Key=key)['Body'].read()\n"
        "        s3.put_object(Bucket=bucket, Key='out/' + key, Body=body.upper())\n"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", source)
    functions = server.client("lambda")
    arn = functions.create_function(
        FunctionName=bucket,
        Runtime="python3.11",
        Handler="index.handler",
        Role=ROLE,
        Code={"ZipFile": packed.getvalue()},
    )["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName=bucket)
    key = {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}
    notify(
        LambdaFunctionConfigurations=[
            {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:Put"], "Filter": {"Key": key}}
        ]
    )
    [kept] = account.s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"]
    assert kept["Id"]
    account.s3.put_object(Bucket=bucket, Key="in/a b.txt", Body=b"hello")
    account.s3.get_waiter("object_exists").wait(
        Bucket=bucket, Key="out/in/a b.txt", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    assert account.get(f"s3://{bucket}/out/in/a b.txt") == b"HELLO"
    functions.delete_function(FunctionName=bucket)


def test_what_cannot_be_told_is_refused(account, bucket, queue):
    arn, _ = queue

    def put(**configuration: Any) -> tuple[str, int]:
        call = account.s3.put_bucket_notification_configuration
        return refused(call, Bucket=bucket, NotificationConfiguration=configuration)

    events = ["s3:ObjectCreated:*"]
    wrong = ("InvalidArgument", 400)
    assert put(QueueConfigurations=[{"QueueArn": arn + "-not-there", "Events": events}]) == wrong
    assert put(QueueConfigurations=[{"QueueArn": "no arn", "Events": events}]) == wrong
    function = "arn:aws:lambda:us-east-1:123456789012:function:not-there"
    assert put(LambdaFunctionConfigurations=[{"LambdaFunctionArn": function, "Events": events}]) == wrong
    twice = [{"QueueArn": arn, "Events": events}, {"QueueArn": arn, "Events": ["s3:ObjectCreated:Put"]}]
    assert put(QueueConfigurations=twice) == wrong
    assert put(QueueConfigurations=[{"QueueArn": arn, "Events": ["s3:NotAnEvent"]}]) == wrong
    topic = {"TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Events": events}
    assert put(TopicConfigurations=[topic]) == ("NotImplemented", 501)
    assert "QueueConfigurations" not in account.s3.get_bucket_notification_configuration(Bucket=bucket)


def test_what_no_message_reaches_is_given_up(account, bucket, queue):
    """SkipDestinationValidation lets any ARN pass: it must not hold up the queue beside it."""
    arn, heard = queue
    wrong = ("arn:aws:sns:us-east-1:123456789012:t", "arn:aws:sqs:us-east-1:123456789012:not-there", "no arn")
    configurations = [
        {"QueueArn": target, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}
        for number, target in enumerate((*wrong, arn))
        for rules in [[{"Name": "prefix", "Value": f"{number}/"}]]
    ]
    account.s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={"QueueConfigurations": configurations},
        SkipDestinationValidation=True,
    )
    for number in range(len(configurations)):
        account.s3.put_object(Bucket=bucket, Key=f"{number}/a", Body=b"x")
    [message] = heard()
    assert message["Records"][0]["s3"]["object"]["key"] == "3/a"
