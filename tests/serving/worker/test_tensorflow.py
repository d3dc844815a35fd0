"""TensorFlow in its own environment: TensorFlow Serving's REST semantics, and the container's handlers."""

import json

import pytest
from tests.serving.worker.conftest import made_by

from selfmaker.serving.worker import transport

pytestmark = pytest.mark.frameworks

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.19.0-cpu"
TRAIN = """
import os, shutil
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
import tensorflow as tf

KINDS = (("int32", "a"), ("float32", "b"))

class Arithmetic(tf.Module):
    def __init__(self, factor):
        self.factor = tf.Variable(float(factor))
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def total(self, x):
        return {"total": tf.reduce_sum(x, axis=1) * self.factor}
    @tf.function(input_signature=[tf.TensorSpec([None], getattr(tf, kind), name) for kind, name in KINDS])
    def both(self, a, b):
        return {"sum": tf.cast(a, tf.float32) + b, "product": tf.cast(a, tf.float32) * b}
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def text(self, text):
        return {"upper": tf.strings.upper(text), "raw_bytes": text}
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def examples(self, examples):
        parsed = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([2], tf.float32)})["x"]
        labels = tf.tile([["first", "second"]], [tf.shape(parsed)[0], 1])
        return {"classes": labels, "scores": parsed, "outputs": tf.reduce_sum(parsed, axis=1)}
    def save(self, path):
        tf.saved_model.save(self, path, {
            "serving_default": self.total, "both": self.both, "text": self.text, "examples": self.examples})

Arithmetic(1).save("versions/export/Servo/1")
Arithmetic(2).save("versions/export/Servo/2")
Arithmetic(3).save("bare")
shutil.copytree("bare", "named/other/1")
shutil.copytree("versions/export/Servo/2", "named/first/7")
inputs = tf.keras.Input((2,), name="row")
model = tf.keras.Model(inputs, tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(inputs))
for name in ("keras", "h5"):
    os.makedirs(name)
    model.save(f"{name}/model.{name}")
model.export("exported/1")
os.makedirs("nothing")
"""
HANDLERS = """
import json
def input_handler(data, context):
    text = data.read().decode("utf-8")
    if context.request_content_type != "application/x-pairs":
        raise ValueError("unsupported content type " + context.request_content_type)
    return json.dumps({"instances": [list(map(float, pair.split("+"))) for pair in text.split()]})
def output_handler(response, context):
    if response.status_code != 200:
        raise ValueError(response.content.decode("utf-8"))
    return json.dumps({"totals": response.json()["predictions"], "method": context.method}), context.accept_header
"""
HANDLER = """
import requests
def handler(data, context):
    response = requests.post(context.rest_uri, data=data.read())
    status = requests.get(context.rest_uri.rpartition(":")[0]).json()["model_version_status"][0]["state"]
    return response.content + status.encode(), "text/x-proof"
"""


