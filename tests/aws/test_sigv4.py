"""Signatures good and bad, in every form in which clients send them."""

import hashlib
import hmac
import urllib.error
import urllib.request
from datetime import datetime, timezone

import boto3
import pytest
from botocore.auth import HmacV1Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from edge_packages import s3
from edge_runner import KEY, SECRET
from wire import send, signed_headers

from selfmaker import clock
from selfmaker.aws import sigv4
from selfmaker.aws.body import BytesBody
from selfmaker.aws.http import HttpRequest
from selfmaker.aws.signature import RejectionError

CALLS = {
    "sagemaker": lambda c: c.describe_training_job(TrainingJobName="j"),
    "sagemaker-runtime": lambda c: c.invoke_endpoint(EndpointName="e", Body=b"x"),
    "s3": lambda c: c.list_objects_v2(Bucket="b"),
    "sts": lambda c: c.get_caller_identity(),
}


def fetch(url, **options):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **options)) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("sagemaker", "UnrecognizedClientException", 400),
        ("sagemaker-runtime", "UnrecognizedClientException", 403),
        ("s3", "InvalidAccessKeyId", 403),
        ("sts", "InvalidClientTokenId", 403),
    ],
)
def test_an_unknown_key(edge, service, code, status):
    with pytest.raises(ClientError) as caught:
        CALLS[service](edge.client(service, key="AKIAOTHER"))
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("sagemaker", "InvalidSignatureException", 400),
        ("sagemaker-runtime", "InvalidSignatureException", 403),
        ("s3", "SignatureDoesNotMatch", 403),
        ("sts", "SignatureDoesNotMatch", 403),
    ],
)
def test_a_wrong_secret(edge, service, code, status):
    with pytest.raises(ClientError) as caught:
        CALLS[service](edge.client(service, secret="wrong"))
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        ("/", {"X-Amz-Target": "SageMaker.ListModels"}, 403, b"MissingAuthenticationTokenException"),
        ("/endpoints/e/invocations", {}, 403, b"Missing Authentication Token"),
        ("/bucket/key", {}, 403, b"<Code>AccessDenied</Code>"),
        ("/?Action=GetCallerIdentity&Version=2011-06-15", {}, 403, b"<Code>MissingAuthenticationToken</Code>"),
    ],
)
def test_an_anonymous_request(edge, target, headers, status, code):
    found, _, body = send(edge, "GET" if "bucket" in target else "POST", target, b"", headers)
    assert found == status and code in body


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer x",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=b",
        "AWS x",
        "AWS :",
        "AWS4-HMAC-SHA256 Credential=a/20240101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=b",
        "AWS4-HMAC-SHA256 Credential=a/2024/us-east-1/s3/aws4_request, SignedHeaders=, Signature=",
        "AWS4-HMAC-SHA256 Credential=" + "/" * 5000,
        "AWS4-HMAC-SHA256 Credential=\xe9/20240101/r/s3/aws4_request,SignedHeaders=\xe9,Signature=\xe9",
        "AWS4-ECDSA-P256-SHA256 Credential=a/20240101/s3/aws4_request, SignedHeaders=host, Signature=b",
    ],
)
@pytest.mark.parametrize(
    "more", [{}, {"X-Amz-Date": "20240101T000000Z"}, {"X-Amz-Date": "20249999T999999Z"}, {"Date": "yesterday"}]
)
def test_authorization_that_is_none(edge, authorization, more):
    for headers in ({"X-Amz-Target": "SageMaker.ListModels"}, {}):
        status, _, body = send(edge, "GET", "/b/k", b"", {"Authorization": authorization, **more, **headers})
        assert 400 <= status < 500, body


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Algorithm=x&X-Amz-Signature=y",
        "AWSAccessKeyId=a",
        "AWSAccessKeyId=a&Signature=b&Expires=c",
        "AWSAccessKeyId=a&Signature=b&Expires=99999999999",
        "X-Amz-Signature=",
        "AWSAccessKeyId=%ff&Signature=%ff&Expires=9999999999",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20249999/r/s3/aws4_request&X-Amz-Signature=s&X-Amz-Date=20249999T999999Z"
        "&X-Amz-SignedHeaders=host&X-Amz-Expires=10",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20240101/r/s3/aws4_request&X-Amz-Signature=s&X-Amz-Date=20240101T000000Z"
        "&X-Amz-SignedHeaders=host&X-Amz-Expires=999999999",
    ],
)
def test_query_signatures_that_are_none(edge, query):
    status, _, body = send(edge, "GET", f"/b/k?{query}")
    assert status in (400, 403) and b"<Error><Code>" in body


