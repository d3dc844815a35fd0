"""The short way of an invocation gives what the long one gives: two edges over the same endpoints, byte for byte."""

import asyncio
import re
import socket

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from tests.sagemaker_runtime.test_invocation import SCRIPT
from tests.serving.conftest import executor, loop, on_loop, plain_environment  # noqa: F401 - fixtures
from tests.serving.world import ACCOUNT, IMAGE, World, archive

from selfmaker import sagemaker_runtime
from selfmaker.aws.edge import Edge, EdgeSettings
from selfmaker.sagemaker_runtime.quick_invocation import QuickInvocation
from selfmaker.serving.spec import ModelSpec

KEY, SECRET, REGION = "AKIATESTTESTTESTTEST", "a secret", "us-east-1"


class Counting:
    """Counts what the short way takes."""

    def __init__(self, quick):
        self.quick = quick
        self.taken = 0

    def __call__(self, http, tell):
        taken = self.quick(http, tell)
        self.taken += taken
        return taken


@pytest.fixture
def world(tmp_path, loop, executor, plain_environment):  # noqa: F811
    made = World(tmp_path, loop, executor, plain_environment)
    made.objects.put("box", "model.tar.gz", archive(**{"code/inference.py": SCRIPT}))
    model = ModelSpec(name="m", image=IMAGE, uri="s3://box/model.tar.gz")
    assert made.create(made.spec(model)).status == "InService"
    yield made
    made.close()


@pytest.fixture
def edges(world, on_loop):  # noqa: F811
    """(port, what counts) of an edge with the short way, and the port of one without."""
    services = world.call().services
    secret_of = {KEY: SECRET}.get
    counting = Counting(QuickInvocation(services, ACCOUNT, secret_of))
    made = [Edge(services, [sagemaker_runtime], EdgeSettings(ACCOUNT, REGION), secret_of=secret_of) for _ in range(2)]
    made[0].ask_first(counting)
    ports = [on_loop(edge.start("127.0.0.1", 0)) for edge in made]
    yield ports, counting
    for edge in made:
        on_loop(edge.stop())


def message(port, body, headers, path="/endpoints/e/invocations", secret=SECRET):
    request = botocore.awsrequest.AWSRequest("POST", f"http://127.0.0.1:{port}{path}", data=body, headers=headers)
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(KEY, secret), "sagemaker", REGION).add_auth(request)
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items() if name != "Content-Length"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answers(port, *messages):
    """What comes back for messages sent in one go."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(b"".join(messages))
        found = b""
        while found.count(b"HTTP/1.1 ") < len(messages) or not _whole(found):
            data = connection.recv(65536)
            if not data:
                break
            found += data
    return found


def _whole(data):
    head, _, body = data[data.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(length) and len(body) >= int(length[1])


def comparable(answer):
    return re.sub(rb"(?m)^(Date|x-amzn-RequestId): .*$", rb"\1", answer)


CASES = {
    "plain": (b"hi", {"Content-Type": "text/csv", "Accept": "a/b"}, True),
    "no types": (b"hi", {}, True),
    "an exception": (b"raise", {"Accept": "long"}, True),
    "a refusal": (b"refuse", {"Content-Type": "text/csv"}, True),
    "bytes that are no text": (b"\xff\xfe", {"Content-Type": "text/csv"}, True),
    "attributes": (b"hi", {"X-Amzn-SageMaker-Custom-Attributes": "there"}, False),
    "a variant": (b"hi", {"X-Amzn-SageMaker-Target-Variant": "v1"}, False),
    "another variant": (b"hi", {"X-Amzn-SageMaker-Target-Variant": "v9"}, False),
    "a long type": (b"hi", {"Content-Type": "x" * 1025}, False),
    "its own hash": (b"hi", {"X-Amz-Content-SHA256": "0" * 64}, False),
}


@pytest.mark.parametrize("case", CASES)
def test_both_ways_answer_alike(edges, case):
    (quick, slow), counting = edges
    body, headers, taken = CASES[case]
    found = [comparable(answers(port, message(port, body, headers))) for port in (quick, slow)]
    assert found[0] == found[1]
    assert counting.taken == taken


@pytest.mark.parametrize(
    ("change", "code"),
    [({"path": "/endpoints/nobody/invocations"}, b"ValidationError"), ({"secret": "wrong"}, b"InvalidSignature")],
)
def test_what_is_wrong_is_said_by_the_long_way(edges, change, code):
    (quick, slow), counting = edges
    found = [comparable(answers(port, message(port, b"hi", {}, **change))) for port in (quick, slow)]
    assert found[0].partition(b"Canonical")[0].replace(b"%d" % quick, b"") == found[1].partition(b"Canonical")[
        0
    ].replace(b"%d" % slow, b"")
    assert code in found[0]
    assert counting.taken == 0


def test_requests_on_one_connection_are_answered_in_order(edges):
    (quick, _), counting = edges
    words = [b"one", b"raise", b"two", b"three"]
    found = answers(quick, *(message(quick, word, {}) for word in words))
    assert [found.index(b"one "), found.index(b"not today"), found.index(b"two "), found.index(b"three ")] == sorted(
        [found.index(b"one "), found.index(b"not today"), found.index(b"two "), found.index(b"three ")]
    )
    assert counting.taken == 4


def test_a_worker_that_dies_at_a_request_is_a_model_error_and_the_next_is_answered(edges):
    (quick, _), counting = edges
    died = answers(quick, message(quick, b"exit", {}))
    assert died.startswith(b"HTTP/1.1 424 ")
    assert b"ModelError" in died
    assert b"ended while it was at this request" in died
    assert answers(quick, message(quick, b"hi", {})).startswith(b"HTTP/1.1 200 ")
    assert counting.taken == 2


def test_a_client_that_leaves_harms_nobody(edges, world, on_loop):  # noqa: F811
    (quick, _), _ = edges
    with socket.create_connection(("127.0.0.1", quick)) as connection:
        connection.sendall(message(quick, b"hi", {}))
    with socket.create_connection(("127.0.0.1", quick)) as connection:
        connection.sendall(message(quick, b"hi", {}).replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n", 1))
        assert b"Connection: close" in connection.recv(65536)
        assert connection.recv(10) == b""

    async def quiet():
        while world.outstanding():
            await asyncio.sleep(0.01)

    on_loop(quiet())
    assert answers(quick, message(quick, b"hi", {})).startswith(b"HTTP/1.1 200 ")
