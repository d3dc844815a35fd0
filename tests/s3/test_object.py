import base64
import datetime
import hashlib
import http.client
import os
import threading
import zlib
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

MD5 = hashlib.md5(b"hello").hexdigest()
KEYS = (
    "a",
    "a/",
    "/a",
    "a//b",
    "../a",
    ".",
    "..",
    "a b",
    "a+b",
    "a%2Fb",
    "é",
    "日本/😀",
    "a&b=c?d",
    "~!*'()",
    "a\\b",
    "k" * 1024,
)


@pytest.mark.parametrize("key", KEYS)
def test_keys(client: Any, bucket: str, key: str) -> None:
    client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert client.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(key.encode())
    assert [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    client.copy_object(Bucket=bucket, Key="copy-of-it", CopySource={"Bucket": bucket, "Key": key})
    client.delete_object(Bucket=bucket, Key=key)
    assert [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["copy-of-it"]


def test_a_key_that_is_too_long(client: Any, bucket: str, refused: Any) -> None:
    error = refused("KeyTooLongError", 400, client.put_object, Bucket=bucket, Key="é" * 513, Body=b"")
    assert (error["Size"], error["MaxSizeAllowed"]) == ("1026", "1024")


def test_headers_and_metadata_come_back(client: Any, bucket: str) -> None:
    sent = {
        "CacheControl": "no-cache",
        "ContentDisposition": 'attachment; filename="x"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "ContentType": "text/csv",
        "WebsiteRedirectLocation": "/other",
        "StorageClass": "STANDARD_IA",
        "Metadata": {"a": "1", "b-c": "x y"},
    }
    expires = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    client.put_object(Bucket=bucket, Key="k", Body=b"hello", Expires=expires, **sent)
    for answer in (client.head_object(Bucket=bucket, Key="k"), client.get_object(Bucket=bucket, Key="k")):
        assert {name: answer[name] for name in sent} == sent
        assert answer["Expires"] == expires
        assert (answer["ETag"], answer["ContentLength"], answer["AcceptRanges"]) == (f'"{MD5}"', 5, "bytes")
        assert answer["ResponseMetadata"]["HTTPHeaders"]["last-modified"]


def test_what_an_object_has_by_default(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"")
    answer = client.head_object(Bucket=bucket, Key="k")
    assert answer["ContentType"] == "binary/octet-stream"
    assert not {"StorageClass", "CacheControl", "ServerSideEncryption", "TagCount"} & set(answer)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b""


def test_aws_chunked_is_not_kept(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"hello", ContentEncoding="aws-chunked")
    assert "ContentEncoding" not in client.head_object(Bucket=bucket, Key="k")


def test_too_much_metadata(client: Any, bucket: str, refused: Any) -> None:
    refused("MetadataTooLarge", 400, client.put_object, Bucket=bucket, Key="k", Body=b"", Metadata={"a": "x" * 2048})
    client.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"a": "x" * 2047})


def test_a_storage_class_that_does_not_exist(client: Any, bucket: str, refused: Any) -> None:
    refused("InvalidStorageClass", 400, client.put_object, Bucket=bucket, Key="k", Body=b"", StorageClass="CHEAP")


def test_no_such(client: Any, bucket: str, refused: Any) -> None:
    assert refused("NoSuchKey", 404, client.get_object, Bucket=bucket, Key="none")["Key"] == "none"
    refused("404", 404, client.head_object, Bucket=bucket, Key="none")
    assert refused("NoSuchBucket", 404, client.get_object, Bucket="no-bucket", Key="k")["BucketName"] == "no-bucket"
    refused("NoSuchBucket", 404, client.put_object, Bucket="no-bucket", Key="k", Body=b"x")
    refused("NoSuchBucket", 404, client.delete_object, Bucket="no-bucket", Key="k")
    refused("404", 404, client.head_object, Bucket="no-bucket", Key="k")
    refused("InvalidArgument", 400, client.get_object, Bucket=bucket, Key="none", VersionId="3HL4kqtJvjVBH40Nrjfkd")