def test_a_body_that_was_changed(edge):
    headers = signed_headers(edge, "PUT", "/b/k", b"12345", {}, "s3")
    status, _, body = send(edge, "PUT", "/b/k", b"54321", headers)
    assert status == 400 and b"<Code>XAmzContentSHA256Mismatch</Code>" in body
    headers = signed_headers(edge, "POST", "/", b"{}", {"X-Amz-Target": "SageMaker.DescribeTrainingJob"}, "sagemaker")
    status, _, body = send(edge, "POST", "/", b'{"TrainingJobName":"x"}', headers)
    assert status == 400 and b"InvalidSignatureException" in body


def test_a_large_body_that_was_changed_is_not_stored(edge):
    data = b"x" * (3 << 20)
    headers = signed_headers(edge, "PUT", "/b/changed", data, {}, "s3")
    status, _, body = send(edge, "PUT", "/b/changed", data[:-1] + b"y", headers)
    assert status == 400 and b"<Code>XAmzContentSHA256Mismatch</Code>" in body
    assert ("b", "changed") not in s3.OBJECTS


@pytest.mark.parametrize(
    "change",
    [
        {"X-Amz-Date": "20200101T000000Z"},
        {"X-Amz-Target": "SageMaker.ListModels"},
        {"Host": "other"},
    ],
)
def test_a_header_that_was_changed(edge, change):
    signed = signed_headers(edge, "POST", "/", b"{}", {"X-Amz-Target": "SageMaker.DescribeTrainingJob"}, "sagemaker")
    status, _, body = send(edge, "POST", "/", b"{}", {**signed, **change})
    assert status == 400 and b"InvalidSignatureException" in body


def test_s3_wants_its_headers_signed(edge):
    headers = signed_headers(edge, "PUT", "/b/k", b"", {}, "s3")
    status, _, body = send(edge, "PUT", "/b/k", b"", {**headers, "x-amz-meta-a": "1"})
    assert status == 403 and b"were not signed" in body


@pytest.mark.parametrize("offset", [-16 * 60, 16 * 60])
def test_a_clock_that_is_off(edge, monkeypatch, offset):
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + offset)
    with pytest.raises(ClientError) as caught:
        edge.client("s3").list_buckets()
    assert caught.value.response["Error"]["Code"] == "RequestTimeTooSkewed"
    assert caught.value.response["Error"]["MaxAllowedSkewMilliseconds"] == "900000"
    with pytest.raises(ClientError) as caught:
        edge.client("sagemaker").describe_training_job(TrainingJobName="x")
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_a_session_token_is_taken(edge):
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=edge.url,
        region_name="x-y-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        aws_session_token="any/token==",
    )
    assert client.list_buckets()["Buckets"]
    assert fetch(client.generate_presigned_url("list_buckets"))[0] == 200


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("key", ["plain", "sp ace/a+b&c=d%25é"])
def test_presigned(edge, monkeypatch, version, key):
    client = edge.client("s3", signature_version=version)
    url = client.generate_presigned_url("put_object", Params={"Bucket": "pre", "Key": key, "ContentType": "text/x"})
    assert fetch(url, data=b"signed", method="PUT", headers={"Content-Type": "text/x"})[0] == 200
    url = client.generate_presigned_url(
        "get_object", Params={"Bucket": "pre", "Key": key, "ResponseContentType": "a/b;c=d e"}
    )
    assert fetch(url) == (200, b"signed")
    status, body = fetch(url.replace("/pre/", "/other/"))
    assert status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in body
    assert fetch(url, method="DELETE")[0] == 403
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + 3601)
    status, body = fetch(url)
    assert status == 403 and b"<Code>AccessDenied</Code>" in body and b"expired" in body


