import base64
import datetime
import hashlib
import hmac
import json
from typing import Any

import pytest

BOUNDARY = "boundary42"


def form(fields: dict[str, str], data: bytes | None, file_name: str = "photo.png") -> bytes:
    body = b""
    for name, value in fields.items():
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    if data is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{file_name}"\r\n'
        body += head.encode() + b"Content-Type: image/png\r\n\r\n" + data + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


@pytest.fixture
def post(served: Any, fetch: Any) -> Any:
    def post(
        bucket: str, fields: dict[str, str], data: bytes | None, **names: str
    ) -> tuple[int, dict[str, str], bytes]:
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        found: tuple[int, dict[str, str], bytes] = fetch(
            f"{served.url}/{bucket}", "POST", form(fields, data, **names), Content_Type=kind
        )
        return found

    return post


def presigned(client: Any, bucket: str, key: str = "k", **arguments: Any) -> dict[str, str]:
    fields: dict[str, str] = client.generate_presigned_post(bucket, key, **arguments)["fields"]
    return fields


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("data", [b"", b"hello", b"--boundary4\r\n--boundary\r\n" * 40_000, b"x" * 3_000_000 + b"\r"])
def test_a_form(served: Any, client: Any, bucket: str, post: Any, version: str, data: bytes) -> None:
    signer = served.client(signature_version=version)
    wanted = {"acl": "private", "x-amz-meta-a": "b", "Content-Type": "text/plain"}
    conditions = [{name: value} for name, value in wanted.items()]
    fields = presigned(signer, bucket, Fields=wanted, Conditions=conditions)
    status, headers, body = post(bucket, fields, data)
    assert (status, body) == (204, b"")
    assert headers["etag"] == f'"{hashlib.md5(data).hexdigest()}"'
    got = client.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == data
    assert (got["Metadata"], got["ContentType"]) == ({"a": "b"}, "text/plain")


def test_the_file_names_the_key(client: Any, bucket: str, post: Any) -> None:
    post(bucket, presigned(client, bucket, "up/${filename}"), b"x", file_name="my photo.png")
    assert client.get_object(Bucket=bucket, Key="up/my photo.png")["Body"].read() == b"x"


def test_answers(client: Any, bucket: str, post: Any) -> None:
    def asking(**wanted: str) -> dict[str, str]:
        return presigned(client, bucket, "a/b", Fields=wanted, Conditions=[{k: v} for k, v in wanted.items()])

    assert post(bucket, asking(success_action_status="200"), b"x")[0] == 200
    status, headers, body = post(bucket, asking(success_action_status="201"), b"x")
    assert (status, headers["content-type"]) == (201, "application/xml")
    assert f"<Bucket>{bucket}</Bucket><Key>a/b</Key>".encode() in body
    assert post(bucket, asking(success_action_status="404"), b"x")[0] == 204
    status, headers, _ = post(bucket, asking(success_action_redirect="http://example.com/x?y=1"), b"x")
    etag = hashlib.md5(b"x").hexdigest()
    assert status == 303
    assert headers["location"] == f"http://example.com/x?y=1&bucket={bucket}&key=a%2Fb&etag=%22{etag}%22"


def test_what_the_policy_does_not_allow(client: Any, bucket: str, post: Any) -> None:
    def refused(code: bytes, fields: dict[str, str], data: bytes | None = b"hello", status: int = 403) -> None:
        found, _, body = post(bucket, fields, data)
        assert (found, code in body) == (status, True), body

    good = presigned(client, bucket)
    refused(b"AccessDenied", {**good, "key": "other"})
    refused(b"Extra input fields: x-amz-meta-a", {**good, "x-amz-meta-a": "b"})
    refused(b"SignatureDoesNotMatch", {**good, "signature": "x"})
    refused(b"InvalidAccessKeyId", {**good, "AWSAccessKeyId": "AKIANOBODY"})
    refused(b"AccessDenied", {"key": "k"})
    refused(b"Policy expired", presigned(client, bucket, ExpiresIn=-1))
    limits = [["content-length-range", 2, 4]]
    refused(b"EntityTooLarge", presigned(client, bucket, Conditions=limits), status=400)
    refused(b"EntityTooSmall", presigned(client, bucket, Conditions=limits), b"x", status=400)
    begins = [["starts-with", "$x-amz-meta-a", "b"]]
    refused(b"Policy Condition failed", {**presigned(client, bucket, Conditions=begins), "x-amz-meta-a": "c"})
    refused(b"exactly one file", good, None, status=400)
    refused(b"named 'key'", {name: value for name, value in good.items() if name != "key"}, status=400)
    refused(b"Policy Condition failed", presigned(client, "another-bucket"))
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


def test_a_bucket_that_is_not_there(client: Any, post: Any) -> None:
    status, _, body = post("no-bucket", presigned(client, "no-bucket"), b"x")
    assert (status, b"NoSuchBucket" in body) == (404, True)


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "no json",
        "[]",
        '{"conditions": []}',
        '{"expiration": "never", "conditions": []}',
        '{"expiration": "2099-01-01T00:00:00Z", "conditions": 3}',
        '{"expiration": "2099-01-01T00:00:00Z", "conditions": [["near", "$key", "k"]]}',
        '{"expiration": "2099-01-01T00:00:00Z", "conditions": [7]}',
    ],
)
def test_policies_that_make_no_sense(served: Any, bucket: str, post: Any, policy: str) -> None:
    text = base64.b64encode(policy.encode()).decode()
    signature = base64.b64encode(hmac.digest(served.secret.encode(), text.encode(), hashlib.sha1)).decode()
    fields = {"key": "k", "AWSAccessKeyId": served.access_key, "policy": text, "signature": signature}
    status, _, body = post(bucket, fields, b"x")
    assert (status, b"InvalidPolicyDocument" in body or not policy) == (400 if policy else 403, True), body


@pytest.mark.parametrize(
    "body", [b"", b"--boundary42\r\n", b"x" * 100_000, form({"key": "k"}, b"data")[:-40], b"--boundary42\r\n\r\n\r\n"]
)
def test_bodies_that_are_no_forms(served: Any, bucket: str, fetch: Any, body: bytes) -> None:
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    status, _, answer = fetch(f"{served.url}/{bucket}", "POST", body, Content_Type=kind)
    assert 400 <= status < 500, answer
    assert fetch(f"{served.url}/{bucket}", "POST", body, Content_Type="multipart/form-data")[0] == 400


def test_the_policy_is_read_as_its_author_wrote_it(served: Any, client: Any, bucket: str, post: Any) -> None:
    expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)
    policy = {
        "expiration": expires.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "conditions": [{"bucket": bucket}, ["starts-with", "$key", "user/"], ["eq", "$Content-Type", "a/b"]],
    }
    text = base64.b64encode(json.dumps(policy).encode()).decode()
    signature = base64.b64encode(hmac.digest(served.secret.encode(), text.encode(), hashlib.sha1)).decode()
    fields = {"key": "user/x", "AWSAccessKeyId": served.access_key, "policy": text, "signature": signature}
    assert post(bucket, {**fields, "Content-Type": "a/b", "x-ignore-me": "1"}, b"x")[0] == 204
    assert client.head_object(Bucket=bucket, Key="user/x")["ContentType"] == "a/b"