@pytest.mark.parametrize(
    ("range_", "expected", "content_range"),
    [
        ("bytes=0-0", b"h", "bytes 0-0/5"),
        ("bytes=1-", b"ello", "bytes 1-4/5"),
        ("bytes=1-99", b"ello", "bytes 1-4/5"),
        ("bytes=-2", b"lo", "bytes 3-4/5"),
        ("bytes=-99", b"hello", "bytes 0-4/5"),
        ("bytes=4-1", b"hello", None),
        ("bytes=0-0,2-3", b"hello", None),
        ("lines=1-2", b"hello", None),
    ],
)
def test_ranges(client: Any, bucket: str, range_: str, expected: bytes, content_range: str | None) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"hello")
    for call in (client.get_object, client.head_object):
        answer = call(Bucket=bucket, Key="k", Range=range_)
        assert answer.get("ContentRange") == content_range
        assert answer["ContentLength"] == len(expected)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == (206 if content_range else 200)
    assert client.get_object(Bucket=bucket, Key="k", Range=range_)["Body"].read() == expected


def test_ranges_beyond_the_end(client: Any, bucket: str, refused: Any) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"hello")
    error = refused("InvalidRange", 416, client.get_object, Bucket=bucket, Key="k", Range="bytes=5-")
    assert (error["ActualObjectSize"], error["RangeRequested"]) == ("5", "bytes=5-")
    refused("InvalidRange", 416, client.get_object, Bucket=bucket, Key="k", Range="bytes=-0")
    client.put_object(Bucket=bucket, Key="empty", Body=b"")
    refused("InvalidRange", 416, client.get_object, Bucket=bucket, Key="empty", Range="bytes=0-")


def test_conditional_reads(client: Any, bucket: str, refused: Any) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"hello")
    now = client.head_object(Bucket=bucket, Key="k")["LastModified"]
    hour = datetime.timedelta(hours=1)
    at = {"Bucket": bucket, "Key": "k"}
    for call, code in ((client.get_object, "PreconditionFailed"), (client.head_object, "412")):
        refused(code, 412, call, **at, IfMatch='"0"')
        refused(code, 412, call, **at, IfUnmodifiedSince=now - hour)
        refused("304", 304, call, **at, IfNoneMatch=f'"{MD5}"')
        refused("304", 304, call, **at, IfModifiedSince=now)
        for good in (
            {"IfMatch": f'"{MD5}"'},
            {"IfMatch": MD5, "IfUnmodifiedSince": now - hour},
            {"IfMatch": "*"},
            {"IfNoneMatch": '"0"', "IfModifiedSince": now + hour},
            {"IfUnmodifiedSince": now},
            {"IfModifiedSince": now - hour},
        ):
            call(**at, **good)


def test_the_answer_may_be_dressed_up(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"hello", ContentType="text/plain")
    answer = client.get_object(Bucket=bucket, Key="k", ResponseContentType="a/b", ResponseContentDisposition="inline")
    assert (answer["ContentType"], answer["ContentDisposition"]) == ("a/b", "inline")
    assert client.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/plain"


def test_conditional_writes(client: Any, bucket: str, refused: Any) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"hello", IfNoneMatch="*")
    refused("PreconditionFailed", 412, client.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    refused("PreconditionFailed", 412, client.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"0"')
    refused("NoSuchKey", 404, client.put_object, Bucket=bucket, Key="none", Body=b"2", IfMatch='"0"')
    refused("NotImplemented", 501, client.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch='"0"')
    client.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=f'"{MD5}"')
    refused("PreconditionFailed", 412, client.delete_object, Bucket=bucket, Key="k", IfMatch=f'"{MD5}"')
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_content_md5(client: Any, bucket: str, refused: Any) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"hello", ContentMD5=b64(bytes.fromhex(MD5)))
    wrong = b64(hashlib.md5(b"other").digest())
    refused("BadDigest", 400, client.put_object, Bucket=bucket, Key="k", Body=b"new", ContentMD5=wrong)
    refused("InvalidDigest", 400, client.put_object, Bucket=bucket, Key="k", Body=b"new", ContentMD5="short")
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums(served: Any, bucket: str, algorithm: str, refused: Any) -> None:
    client = served.client(request_checksum_calculation="when_required")
    put = client.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm=algorithm)
    name = f"Checksum{algorithm}"
    head = client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert put[name] == head[name]
    assert head["ChecksumType"] == "FULL_OBJECT"
    attributes = client.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ETag"])
    assert attributes["Checksum"] == {name: put[name], "ChecksumType": "FULL_OBJECT"}
    assert attributes["ETag"] == MD5
    assert client.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"] == [algorithm]
    answer = client.get_object(Bucket=bucket, Key="k")
    assert answer[name] == put[name]
    assert answer["Body"].read() == b"hello"
    refused("BadDigest", 400, client.put_object, Bucket=bucket, Key="k", Body=b"other", **{name: put[name]})
    refused("InvalidRequest", 400, client.put_object, Bucket=bucket, Key="k", Body=b"x", **{name: "!!"})
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"


