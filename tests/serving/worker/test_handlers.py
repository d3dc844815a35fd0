"""The user's functions: what they are given, what they may return, what becomes of their errors. No NumPy needed."""

import json
import sys
from pathlib import Path

import pytest

from selfmaker.serving.worker import transport

SCRIPT = """
import json, os, sys
class Response:  # as the containers' worker.Response
    def __init__(self, response, status=200, mimetype="application/json", headers=None):
        self.response, self.status_code, self.mimetype, self.headers = response, status, mimetype, headers or {}
class BadInput(Exception):
    status_code = 422
class UnsupportedFormatError(Exception):
    pass
def model_fn(model_dir):
    return {"dir": model_dir}
def input_fn(body, content_type):
    if content_type == "application/x-odd":
        raise UnsupportedFormatError("no odd things")
    return type(body).__name__, body, content_type
def predict_fn(data, model):
    return data, model
def output_fn(prediction, accept):
    (kind, body, content_type), model = prediction
    word = body if isinstance(body, str) else body.decode("latin1")
    if word == "tuple":
        return "text", "text/plain"
    if word == "response":
        return Response(b"r", 201, "x/y", {"X-Amzn-SageMaker-Custom-Attributes": "from the model"})
    if word == "none":
        return None
    if word == "dict":
        return {"a": [1, 2.5]}
    if word == "bytearray":
        return bytearray(b"raw")
    if word == "mine":
        raise BadInput("cannot take this")
    if word == "keyerror":
        return {}["column"]
    if word == "exit":
        sys.exit("leave")
    if word == "unsupported":
        raise UnsupportedFormatError("cannot write " + accept)
    return json.dumps([kind, content_type, accept])
"""
CONTEXT = """
def model_fn(model_dir, context):
    return context.system_properties["model_dir"]
def transform_fn(model, body, content_type, accept, context):
    context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "seen")
    given = context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
    return f"{model} {given} {context.get_all_request_header(0)['content-type']}"
def model_warmup_fn(model_dir, model):
    print("warmed", model)
"""


@pytest.fixture(scope="module")
def start(workers):
    return workers(Path(sys.executable))


@pytest.fixture(scope="module")
def worker(start, tmp_path_factory):
    return start("", tmp_path_factory.mktemp("model"), SCRIPT)


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json", "str"),
        ("text/csv", "str"),
        ("text/csv; charset=utf-8", "str"),
        ("application/x-npy", "bytes"),
        ("text/libsvm", "bytes"),
        ("application/jsonlines", "bytes"),
        ("image/png", "bytes"),
    ],
)
def test_text_types_come_as_text_and_the_header_as_it_was(worker, content_type, kind):
    assert json.loads(worker.text("1", content_type)) == [kind, content_type, "application/json"]


def test_without_content_type_and_accept_it_is_json(worker):
    assert json.loads(worker.text("1", "", "")) == ["str", "application/json", "application/json"]
    assert json.loads(worker.text("1", "text/csv", "*/*"))[2] == "application/json"
    assert json.loads(worker.text("1", "text/csv", "text/csv"))[2] == "text/csv"


def test_the_default_accept_is_the_containers_variable(start, tmp_path):
    worker = start("", tmp_path, SCRIPT, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv")
    assert json.loads(worker.text("1", "text/csv", "*/*"))[2] == "text/csv"


@pytest.mark.parametrize(
    ("word", "status", "content_type", "body"),
    [
        ("tuple", 200, "text/plain", b"text"),
        ("response", 201, "x/y", b"r"),
        ("dict", 200, "a/b", b'{"a": [1, 2.5]}'),
        ("bytearray", 200, "a/b", b"raw"),
        ("mine", 422, "text/plain", b"cannot take this"),
        ("keyerror", 500, "text/plain", b"KeyError: 'column'"),
        ("exit", 500, "text/plain", b"SystemExit: leave"),
        ("unsupported", 406, "text/plain", b"cannot write a/b"),
    ],
)
def test_what_a_function_returns_or_raises(worker, word, status, content_type, body):
    answer = worker.ask(word, "text/csv", "a/b")
    assert (answer.status, answer.content_type, answer.body) == (status, content_type, body)


def test_returning_nothing_is_an_error_that_says_so(worker):
    answer = worker.ask("none")
    assert answer.status == 500
    assert b"returned None" in answer.body


def test_an_input_function_that_knows_not_the_format_is_a_415(worker):
    assert worker.ask("1", "application/x-odd")[::4] == (415, b"no odd things")


def test_bytes_that_are_no_text_are_an_error_of_that_request_alone(worker):
    assert worker.ask(b"\xff\xfe", "text/csv").status == 500
    assert worker.ask("1").status == 200


def test_attributes_come_back_from_a_response_object(worker):
    assert worker.ask("response", attributes="to the model").attributes == "from the model"
    assert worker.ask("dict", attributes="to the model").attributes == ""


def test_a_traceback_is_in_the_log(worker):
    worker.ask("keyerror")
    assert 'return {}["column"]' in worker.log.read_text()


def test_functions_may_take_a_context(start, tmp_path):
    worker = start("", tmp_path, CONTEXT)
    answer = worker.ask("x", "a/b", attributes="k=v")
    assert answer.body.decode() == f"{tmp_path} k=v a/b"
    assert answer.attributes == "seen"
    assert f"warmed {tmp_path}" in worker.log.read_text()


def test_requests_that_arrive_together_are_answered_in_order(start, tmp_path):
    worker = start("", tmp_path, "def model_fn(d): pass\ndef transform_fn(m, b, c, a): return b\n")
    messages = [transport.Message(0, "x/y", "", "", bytes([n]) * 1000) for n in range(100)]
    worker.socket.sendall(
        b"".join(transport.message_frame(transport.REQUEST, n, message) for n, message in enumerate(messages))
    )
    frames, decoder = [], transport.Decoder()
    while len(frames) < 100:
        frames += decoder.feed(worker.socket.recv(1 << 16))
    assert [number for _, number, _ in frames] == list(range(100))
    assert [transport.parse_message(payload).body for _, _, payload in frames] == [m.body for m in messages]


def test_the_worker_ends_in_good_order_when_the_router_goes(start, tmp_path):
    script = "import atexit\natexit.register(print, 'tidied')\ndef model_fn(d): pass\n"
    worker = start("", tmp_path, script)
    assert worker.state == transport.READY
    assert worker.close() == 0
    assert "tidied" in worker.log.read_text()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("def model_fn(d): raise RuntimeError('broken')", "RuntimeError: broken"),
        ("def x(:", "SyntaxError"),
        ("def predict_fn(d, m): pass", "NotImplementedError: the script has no model_fn"),
    ],
)
def test_a_script_that_cannot_be_served(start, tmp_path, script, reason):
    worker = start("", tmp_path, script)
    assert worker.state == transport.FAILED
    assert reason in worker.told
    assert worker.process.wait(30) == 1
    assert "Traceback" in worker.log.read_text()


def test_a_script_in_a_folder_finds_its_neighbours_and_those_above(start, tmp_path, tmp_path_factory):
    code = tmp_path_factory.mktemp("deep")
    (code / "src").mkdir()
    (code / "above.py").write_text("A = 'above'\n")
    (code / "src" / "beside.py").write_text("B = 'beside'\n")
    (code / "src" / "my-serve.v2.py").write_text(
        "from above import A\nfrom beside import B\ndef model_fn(d): return A + B\n"
        "def transform_fn(m, b, c, a): return m\n"
    )
    worker = start("", tmp_path, code=code, program="src/my-serve.v2.py")
    assert worker.text("x") == "abovebeside"
