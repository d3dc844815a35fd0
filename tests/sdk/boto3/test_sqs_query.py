"""Queues as clients of before November 2023 know them: forms in, XML out."""

import hashlib
import http.client
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


@pytest.fixture
def ask(server: Any) -> Any:
    """Send a signed form; returns the status and the body."""
    told = server.document("credentials")
    credentials = Credentials(told["access_key_id"], told["secret_access_key"])

    def send(action: str, **fields: Any) -> tuple[int, str]:
        body = urlencode({"Action": action, "Version": "2012-11-05", **fields})
        url = fields.get("QueueUrl", server.endpoint + "/")
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        request = AWSRequest("POST", url, headers, body)
        SigV4Auth(credentials, "sqs", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        connection.request("POST", urlsplit(url).path, body, dict(request.headers.items()))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    return send


def found(tag: str, text: str) -> list[str]:
    return re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)


def test_a_message_goes_through_forms(ask: Any, account: Any) -> None:
    name = account.unique("forms")
    attributes = {
        "Attribute.1.Name": "VisibilityTimeout",
        "Attribute.1.Value": "7",
        "Tag.1.Key": "a",
        "Tag.1.Value": "b",
    }
    status, text = ask("CreateQueue", QueueName=name, **attributes)
    assert status == 200, text
    (url,) = found("QueueUrl", text)
    own = {"MessageAttribute.1.Name": "n", "MessageAttribute.1.Value.DataType": "String",
           "MessageAttribute.1.Value.StringValue": "v"}  # fmt: skip
    status, text = ask("SendMessage", QueueUrl=url, MessageBody="a <b>", **own)
    assert found("MD5OfMessageBody", text) == [hashlib.md5(b"a <b>").hexdigest()]
    batch = {f"SendMessageBatchRequestEntry.{n}.{k}": v for n in (1, 2)
             for k, v in (("Id", f"i{n}"), ("MessageBody", f"b{n}"))}  # fmt: skip
    _, text = ask("SendMessageBatch", QueueUrl=url, **batch)
    assert [found("Id", entry) for entry in found("SendMessageBatchResultEntry", text)] == [["i1"], ["i2"]]
    _, text = ask(
        "ReceiveMessage",
        QueueUrl=url,
        MaxNumberOfMessages=10,
        **{"AttributeName.1": "All", "MessageAttributeName.1": "All"},
    )
    messages = found("Message", text)
    assert [found("Body", message)[0] for message in messages] == ["a &lt;b&gt;", "b1", "b2"]
    assert "<MessageAttribute><Name>n</Name><Value>" in messages[0] and "<Attribute><Name>SentTimestamp" in messages[0]
    for message in messages:
        assert ask("DeleteMessage", QueueUrl=url, ReceiptHandle=found("ReceiptHandle", message)[0])[0] == 200
    _, text = ask("GetQueueAttributes", QueueUrl=url, **{"AttributeName.1": "VisibilityTimeout"})
    assert "<Attribute><Name>VisibilityTimeout</Name><Value>7</Value></Attribute>" in text
    _, text = ask("ListQueueTags", QueueUrl=url)
    assert "<Tag><Key>a</Key><Value>b</Value></Tag>" in text
    status, text = ask("GetQueueUrl", QueueName="nobody")
    assert status == 400 and found("Code", text) == ["AWS.SimpleQueueService.NonExistentQueue"]
