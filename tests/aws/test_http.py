"""HTTP/1.1 as clients speak it, and as they don't."""

import asyncio
import socket
import threading
import time

import pytest
from edge_packages import s3, sagemaker
from edge_runner import run_edge
from wire import call_json, raw, send, signed_headers

from selfmaker.aws.http import Limits


def request_bytes(edge, method, target, body=b"", headers=None, service="s3", more=()):
    signed = signed_headers(edge, method, target, body, headers or {}, service)
    lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in signed.items()), *more]
    if body and not any(line.startswith("Transfer-Encoding") for line in more):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode()


def connect(edge):
    return socket.create_connection(("127.0.0.1", edge.port), timeout=20)


def read_response(sock):
    """One response with a Content-Length: (head, body)."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, head
        head += byte
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    body = b""
    while len(body) < length:
        body += sock.recv(length - len(body))
    return head, body


def closed(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_keep_alive_and_pipelining(edge):
    with connect(edge) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        received = b""
        while received.count(b"well") < 50:
            received += sock.recv(65536)
        assert received.count(b"HTTP/1.1 200 OK") == 50
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"Connection: close" in read_response(sock)[0]
        assert closed(sock)


def test_pipelined_answers_keep_their_order(edge):
    sagemaker.GATE.clear()
    requests = b""
    for name in ("held", "quick"):
        body = b'{"TrainingJobName":"%b"}' % name.encode()
        headers = {"X-Amz-Target": "SageMaker.DescribeTrainingJob"}
        requests += request_bytes(edge, "POST", "/", body, headers, "sagemaker") + body
    with connect(edge) as sock:
        sock.sendall(requests)
        sagemaker.GATE.set()
        assert b'"held"' in read_response(sock)[1]
        assert b'"quick"' in read_response(sock)[1]


def test_a_request_in_single_bytes(edge):
    with connect(edge) as sock:
        for byte in b"PUT /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
            sock.sendall(bytes((byte,)))
        assert read_response(sock)[1] == b"well"


def test_http_1_0_is_closed(edge):
    answer = raw(edge, b"GET /health HTTP/1.0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nwell") and b"Connection: close" in answer


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nA\x00B: x\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(edge, junk):
    answer = raw(edge, junk, half_close=False)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"Connection: close" in answer


def test_headers_have_a_limit(edge):
    answer = raw(edge, b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"x" * 70000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")
    answer = raw(edge, b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")
    with connect(edge) as sock:  # never ending
        try:
            for _ in range(100):
                sock.sendall(b"Header-%d: x\r\n" % 7 if _ else b"GET / HTTP/1.1\r\n")
                sock.sendall(b"B" * 2000)
        except (BrokenPipeError, ConnectionResetError):
            return
        assert sock.recv(100).startswith(b"HTTP/1.1 431 ")


def test_connect_and_upgrade_are_answered_and_closed(edge):
    assert raw(edge, b"CONNECT sts.amazonaws.com:443 HTTP/1.1\r\nHost: sts.amazonaws.com:443\r\n\r\n")[9:10] == b"4"
    answer = raw(
        edge,
        b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AA\r\n\r\n",
    )
    assert b"200 OK" in answer and answer.endswith(b"well")


def test_absolute_targets(edge):
    assert raw(edge, b"GET http://x:1/health HTTP/1.0\r\n\r\n").endswith(b"well")


def test_expect_100(edge):
    body = b"12345"
    with connect(edge) as sock:
        sock.sendall(request_bytes(edge, "PUT", "/b/expect", body, more=["Expect: 100-continue"]))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert b"200 OK" in read_response(sock)[0]
        assert s3.OBJECTS["b", "expect"]["Path"].read_bytes() == body


def test_expect_100_is_not_sent_to_the_uninvited(edge):
    head = request_bytes(edge, "PUT", "/b/expect", b"x" * 100, more=["Expect: 100-continue"])
    with connect(edge) as sock:
        sock.sendall(head.replace(b"Signature=", b"Signature=0"))
        start, body = read_response(sock)
        assert start.startswith(b"HTTP/1.1 403 ") and b"SignatureDoesNotMatch" in body
        assert closed(sock)


def test_a_client_that_does_not_wait_for_its_100(edge):
    head = request_bytes(edge, "PUT", "/b/impatient", b"x" * 100, more=["Expect: 100-continue"])
    with connect(edge) as sock:
        sock.sendall(head.replace(b"Signature=", b"Signature=0") + b"x" * 100)
        start, body = read_response(sock)
        assert start.startswith(b"HTTP/1.1 403 ") and b"SignatureDoesNotMatch" in body


@pytest.mark.parametrize("size", [3, 5 << 20])
def test_http_chunked_upload(edge, size):
    data = b"q" * size
    head = request_bytes(edge, "PUT", "/b/te", data, more=["Transfer-Encoding: chunked"])
    with connect(edge) as sock:
        sock.sendall(head)
        for start in range(0, size, 100_000):
            part = data[start : start + 100_000]
            sock.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        sock.sendall(b"0\r\n\r\n")
        assert b"200 OK" in read_response(sock)[0]
        assert s3.OBJECTS["b", "te"]["Path"].read_bytes() == data
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")  # the connection goes on
        assert read_response(sock)[1] == b"well"


def test_a_large_body_nobody_reads_does_not_wedge_the_connection(edge):
    data = b"z" * (20 << 20)
    with connect(edge) as sock:
        sock.sendall(request_bytes(edge, "PUT", "/refused/k", data))
        sock.sendall(data)
        start, body = read_response(sock)
        assert start.startswith(b"HTTP/1.1 404 ") and b"NoSuchBucket" in body and b"Connection: close" in start
        assert closed(sock)


def test_a_half_closed_client_gets_its_answer(edge):
    answer = raw(edge, request_bytes(edge, "GET", "/b?list-type=2"), half_close=True)
    assert answer.startswith(b"HTTP/1.1 200 OK") and answer.endswith(b"</ListBucketResult>")
    assert raw(edge, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 3, half_close=True).count(b"well") == 3
    assert raw(edge, b"GET /health HT", half_close=True) == b""


@pytest.mark.parametrize("size", [1000, 5 << 20])
def test_a_client_that_leaves_in_its_body_stores_nothing(edge, size):
    s3.OBJECTS.pop(("b", "left"), None)
    data = b"x" * size
    with connect(edge) as sock:
        sock.sendall(request_bytes(edge, "PUT", "/b/left", data) + data[: size // 2])
    assert call_json(edge, "DescribeTrainingJob", {"TrainingJobName": "j"})[0] == 200
    answer = raw(edge, request_bytes(edge, "PUT", "/b/left", data), data[: size // 2], half_close=True)
    assert b"200 OK" not in answer
    assert ("b", "left") not in s3.OBJECTS


def test_a_slow_reader_gets_everything(edge):
    data = bytes(range(256)) * (24 << 10)
    edge.client("s3").put_object(Bucket="b", Key="slow", Body=data)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        sock.connect(("127.0.0.1", edge.port))
        sock.sendall(request_bytes(edge, "GET", "/b/slow"))
        received = sock.recv(10)
        time.sleep(0.3)  # the server has long filled every buffer
        assert call_json(edge, "DescribeTrainingJob", {"TrainingJobName": "j"})[0] == 200
        while len(received) < len(data):
            piece = sock.recv(1 << 20)
            assert piece
            received += piece
        assert received.partition(b"\r\n\r\n")[2] == data[: len(received) - received.index(b"\r\n\r\n") - 4]


def test_many_slow_readers_hold_no_threads(edge):
    data = b"s" * (20 << 20)
    edge.client("s3").put_object(Bucket="b", Key="many", Body=data)
    readers = []
    try:
        for _ in range(40):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", edge.port))
            sock.sendall(request_bytes(edge, "GET", "/b/many"))
            readers.append(sock)
        for sock in readers:
            assert sock.recv(1)
        assert edge.client("s3").get_object(Bucket="b", Key="many")["Body"].read() == data
    finally:
        for sock in readers:
            sock.close()


def test_a_reader_that_leaves(edge):
    edge.client("s3").put_object(Bucket="b", Key="bye", Body=b"b" * (30 << 20))
    for _ in range(5):
        with connect(edge) as sock:
            sock.sendall(request_bytes(edge, "GET", "/b/bye"))
            sock.recv(1000)
    assert edge.client("s3").head_object(Bucket="b", Key="bye")["ContentLength"] == 30 << 20


def test_a_stream_is_closed_when_its_reader_leaves(edge):
    s3.CLOSED.clear()
    with connect(edge) as sock:
        sock.sendall(request_bytes(edge, "GET", "/b/endless"))
        assert len(sock.recv(65536)) > 0
    deadline = time.monotonic() + 10
    while not s3.CLOSED and time.monotonic() < deadline:
        time.sleep(0.01)
    assert s3.CLOSED == ["endless"]


def test_a_stream_that_fails_is_not_taken_for_a_whole_one(edge, caplog):
    answer = raw(edge, request_bytes(edge, "GET", "/b/failing"))
    assert b"200 OK" in answer and not answer.endswith(b"0\r\n\r\n")
    assert "the source dried up" in caplog.text


def test_head_has_no_body(edge):
    edge.client("s3").put_object(Bucket="b", Key="head", Body=b"12345")
    with connect(edge) as sock:
        sock.sendall(request_bytes(edge, "HEAD", "/b/head") + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while not received.endswith(b"well"):
            received += sock.recv(65536)
        assert b"Content-Length: 5\r\n" in received
        assert received.count(b"HTTP/1.1 200 OK") == 2
        assert received.partition(b"\r\n\r\n")[2].startswith(b"HTTP/1.1 200 OK")


def test_pages_are_for_the_unsigned(edge):
    status, headers, body = send(edge, "GET", "/health")
    assert (status, body, headers["content-type"]) == (200, b"well", "text/plain")
    assert b"ListObjects" in send(edge, "GET", "/health", service="s3")[2]  # signed, it is a bucket


def test_raw_route(edge):
    form = b"--x\r\n\r\n--x--" * 200_000
    content = {"Content-Type": "multipart/form-data; boundary=x"}
    status, headers, _ = send(edge, "POST", "/bucket", form, content)
    assert (status, headers["x-size"], headers["x-key"]) == (204, str(len(form)), "anonymous")


@pytest.mark.parametrize(
    "partial", [b"GET /health HTTP", b"", b"PUT /health HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"]
)
def test_idle_and_stalled_connections_end(partial):
    for edge in run_edge(limits=Limits(idle=0.2, stalled=0.2, linger=0.2)):
        answer = raw(edge, partial)
        assert answer == b"" if not partial else answer.startswith(b"HTTP/1.1 408 ")


def test_stopping_lets_requests_in_flight_end():
    sagemaker.GATE.clear()
    results = []
    for edge in run_edge():
        thread = threading.Thread(
            target=lambda e=edge: results.append(call_json(e, "DescribeTrainingJob", {"TrainingJobName": "held"}))
        )
        thread.start()
        idle = connect(edge)
        while not edge.edge._server._shared.connections:
            time.sleep(0.01)
        time.sleep(0.2)
        stopping = asyncio.run_coroutine_threadsafe(edge.edge.stop(), edge.loop)
        assert closed(idle)
        idle.close()
        sagemaker.GATE.set()
        thread.join()
        stopping.result()
        with pytest.raises(ConnectionRefusedError):
            connect(edge)
    assert results[0][0] == 200