def test_presigned_for_another_service(edge):
    request = AWSRequest("GET", f"{edge.url}/?Action=GetCallerIdentity&Version=2011-06-15")
    SigV4QueryAuth(Credentials(KEY, SECRET), "sts", "us-east-1").add_auth(request)
    status, body = fetch(request.prepare().url)
    assert status == 200 and b"<Account>123456789012</Account>" in body


def test_paths_of_other_services_are_signed_encoded_twice(edge):
    client = edge.client("sagemaker-featurestore-runtime")
    with pytest.raises(ClientError) as caught:
        client.get_record(
            FeatureGroupName="arn:aws:sagemaker:eu-west-1:1:feature-group/a b", RecordIdentifierValueAsString="x y+z&"
        )
    assert caught.value.response["Error"]["Code"] == "NotImplemented"


def test_version_2_in_the_header(edge):
    for path, status in (("/b/v2%20k?tagging", 501), ("/b?list-type=2", 200)):
        request = AWSRequest("GET", edge.url + path, {})
        HmacV1Auth(Credentials(KEY, SECRET)).add_auth(request)
        assert fetch(edge.url + path, headers=dict(request.headers.items()))[0] == status
    request.headers["Authorization"] = f"AWS {KEY}:wrong"
    status, body = fetch(edge.url + path, headers=dict(request.headers.items()))
    assert status == 403 and b"SignatureDoesNotMatch" in body


# --- aws-chunked


def chunked(edge, data, sizes, *, trailers=None, signed=True, damage=None, key="chunked"):
    """A PUT in aws-chunked coding, made from the documentation's rules."""
    name = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" if signed else "STREAMING-UNSIGNED-PAYLOAD"
    headers = {
        "X-Amz-Content-SHA256": name + ("-TRAILER" if trailers or not signed else ""),
        "Content-Encoding": "aws-chunked,gzip",
        "X-Amz-Decoded-Content-Length": str(len(data)),
    }
    headers = signed_headers(edge, "PUT", f"/b/{key}", b"", headers, "s3")
    stamp = headers["X-Amz-Date"]
    scope = f"{stamp[:8]}/eu-west-1/s3/aws4_request"
    signing_key = sigv4.signing_key(SECRET, stamp[:8], "eu-west-1", "s3")
    previous = headers["Authorization"].rpartition("Signature=")[2]
    empty = hashlib.sha256(b"").hexdigest()
    body, position = b"", 0
    for size in [*sizes, 0]:
        part = data[position : position + size]
        position += size
        extension = ""
        if signed:
            text = (
                f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{previous}\n{empty}\n{hashlib.sha256(part).hexdigest()}"
            )
            previous = hmac.new(signing_key, text.encode(), "sha256").hexdigest()
            extension = f";chunk-signature={previous}"
        body += f"{len(part):x}{extension}\r\n".encode() + (part + b"\r\n" if part else b"")
    if trailers:
        lines = "".join(f"{k}:{v}\n" for k, v in trailers.items())
        body += "".join(f"{k}:{v}\r\n" for k, v in trailers.items()).encode()
        if signed:
            text = (
                f"AWS4-HMAC-SHA256-TRAILER\n{stamp}\n{scope}\n{previous}\n{hashlib.sha256(lines.encode()).hexdigest()}"
            )
            body += f"x-amz-trailer-signature:{hmac.new(signing_key, text.encode(), 'sha256').hexdigest()}\r\n".encode()
    body += b"\r\n"
    return send(edge, "PUT", f"/b/{key}", damage(body) if damage else body, headers)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("trailers", [None, {"x-amz-checksum-crc32": "AAAAAA=="}])
