"""Queues as a user of boto3 knows them."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def sqs(server):
    return server.client("sqs")


@pytest.fixture
def queue(sqs, account):
    return sqs.create_queue(QueueName=account.unique("queue"))["QueueUrl"]


def bodies(answer: dict) -> list[str]:
    return [message["Body"] for message in answer.get("Messages", [])]


def refused(call, **request) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(caught.value.response["Error"]["Code"])


def test_a_message_is_received_hidden_and_deleted(sqs, queue) -> None:
    sent = sqs.send_message(
        QueueUrl=queue,
        MessageBody="a ü",
        MessageAttributes={
            "n": {"DataType": "Number", "StringValue": "1"},
            "b": {"DataType": "Binary", "BinaryValue": b"\0\xff"},
        },
    )
    got = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"][0]
    assert got["MessageId"] == sent["MessageId"] and got["Body"] == "a ü"
    assert got["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert got["MessageAttributes"]["b"]["BinaryValue"] == b"\0\xff"
    assert got["Attributes"]["ApproximateReceiveCount"] == "1"
    assert bodies(sqs.receive_message(QueueUrl=queue)) == []
    numbers = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert numbers["ApproximateNumberOfMessagesNotVisible"] == "1" and numbers["ApproximateNumberOfMessages"] == "0"
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=0)
    again = sqs.receive_message(QueueUrl=queue)["Messages"][0]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=again["ReceiptHandle"])
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=again["ReceiptHandle"])
    assert sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])[
        "Attributes"
    ] == {"ApproximateNumberOfMessagesNotVisible": "0"}


def test_a_waiting_receiver_gets_what_comes(sqs, queue) -> None:
    sender = threading.Timer(0.3, lambda: sqs.send_message(QueueUrl=queue, MessageBody="late"))
    sender.start()
    assert bodies(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)) == ["late"]
    sender.join()


def test_a_message_whose_time_is_up_comes_back_to_who_waits(sqs, queue) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    assert bodies(sqs.receive_message(QueueUrl=queue, VisibilityTimeout=1)) == ["x"]
    assert bodies(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)) == ["x"]


def test_each_message_goes_to_one_of_many_receivers(sqs, queue) -> None:
    for start in range(0, 40, 10):
        entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(start, start + 10)]
        assert len(sqs.send_message_batch(QueueUrl=queue, Entries=entries)["Successful"]) == 10
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10), range(8)))
    received = [body for answer in answers for body in bodies(answer)]
    assert sorted(map(int, received)) == list(range(40))


def test_a_fifo_queue_keeps_the_order_of_a_group_and_knows_duplicates(sqs, account) -> None:
    name = account.unique("queue") + ".fifo"
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    queue = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    first = sqs.send_message(QueueUrl=queue, MessageBody="1", MessageGroupId="a")
    second = sqs.send_message(QueueUrl=queue, MessageBody="1", MessageGroupId="a")
    assert first["MessageId"] == second["MessageId"]
    for body, group in (("2", "a"), ("3", "b")):
        sqs.send_message(QueueUrl=queue, MessageBody=body, MessageGroupId=group)
    one = sqs.receive_message(QueueUrl=queue)["Messages"][0]
    assert one["Body"] == "1"
    assert bodies(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)) == ["3"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
    assert bodies(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)) == ["2"]
    assert refused(sqs.send_message, QueueUrl=queue, MessageBody="4") == "MissingParameter"


def test_what_is_received_too_often_goes_to_the_dead_letters(sqs, account, queue) -> None:
    dead = sqs.create_queue(QueueName=account.unique("dead"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})
    sqs.send_message(QueueUrl=queue, MessageBody="bad")
    received = [bodies(sqs.receive_message(QueueUrl=queue)) for _ in range(3)]
    assert received == [["bad"], ["bad"], []]
    assert bodies(sqs.receive_message(QueueUrl=dead)) == ["bad"]
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [queue]


def test_a_queue_of_that_name_is_found_not_made_again(sqs, account, queue) -> None:
    name = queue.rpartition("/")[2]
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == queue == sqs.get_queue_url(QueueName=name)["QueueUrl"]
    code = refused(sqs.create_queue, QueueName=name, Attributes={"DelaySeconds": "5"})
    assert code == "QueueAlreadyExists"
    assert queue in sqs.list_queues(QueueNamePrefix=name)["QueueUrls"]
    sqs.tag_queue(QueueUrl=queue, Tags={"a": "b"})
    assert sqs.list_queue_tags(QueueUrl=queue)["Tags"] == {"a": "b"}
    sqs.delete_queue(QueueUrl=queue)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName=name)


@pytest.mark.parametrize("member", ["AttributeNames", "MessageSystemAttributeNames"])
def test_system_attributes_by_name(sqs, queue, member: str) -> None:
    """The older member's enum, in botocore's model, is that of queues; people name messages' attributes by it."""
    sqs.send_message(QueueUrl=queue, MessageBody="a")
    (message,) = sqs.receive_message(QueueUrl=queue, **{member: ["SentTimestamp", "ApproximateReceiveCount"]})[
        "Messages"
    ]
    assert sorted(message["Attributes"]) == ["ApproximateReceiveCount", "SentTimestamp"]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"MessageBody": ""}, "MissingParameter"),
        ({"MessageBody": "a\0"}, "InvalidMessageContents"),
        ({"MessageBody": "a" * 1_048_577}, "InvalidParameterValue"),
        ({"MessageBody": "a", "DelaySeconds": 901}, "InvalidParameterValue"),
        ({"MessageBody": "a", "MessageAttributes": {"x": {"DataType": "Number", "StringValue": "y"}}},
         "InvalidParameterValue"),
    ],
)  # fmt: skip
def test_a_bad_message_is_refused(sqs, queue, request_: dict, code: str) -> None:
    assert refused(sqs.send_message, QueueUrl=queue, **request_) == code
    assert bodies(sqs.receive_message(QueueUrl=queue)) == []