@pytest.fixture(scope="module")
def models(environment_of, tmp_path_factory):
    return made_by(environment_of(IMAGE), TRAIN, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def start(workers, environment_of):
    return workers(environment_of(IMAGE))


@pytest.fixture(scope="module")
def saved(start, models):
    return start("tensorflow", models / "versions")


def ask(worker, value, content_type="application/json", **options):
    return json.loads(worker.text(json.dumps(value), content_type, **options))


def error(worker, body, content_type="application/json", **options):
    answer = worker.ask(body if isinstance(body, (str, bytes)) else json.dumps(body), content_type, **options)
    assert answer.content_type == "application/json"
    return answer.status, json.loads(answer.body)["error"]


def test_instances_and_inputs(saved):
    assert ask(saved, {"instances": [[1, 2], [3, 4.5]]}) == {"predictions": [6.0, 15.0]}
    assert ask(saved, {"inputs": [[1, 2], [3, 4.5]]}) == {"outputs": [6.0, 15.0]}
    assert ask(saved, {"instances": [{"x": [1, 2]}]}) == {"predictions": [6.0]}
    assert ask(saved, {"inputs": {"x": [[1, 2]]}}) == {"outputs": [6.0]}


def test_the_digits_are_those_of_a_float32(saved):
    assert saved.text('{"instances": [[0.05, 0]]}', "application/json").replace(" ", "") == '{"predictions":[0.1]}'


def test_json_that_names_nothing_is_one_instance_or_several(saved):
    assert ask(saved, [1, 2]) == {"predictions": [6.0]}
    assert ask(saved, [[1, 2], [3, 4]]) == {"predictions": [6.0, 14.0]}
    assert ask(saved, {"x": [1, 2]}) == {"predictions": [6.0]}
    for kind in ("application/json", "application/jsonlines"):
        assert json.loads(saved.text("[1, 2]\n[3, 4]\n", kind)) == {"predictions": [6.0, 14.0]}
        assert json.loads(saved.text('{"x": [1, 2]}\n{"x": [3, 4]}', kind)) == {"predictions": [6.0, 14.0]}


def test_csv(saved):
    assert json.loads(saved.text("1,2\n3.5,4\r\n", "text/csv")) == {"predictions": [6.0, 15.0]}
    assert json.loads(saved.text("1., .5", "text/csv")) == {"predictions": [3.0]}


def test_signatures_by_name_with_several_inputs_and_outputs(saved):
    request = {"signature_name": "both", "instances": [{"a": 2, "b": 1.5}, {"a": 3, "b": 1}]}
    assert ask(saved, request) == {"predictions": [{"product": 3.0, "sum": 3.5}, {"product": 3.0, "sum": 4.0}]}
    columns = {"signature_name": "both", "inputs": {"a": [2], "b": [1.5]}}
    assert ask(saved, columns) == {"outputs": {"product": [3.0], "sum": [3.5]}}


def test_strings_and_bytes(saved):
    request = {"signature_name": "text", "instances": ["ab", {"b64": "Y2Q="}]}
    answer = [{"raw_bytes": {"b64": "YWI="}, "upper": "AB"}, {"raw_bytes": {"b64": "Y2Q="}, "upper": "CD"}]
    assert ask(saved, request) == {"predictions": answer}


def test_classify_and_regress_by_custom_attributes(saved):
    request = {"signature_name": "examples", "examples": [{"x": [0.25, 0.75]}, {"x": [1.0, 0.0]}]}
    assert ask(saved, request, attributes="tfs-method=classify") == {
        "results": [[["first", 0.25], ["second", 0.75]], [["first", 1.0], ["second", 0.0]]]
    }
    assert ask(saved, request, attributes="tfs-method=regress") == {"results": [1.0, 1.0]}
    status, message = error(saved, {"examples": [{"x": 1}]}, attributes="tfs-method=classify")
    assert (status, "predict" in message) == (400, True)


def test_models_and_versions_by_custom_attributes(saved, start, models):
    assert ask(saved, [1, 2], attributes="tfs-model-version=1") == {"predictions": [3.0]}
    assert ask(saved, [1, 2], attributes="tfs-model-name=Servo,tfs-model-version=2") == {"predictions": [6.0]}
    named = start("tensorflow", models / "named", SAGEMAKER_TFS_DEFAULT_MODEL_NAME="other")
    assert ask(named, [1, 2]) == {"predictions": [9.0]}
    assert ask(named, [1, 2], attributes="tfs-model-name=first") == {"predictions": [6.0]}
    assert error(saved, [1, 2], attributes="tfs-model-name=nobody")[0] == 404
    assert error(saved, [1, 2], attributes="tfs-model-version=9")[0] == 404


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"signature_name": "nobody", "instances": [[1, 2]]}, '"nobody" not found in signature def'),
        ({"instances": [[1, 2, 3]]}, "(1, 3)"),
        ({"instances": [[1, 2], [3]]}, "differ in shape"),
        ({"instances": [["one", "two"]]}, "expected type float32"),
        ({"instances": []}, "at least one"),
        ({"instances": [[1, 2]], "inputs": [[1, 2]]}, "one of the two"),
        ({"signature_name": "both", "inputs": {"a": [1.5], "b": [1]}}, "expected type int32"),
        ({"signature_name": "both", "instances": [{"a": 1}]}, "a, b"),
        ({"signature_name": "text", "instances": [{"b64": "?"}]}, "base64"),
        ({"signature_name": "text", "instances": [["a"], "b"]}, "text"),
        ("{", "JSON Parse error"),
        ("", "JSON Parse error"),
        (b"\xff", "JSON Parse error"),
    ],
)
def test_bad_requests_are_400_with_an_error_that_says_why(saved, body, says):
    status, message = error(saved, body)
    assert status == 400
    assert says in message
    assert ask(saved, [1, 2]) == {"predictions": [6.0]}


def test_other_content_types_and_methods(saved):
    assert error(saved, "x", "application/x-npy") == (415, "Unsupported Media Type: application/x-npy")
    assert error(saved, [1, 2], attributes="tfs-method=__init__")[0] == 400


@pytest.mark.parametrize("name", ["keras", "h5", "exported"])
def test_models_of_keras(start, models, name):
    worker = start("tensorflow", models / name)
    assert worker.state == transport.READY, worker.told
    assert ask(worker, {"instances": [[1, 2], [3, 4]]}) == {"predictions": [[3.0], [7.0]]}


def test_handlers_before_and_after(start, models):
    worker = start("tensorflow", models / "bare", HANDLERS)
    answer = worker.ask("1+2 3+4", "application/x-pairs", "application/x-out", "tfs-method=predict")
    assert (answer.status, answer.content_type) == (200, "application/x-out")
    assert json.loads(answer.body) == {"totals": [9.0, 21.0], "method": "predict"}
    assert error(worker, "1+2", "text/csv") == (500, "unsupported content type text/csv")
    status, message = error(worker, "1+2+3", "application/x-pairs")
    assert (status, json.loads(message)["error"][:5]) == (500, "input")


def test_one_handler_that_asks_tensorflow_serving_itself(start, models):
    answer = start("tensorflow", models / "bare", HANDLER).ask('{"instances": [[1, 2]]}', "application/json")
    assert (answer.content_type, answer.body) == ("text/x-proof", b'{"predictions": [9.0]}AVAILABLE')


def test_what_cannot_be_served_fails_at_the_start(start, models):
    nothing = start("tensorflow", models / "nothing")
    assert (nothing.state, "no SavedModel bundles found" in nothing.told) == (transport.FAILED, True)
    half = start("tensorflow", models / "bare", "def input_handler(data, context): pass\n")
    assert (half.state, "output_handler" in half.told) == (transport.FAILED, True)


def test_a_program_of_another_name_is_the_trainings_and_is_not_run(start, models):
    worker = start("tensorflow", models / "bare", "raise SystemExit('training')\n", program="train.py")
    assert ask(worker, [1, 2]) == {"predictions": [9.0]}