def test_without_a_checksum_s3_makes_one(served: Any, bucket: str) -> None:
    client = served.client(request_checksum_calculation="when_required")
    client.put_object(Bucket=bucket, Key="k", Body=b"123456789")
    head = client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == b64(bytes.fromhex("ae8b14860a799888"))
    assert "ChecksumCRC64NVME" not in client.head_object(Bucket=bucket, Key="k")


def test_two_checksums_at_once(client: Any, bucket: str, refused: Any) -> None:
    both = {"ChecksumCRC32": b64(zlib.crc32(b"x").to_bytes(4, "big")), "ChecksumSHA1": b64(hashlib.sha1(b"x").digest())}
    refused("InvalidRequest", 400, client.put_object, Bucket=bucket, Key="k", Body=b"x", **both)


def put_with_trailer(served: Any, bucket: str, data: bytes, trailer: str) -> tuple[int, bytes]:
    """As the SDK sends bytes where the connection is encrypted: in chunks, their checksum after them."""
    chunk = f"{len(data):x}\r\n".encode() + data + b"\r\n" if data else b""
    chunks = chunk + f"0\r\n{trailer}\r\n\r\n".encode()
    headers = {
        "Content-Encoding": "gzip,aws-chunked",
        "Content-Length": str(len(chunks)),
        "X-Amz-Decoded-Content-Length": str(len(data)),
        "X-Amz-Trailer": "x-amz-checksum-sha256",
        "x-amz-sdk-checksum-algorithm": "SHA256",
    }
    request = AWSRequest("PUT", f"{served.url}/{bucket}/k", headers, chunks)
    request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    S3SigV4Auth(Credentials(served.access_key, served.secret), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    connection.request("PUT", f"/{bucket}/k", chunks, dict(request.headers.items()))
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
def test_a_trailing_checksum(served: Any, client: Any, bucket: str, size: int) -> None:
    data = os.urandom(size)
    right = f"x-amz-checksum-sha256:{b64(hashlib.sha256(data).digest())}"
    assert put_with_trailer(served, bucket, data, right) == (200, b"")
    head = client.get_object(Bucket=bucket, Key="k")
    assert (head["ContentEncoding"], head["Body"].read()) == ("gzip", data)
    wrong = f"x-amz-checksum-sha256:{b64(hashlib.sha256(b'other').digest())}"
    for trailer, code in ((wrong, b"BadDigest"), ("x-amz-checksum-sha256:!", b"InvalidRequest"), ("", b"Malformed")):
        status, body = put_with_trailer(served, bucket, b"new" + data, trailer)
        assert (status, code in body) == (400, True), body
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == data


def raw_put(served: Any, bucket: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    """A presigned PUT with just these headers."""
    client = served.client(signature_version="s3v4")
    url = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    connection.putrequest("PUT", url.removeprefix(served.url))
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_body_without_a_length(served: Any, client: Any, bucket: str) -> None:
    status, body = raw_put(served, bucket, b"5\r\nhello\r\n0\r\n\r\n", Transfer_Encoding="chunked")
    assert (status, b"MissingContentLength" in body) == (411, True)
    assert raw_put(served, bucket, b"hello", Content_Length="5")[0] == 200
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"


def test_a_body_that_is_too_large(served: Any, bucket: str) -> None:
    status, body = raw_put(served, bucket, b"", Content_Length=str((5 << 30) + 1))
    assert (status, b"<Code>EntityTooLarge</Code>" in body) == (400, True)


def test_delete(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    for _ in range(2):
        assert client.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


def test_delete_objects(client: Any, bucket: str, refused: Any) -> None:
    for key in ("a", "b", "c"):
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "none"}]})
    assert answer["Deleted"] == [{"Key": "a"}, {"Key": "none"}]
    wanted = [{"Key": "b", "ETag": '"0"'}, {"Key": "c", "VersionId": "null"}, {"Key": "x" * 1025}]
    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": wanted, "Quiet": True})
    assert "Deleted" not in answer
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [
        ("b", "PreconditionFailed"),
        ("x" * 1025, "KeyTooLongError"),
    ]
    assert [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["b"]
    many = [{"Key": str(n)} for n in range(1001)]
    refused("MalformedXML", 400, client.delete_objects, Bucket=bucket, Delete={"Objects": many})
    client.delete_objects(Bucket=bucket, Delete={"Objects": many[:1000]})


def test_another_owner(client: Any, bucket: str, refused: Any) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"x", ExpectedBucketOwner="123456789012")
    other = {"ExpectedBucketOwner": "999999999999"}
    refused("403", 403, client.head_bucket, Bucket=bucket, **other)
    refused("404", 404, client.head_bucket, Bucket="no-bucket", **other)
    refused("AccessDenied", 403, client.get_object, Bucket=bucket, Key="k", **other)
    refused("AccessDenied", 403, client.put_object, Bucket=bucket, Key="k", Body=b"", **other)
    refused("AccessDenied", 403, client.list_objects_v2, Bucket=bucket, **other)