def test_bad_requests_are_refused_in_aws_words(sqs, queue) -> None:
    assert refused(sqs.create_queue, QueueName="no good") == "InvalidParameterValue"
    fifo = {"ContentBasedDeduplication": "true"}
    assert refused(sqs.create_queue, QueueName="q", Attributes=fifo) == "InvalidAttributeName"
    assert refused(sqs.create_queue, QueueName="q", Attributes={"DelaySeconds": "x"}) == "InvalidAttributeValue"
    assert refused(sqs.set_queue_attributes, QueueUrl=queue, Attributes={"Delay": "1"}) == "InvalidAttributeName"
    assert refused(sqs.get_queue_attributes, QueueUrl=queue, AttributeNames=["Delay"]) == "InvalidAttributeName"
    assert refused(sqs.receive_message, QueueUrl=queue, AttributeNames=["Sent"]) == "InvalidAttributeName"
    assert refused(sqs.delete_message, QueueUrl=queue, ReceiptHandle="x") == "ReceiptHandleIsInvalid"
    assert refused(sqs.receive_message, QueueUrl=queue, MaxNumberOfMessages=11) == "InvalidParameterValue"
    code = refused(sqs.receive_message, QueueUrl=queue + "x")
    assert code == "AWS.SimpleQueueService.NonExistentQueue"


def test_messages_survive_a_kill(new_server) -> None:
    own_server = new_server()
    sqs = own_server.client("sqs")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="kept")
    own_server.kill()
    own_server.start()
    assert bodies(own_server.client("sqs").receive_message(QueueUrl=queue)) == ["kept"]


def test_the_resource_interface_works(server, account) -> None:
    client = server.client("sqs")
    resource = boto3.resource(
        "sqs",
        endpoint_url=client.meta.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=client._request_signer._credentials.access_key,
        aws_secret_access_key=client._request_signer._credentials.secret_key,
    )
    queue = resource.create_queue(QueueName=account.unique("queue"))
    queue.send_message(MessageBody="m")
    for message in queue.receive_messages():
        assert message.body == "m"
        message.delete()
    assert queue.attributes["ApproximateNumberOfMessages"] == "0"


def test_dead_letters_say_where_they_come_from_and_go_back(sqs, account) -> None:
    dead = sqs.create_queue(QueueName=account.unique("dead"))["QueueUrl"]
    dead_arn = arn_of(sqs, dead)
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
    queue = sqs.create_queue(
        QueueName=account.unique("queue"), Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"}
    )["QueueUrl"]
    for number in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody=str(number))
    assert len(bodies(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10))) == 3
    assert bodies(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)) == []
    seen = sqs.receive_message(QueueUrl=dead, AttributeNames=["All"], VisibilityTimeout=0)["Messages"][0]
    assert seen["Attributes"]["DeadLetterQueueSourceArn"] == arn_of(sqs, queue)

    assert refused(sqs.start_message_move_task, SourceArn=arn_of(sqs, queue)) == "InvalidParameterValue"
    assert refused(sqs.start_message_move_task, SourceArn=dead_arn, DestinationArn=dead_arn) == "InvalidParameterValue"
    assert refused(sqs.start_message_move_task, SourceArn=f"{dead_arn}-no").endswith("ResourceNotFoundException")
    handle = sqs.start_message_move_task(SourceArn=dead_arn)["TaskHandle"]
    while (task := sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"][0])["Status"] == "RUNNING":
        time.sleep(0.02)
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 3)
    assert refused(sqs.cancel_message_move_task, TaskHandle=handle) == UNSUPPORTED
    back = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert [message["Body"] for message in back] == ["0", "1", "2"]
    assert all("DeadLetterQueueSourceArn" not in message["Attributes"] for message in back)


