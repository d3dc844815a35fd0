"""Noise: whatever comes over the wire, the answer is a 4xx or a closed connection, and the server lives."""

import json
import socket

import pytest
from edge_packages import s3
from edge_runner import KEY, SECRET
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire import call_json, send

LAX = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = st.sampled_from(
    [
        b"GET",
        b"PUT",
        b"POST",
        b" ",
        b"/",
        b"/b/k",
        b"?uploads",
        b"?",
        b"&",
        b"=",
        b"HTTP/1.1",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"Host: x",
        b"Content-Length: 5",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: chunked",
        b"5\r\nabcde\r\n",
        b"0\r\n\r\n",
        b"Expect: 100-continue",
        b"Connection: close",
        b"Authorization: ",
        b"AWS4-HMAC-SHA256 Credential=",
        KEY.encode(),
        b"/20240101/us-east-1/s3/aws4_request",
        b"SignedHeaders=host, Signature=0",
        b"X-Amz-Target: SageMaker.ListModels",
        b"x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        b"\x00",
        b"\xff\xfe",
        b"Content-Type: application/x-www-form-urlencoded",
        b"Action=GetCallerIdentity",
        b"X-Amz-Algorithm=AWS4-HMAC-SHA256",
        b"smithy-protocol: rpc-v2-cbor",
        b"{}",
        b"<a/>",
        b"http://x/",
        b"*",
    ]
)


@LAX
@given(st.lists(PIECES | st.binary(max_size=8), max_size=30))
def test_noise_on_a_socket(edge, pieces):
    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as sock:
        sock.sendall(b"".join(pieces))
        sock.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while data := sock.recv(65536):
                received += data
        except ConnectionResetError:
            pass
    for start in received.split(b"HTTP/1.1 ")[1:]:
        assert start[:1] in (b"1", b"2", b"4") or start[:3] == b"501", received


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "TrainingJobName",
                    "Tags",
                    "Key",
                    "ResourceConfig",
                    "InputDataConfig",
                    "HyperParameters",
                    "RoleArn",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@LAX
@given(JSON)
def test_noise_in_json(edge, value):
    status, answer = call_json(edge, "CreateTrainingJob", json.dumps(value).encode())
    assert status == 400 and answer["__type"] in ("ValidationException", "SerializationException"), answer


@LAX
@given(st.binary(max_size=200))
def test_noise_in_bodies(edge, body):
    for target, service, headers in (
        ("/", "sagemaker", {"X-Amz-Target": "SageMaker.CreateTrainingJob"}),
        ("/b?delete", "s3", {}),
        ("/", "iam", {"Content-Type": "application/x-www-form-urlencoded"}),
        (
            "/service/GraniteServiceVersion20100801/operation/GetMetricStatistics",
            "monitoring",
            {"smithy-protocol": "rpc-v2-cbor"},
        ),
    ):
        assert send(edge, "POST", target, body, headers, service)[0] in (400, 404)


@LAX
@given(
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n\x00"), max_size=40),
    st.sampled_from(
        [
            "Content-Type",
            "X-Amz-Date",
            "Range",
            "x-amz-decoded-content-length",
            "Content-MD5",
            "x-amz-meta-a",
            "If-Modified-Since",
            "x-amz-target",
        ]
    ),
)
def test_noise_in_headers(edge, value, name):
    value = value.strip()
    status, _, body = send(edge, "GET", "/b/none", b"", {name: value.encode("latin-1")})
    assert 400 <= status < 500, body


@LAX
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_noise_in_targets(edge, target):
    status, _, body = send(edge, "GET", f"/{target}")
    assert 400 <= status < 500 or status == 501 or target.startswith("health"), body


def test_an_object_that_is_replaced_while_it_is_fetched(edge, monkeypatch, tmp_path):
    client = edge.client("s3")
    client.put_object(Bucket="b", Key="moving", Body=b"here")
    stored = s3.OBJECTS["b", "moving"]
    true_path = stored["Path"]
    seen = []

    class Moving(dict):
        def __getitem__(self, name):
            if name == "Path":
                seen.append(name)
                return true_path if len(seen) > 1 else tmp_path / "gone"
            return super().__getitem__(name)

    monkeypatch.setitem(s3.OBJECTS, ("b", "moving"), Moving(stored))
    assert client.get_object(Bucket="b", Key="moving")["Body"].read() == b"here"
    assert len(seen) == 2


def test_the_secret_is_not_given_away(edge):
    with pytest.raises(Exception, match="SignatureDoesNotMatch") as caught:
        edge.client("s3", secret="wrong").list_buckets()
    assert SECRET not in str(caught.value.response)