@pytest.mark.parametrize("sizes", [[], [1], [65536, 65536, 10], [1 << 20, 1 << 20, 1]])
def test_aws_chunked(edge, signed, trailers, sizes):
    data = bytes(range(256)) * (sum(sizes) // 256 + 1)
    data = data[: sum(sizes)]
    status, _, body = chunked(edge, data, sizes, trailers=trailers, signed=signed)
    assert status == 200, body
    stored = s3.OBJECTS["b", "chunked"]
    assert stored["Path"].read_bytes() == data
    assert stored["Trailers"] == (trailers or {})
    assert stored["Length"] == len(data) == stored["ContentLength"]
    assert stored["ContentEncoding"] == "gzip"


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda b: b.replace(b"aaaa", b"aaab", 1), b"SignatureDoesNotMatch"),
        (lambda b: b.replace(b"AAAAAA==", b"BAAAAA=="), b"SignatureDoesNotMatch"),
        (lambda b: b.replace(b"x-amz-trailer-signature", b"x-amz-other"), b"SignatureDoesNotMatch"),
        (lambda b: b[: len(b) // 2], b"IncompleteBody"),
        (lambda b: b"zz" + b, b"IncompleteBody"),
        (lambda b: b"", b"IncompleteBody"),
        (lambda b: b"f" * 9000, b"IncompleteBody"),
        (lambda b: b"fffffffff;chunk-signature=x\r\n" + b, b"InvalidChunkSize"),
        (lambda b: b.replace(b"x-amz-checksum-crc32:", b"x-amz-checksum-crc32"), b"MalformedTrailer"),
    ],
)
def test_damaged_chunks_store_nothing(edge, damage, code):
    s3.OBJECTS.pop(("b", "damaged"), None)
    status, _, body = chunked(
        edge, b"a" * 1000, [500, 500], trailers={"x-amz-checksum-crc32": "AAAAAA=="}, damage=damage, key="damaged"
    )
    assert 400 <= status < 500 and code in body, body
    assert ("b", "damaged") not in s3.OBJECTS


def test_the_decoded_length_must_be_true(edge):
    for length, status in (("999", 400), ("1001", 400), (None, 411), ("x", 411)):
        headers = {"X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content-Encoding": "aws-chunked"}
        if length is not None:
            headers["X-Amz-Decoded-Content-Length"] = length
        headers = signed_headers(edge, "PUT", "/b/length", b"", headers, "s3")
        assert send(edge, "PUT", "/b/length", b"3e8\r\n" + b"a" * 1000 + b"\r\n0\r\n\r\n", headers)[0] == status
    assert ("b", "length") not in s3.OBJECTS


def test_without_verification_anything_goes(edge):
    from edge_runner import run_edge

    for open_edge in run_edge(verify=False):
        client = open_edge.client("sagemaker", key="any", secret="thing", region="sa-east-1")
        assert client.describe_training_job(TrainingJobName="j")["TrainingJobName"] == "j"
        assert open_edge.client("s3", key="any", secret="x").put_object(Bucket="b", Key="k", Body=b"1")["ETag"]
        assert send(open_edge, "GET", "/b/k")[2] == b"1"


# --- the example of AWS's own documentation (Signature Version 4, "GET Object" and "PUT Object")

EXAMPLE_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def example(method, target, headers, signature, signed):
    stamp = "20130524T000000Z"
    common = {"host": "examplebucket.s3.amazonaws.com", "x-amz-date": stamp, **headers}
    authorization = (
        f"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed},"
        f"Signature={signature}"
    )
    return HttpRequest(method, target, {**common, "authorization": authorization}, BytesBody(b""))


@pytest.mark.parametrize(
    "http",
    [
        example(
            "GET",
            "/test.txt",
            {"range": "bytes=0-9", "x-amz-content-sha256": sigv4.EMPTY_HASH},
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            "host;range;x-amz-content-sha256;x-amz-date",
        ),
        example(
            "PUT",
            "/test%24file.text",
            {
                "date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
                "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            },
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        ),
        example(
            "GET",
            "/?lifecycle",
            {"x-amz-content-sha256": sigv4.EMPTY_HASH},
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            "host;x-amz-content-sha256;x-amz-date",
        ),
        example(
            "GET",
            "/?max-keys=2&prefix=J",
            {"x-amz-content-sha256": sigv4.EMPTY_HASH},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            "host;x-amz-content-sha256;x-amz-date",
        ),
    ],
)
def test_the_documentations_examples(monkeypatch, http):
    monkeypatch.setattr(clock, "now", lambda: datetime(2013, 5, 24, tzinfo=timezone.utc).timestamp())
    signature = sigv4.read(http)
    sigv4.verify(signature, http, EXAMPLE_SECRET, signature.payload_hash)
    with pytest.raises(RejectionError):
        sigv4.verify(signature, http, EXAMPLE_SECRET + "x", signature.payload_hash)