def test_moving_messages_keeps_to_its_rate_and_can_be_cancelled(sqs, account) -> None:
    dead = sqs.create_queue(QueueName=account.unique("dead"))["QueueUrl"]
    dead_arn = arn_of(sqs, dead)
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
    queue = sqs.create_queue(QueueName=account.unique("queue"), Attributes={"RedrivePolicy": policy})["QueueUrl"]
    other = sqs.create_queue(QueueName=account.unique("other"))["QueueUrl"]
    for _ in range(4):
        sqs.send_message(QueueUrl=dead, MessageBody="x")
    sqs.start_message_move_task(SourceArn=dead_arn)
    while (task := sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"][0])["Status"] == "RUNNING":
        time.sleep(0.02)
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    request = {"SourceArn": dead_arn, "DestinationArn": arn_of(sqs, other), "MaxNumberOfMessagesPerSecond": 1}
    handle = sqs.start_message_move_task(**request)["TaskHandle"]
    assert refused(sqs.start_message_move_task, **request) == "InvalidParameterValue"
    assert bodies(sqs.receive_message(QueueUrl=other, WaitTimeSeconds=20)) == ["x"]
    moved = sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"]
    tasks = sqs.list_message_move_tasks(SourceArn=dead_arn, MaxResults=10)["Results"]
    assert [task["Status"] for task in tasks] == ["CANCELLED", "FAILED"] and 1 <= moved < 4
    assert bodies(sqs.receive_message(QueueUrl=queue)) == []


def test_what_is_no_redrive_policy_is_told(sqs, account, queue) -> None:
    fifo = sqs.create_queue(QueueName=account.unique("dead") + ".fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    closed = sqs.create_queue(
        QueueName=account.unique("closed"), Attributes={"RedriveAllowPolicy": '{"redrivePermission": "denyAll"}'}
    )["QueueUrl"]
    good = arn_of(sqs, queue)
    for policy, reason in (
        ("[]", "not a valid JSON map"),
        ('{"maxReceiveCount": 1}', "mandatory attribute: deadLetterTargetArn"),
        (json.dumps({"deadLetterTargetArn": good, "maxReceiveCount": 0}), "maxReceiveCount: 0"),
        (json.dumps({"deadLetterTargetArn": f"{good}-no", "maxReceiveCount": 1}), "target does not exist"),
        (json.dumps({"deadLetterTargetArn": arn_of(sqs, fifo), "maxReceiveCount": 1}), "same type of queue"),
        (json.dumps({"deadLetterTargetArn": arn_of(sqs, closed), "maxReceiveCount": 1}), "RedriveAllowPolicy"),
    ):
        with pytest.raises(ClientError, match=reason) as caught:
            sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
        assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_groups_and_deduplication_in_a_standard_queue(sqs, queue) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="fair", MessageGroupId="tenant")
    attributes = sqs.receive_message(QueueUrl=queue, AttributeNames=["All"])["Messages"][0]["Attributes"]
    assert attributes["MessageGroupId"] == "tenant" and "SequenceNumber" not in attributes
    request = {"QueueUrl": queue, "MessageBody": "x", "MessageDeduplicationId": "d"}
    assert refused(sqs.send_message, **request) == "InvalidParameterValue"


def test_an_attempt_that_is_repeated_gets_the_same_messages(sqs, account, queue) -> None:
    name, fifo = account.unique("queue") + ".fifo", {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = sqs.create_queue(QueueName=name, Attributes=fifo)["QueueUrl"]
    for body in ("1", "2"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g")

    def attempt(name: str) -> list:
        request = {"QueueUrl": url, "MaxNumberOfMessages": 1, "ReceiveRequestAttemptId": name}
        return sqs.receive_message(**request).get("Messages", [])

    [first] = attempt("a")
    assert attempt("b") == []  # the group waits
    [again] = attempt("a")
    assert (again["Body"], again["ReceiptHandle"]) == ("1", first["ReceiptHandle"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    assert [message["Body"] for message in attempt("a")] == ["2"]
    assert refused(sqs.receive_message, QueueUrl=queue, ReceiveRequestAttemptId="a") == "InvalidParameterValue"


UNSUPPORTED = "AWS.SimpleQueueService.UnsupportedOperation"


def arn_of(sqs, url: str) -> str:
    return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])
