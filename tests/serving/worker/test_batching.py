"""Requests that reach a worker together: each gets the answer that it would have got alone."""

import json

import pytest
from tests.serving.worker.conftest import made_by

from selfmaker.serving.worker import transport
from selfmaker.serving.worker.transport import Message

pytestmark = pytest.mark.frameworks

XGBOOST, SKLEARN = "sagemaker-xgboost:1.7-1", "sagemaker-scikit-learn:1.4-2-cpu-py3"
TRAIN_XGBOOST = """
import numpy, xgboost
rows = numpy.random.RandomState(0).rand(200, 4)
data = xgboost.DMatrix(rows, rows[:, 0] + rows[:, 1])
xgboost.train({"objective": "reg:squarederror", "nthread": 1}, data, 8).save_model("m.json")
import os; os.mkdir("algorithm"); os.rename("m.json", "algorithm/xgboost-model")
"""
TRAIN_SKLEARN = """
import joblib, numpy
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
rows = numpy.random.RandomState(0).rand(50, 4)
high, total = numpy.where(rows[:, 0] > .5, "high", "low"), rows.sum(axis=1)
joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, high), "labels.joblib")
joblib.dump(RandomForestRegressor(5, random_state=0).fit(rows, total), "forest.joblib")
joblib.dump(LinearRegression().fit(rows, total), "linear.joblib")
joblib.dump(make_pipeline(FunctionTransformer(numpy.log1p), LogisticRegression()).fit(rows, high), "own.joblib")
"""
LOAD_XGBOOST = """
import os, xgboost
def model_fn(d):
    booster = xgboost.Booster(); booster.load_model(os.path.join(d, "xgboost-model")); return booster
"""
LOAD_SKLEARN = "import joblib, os\ndef model_fn(d): return joblib.load(os.path.join(d, '{}.joblib'))\n"
BODIES = [
    ("0.1,0.2,0.3,0.4", "text/csv"),
    ("0.5,0.6,0.7,0.8\n0.1,0.2,0.3,0.9\n", "text/csv"),
    ("1,2,3,4", "text/csv"),
    ("1,2,x,4", "text/csv"),
    ("1,2,3", "text/csv"),
    ("", "text/csv"),
    ("0.1,,0.3,0.4", "text/csv"),
    ("1.,.5,+1,1e-3", "text/csv"),
    ("[[0.1, 0.2, 0.3, 0.4]]", "application/json"),
    ("[[0.5, 0.6, 0.7, 0.8], [1, 2, 3, 4]]", "application/json"),
    ("{", "application/json"),
    ("0.9,0.8,0.7,0.6", "text/csv"),
    ("0.9,0.8,0.7,0.6", "text/csv; charset=utf-8"),
    ("0.9,0.8,0.7,0.6", "image/png"),
]


def together(worker, requests):
    """The answers to requests that are sent in one write."""
    frames = [transport.message_frame(transport.REQUEST, n, request) for n, request in enumerate(requests, 1)]
    worker.socket.sendall(b"".join(frames))
    found = []
    while len(found) < len(requests):
        found += worker.decoder.feed(worker.socket.recv(1 << 18))
    assert [(kind, number) for kind, number, _ in found] == [(2, n) for n in range(1, len(requests) + 1)]
    return [transport.parse_message(payload) for _, _, payload in found]


def same_as_alone(worker, accept):
    requests = [Message(0, kind, accept, "", body.encode()) for body, kind in BODIES] * 3
    alone = [worker.ask(body, kind, accept) for body, kind in BODIES] * 3
    assert together(worker, requests) == alone
    return alone


@pytest.fixture(scope="module")
def xgboost_models(environment_of, tmp_path_factory):
    return made_by(environment_of(XGBOOST), TRAIN_XGBOOST, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def sklearn_models(environment_of, tmp_path_factory):
    return made_by(environment_of(SKLEARN), TRAIN_SKLEARN, tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("script", [None, LOAD_XGBOOST])
@pytest.mark.parametrize("accept", ["text/csv", "application/json", "image/png", ""])
def test_xgboost(workers, environment_of, xgboost_models, script, accept):
    worker = workers(environment_of(XGBOOST))("xgboost", xgboost_models / "algorithm", script)
    assert worker.told.endswith(" batches")
    alone = same_as_alone(worker, accept)
    if accept != "image/png":
        assert [answer.status for answer in alone[:3]] == [200, 200, 200]


@pytest.mark.parametrize(("model", "batches"), [("labels", True), ("forest", True), ("linear", False), ("own", False)])
def test_sklearn(workers, environment_of, sklearn_models, model, batches):
    worker = workers(environment_of(SKLEARN))("sklearn", sklearn_models, LOAD_SKLEARN.format(model))
    assert worker.told.endswith(" batches") is batches
    alone = same_as_alone(worker, "application/json")
    assert len(json.loads(alone[1].body)) == 2


def test_a_users_function_sees_each_request_alone(workers, environment_of, xgboost_models):
    script = LOAD_XGBOOST + "def predict_fn(data, model): return model.predict(data) + data.num_row()\n"
    worker = workers(environment_of(XGBOOST))("xgboost", xgboost_models / "algorithm", script)
    assert not worker.told.endswith(" batches")
    same_as_alone(worker, "text/csv")


def test_many_rows_are_read_as_few(workers, environment_of, xgboost_models):
    """A long body takes another way through the readers."""
    worker = workers(environment_of(XGBOOST))("xgboost", xgboost_models / "algorithm", LOAD_XGBOOST)
    rows = [f"{n / 7},{n % 3}e-1,{n},-0.{n}" for n in range(1000)]
    alone = [worker.text(row, accept="text/csv") for row in rows[:50]]
    whole = worker.text("\n".join(rows), accept="text/csv")
    assert whole.splitlines(keepends=True)[:50] == alone
    bad = worker.ask("\n".join([*rows, "1,2,3"]), accept="text/csv")
    assert (bad.status, b"differ in length" in bad.body) == (500, True)
    gaps = worker.text("\n".join([*rows, ",2,3,4"]), accept="text/csv")
    assert gaps.splitlines()[:1000] == whole.splitlines()