def test_encryption_is_echoed(client: Any, bucket: str, refused: Any) -> None:
    put = client.put_object(Bucket=bucket, Key="a", Body=b"x", ServerSideEncryption="AES256")
    assert put["ServerSideEncryption"] == "AES256"
    kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "my-key", "BucketKeyEnabled": True}
    client.put_object(Bucket=bucket, Key="b", Body=b"x", **kms)
    head = client.head_object(Bucket=bucket, Key="b")
    assert (head["ServerSideEncryption"], head["BucketKeyEnabled"]) == ("aws:kms", True)
    assert head["SSEKMSKeyId"] == "arn:aws:kms:us-east-1:123456789012:key/my-key"
    for wrong in ({"ServerSideEncryption": "rot13"}, {"SSEKMSKeyId": "x"}):
        refused("InvalidArgument", 400, client.put_object, Bucket=bucket, Key="c", Body=b"x", **wrong)


def test_a_key_of_the_customers(client: Any, bucket: str, refused: Any) -> None:
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
    put = client.put_object(Bucket=bucket, Key="k", Body=b"secret", **key)
    assert put["SSECustomerAlgorithm"] == "AES256"
    assert client.get_object(Bucket=bucket, Key="k", **key)["Body"].read() == b"secret"
    refused("InvalidRequest", 400, client.get_object, Bucket=bucket, Key="k")
    refused("400", 400, client.head_object, Bucket=bucket, Key="k")
    other = {**key, "SSECustomerKey": b"x" * 32}
    refused("AccessDenied", 403, client.get_object, Bucket=bucket, Key="k", **other)
    short = {**key, "SSECustomerKey": b"x"}
    refused("InvalidArgument", 400, client.put_object, Bucket=bucket, Key="k", Body=b"", **short)
    client.put_object(Bucket=bucket, Key="plain", Body=b"")
    refused("InvalidRequest", 400, client.get_object, Bucket=bucket, Key="plain", **key)
    source = {"CopySource": {"Bucket": bucket, "Key": "k"}, "Bucket": bucket, "Key": "copy"}
    refused("InvalidRequest", 400, client.copy_object, **source)
    client.copy_object(**source, **{f"CopySource{name}": value for name, value in key.items()})
    assert client.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"secret"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls(served: Any, bucket: str, fetch: Any, version: str) -> None:
    client = served.client(signature_version=version)
    at = {"Bucket": bucket, "Key": "a b/+é"}
    status, headers, _ = fetch(client.generate_presigned_url("put_object", Params=at), "PUT", b"hello", Content_Type="")
    assert (status, headers["etag"]) == (200, f'"{MD5}"')
    url = client.generate_presigned_url("get_object", Params={**at, "ResponseContentType": "a/b"})
    status, headers, body = fetch(url)
    assert (status, headers["content-type"], body) == (200, "a/b", b"hello")
    assert fetch(url, Range="bytes=1-2")[2] == b"el"
    status, _, body = fetch(url.replace("a%2Fb", "x%2Fy"))
    assert (status, b"SignatureDoesNotMatch" in body) == (403, True)
    status, _, body = fetch(f"{served.url}/{bucket}/a")
    assert (status, b"AccessDenied" in body) == (403, True)


def test_a_reader_gets_one_whole_object_while_writers_replace_it(client: Any, bucket: str) -> None:
    bodies = [bytes([n]) * (200_000 + n) for n in range(4)]
    client.put_object(Bucket=bucket, Key="k", Body=bodies[0])
    done = threading.Event()
    wrong: list[str] = []

    def read() -> None:
        while not done.is_set():
            answer = client.get_object(Bucket=bucket, Key="k")
            data = answer["Body"].read()
            if data not in bodies or answer["ETag"].strip('"') != hashlib.md5(data).hexdigest():
                wrong.append(answer["ETag"])

    def write(body: bytes) -> None:
        for _ in range(12):
            client.put_object(Bucket=bucket, Key="k", Body=body)

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(body,)) for body in bodies]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert not wrong
