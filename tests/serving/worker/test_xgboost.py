"""XGBoost in its own environment: script mode and the built-in algorithm, beside what the library itself gives."""

import json
import struct

import pytest
from tests.serving.worker.conftest import made_by

from selfmaker.serving.worker import transport

pytestmark = pytest.mark.frameworks

IMAGES = ["sagemaker-xgboost:1.7-1", "sagemaker-xgboost:3.0-5"]
TRAIN = """
import json, pathlib, pickle, numpy, scipy.sparse, xgboost
chance = numpy.random.RandomState(0)
rows = chance.rand(200, 4).astype("float32")
labels = (rows[:, 0] + rows[:, 1] > 1).astype(int)
kinds = labels + (rows[:, 2] > .7)
data = xgboost.DMatrix(rows, labels)
held = xgboost.DMatrix(chance.rand(50, 4), chance.randint(0, 2, 50))
binary = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 8)
early = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 30, evals=[(held, "v")],
                      early_stopping_rounds=3, verbose_eval=False)
multi = xgboost.train({"objective": "multi:softprob", "num_class": 3}, xgboost.DMatrix(rows, kinds), 4)
linear = xgboost.train({"booster": "gblinear", "objective": "reg:squarederror"}, data, 4)
def keep(name, booster, how):
    folder = pathlib.Path(name); folder.mkdir()
    if how == "pickle":
        (folder / "xgboost-model").write_bytes(pickle.dumps(booster))
    else:
        booster.save_model(str(folder / ("m." + how))); (folder / ("m." + how)).rename(folder / "xgboost-model")
keep("json", binary, "json"); keep("ubj", binary, "ubj"); keep("pickle", binary, "pickle")
keep("early", early, "json"); keep("multi", multi, "json"); keep("linear", linear, "json")
keep("both", binary, "json"); early.save_model("both/e.json")
pathlib.Path("both/e.json").rename("both/xgboost-model-1")
classifier = xgboost.XGBClassifier(n_estimators=5).fit(rows, labels); pathlib.Path("api").mkdir()
pathlib.Path("api/model.pkl").write_bytes(pickle.dumps(classifier))
probe = chance.rand(3, 4).astype("float32").round(3)
gaps = probe.copy(); gaps[0, 1] = numpy.nan
best = early.best_iteration + 1
told = {
    "probe": [[round(float(v), 3) for v in row] for row in probe],
    "binary": binary.predict(xgboost.DMatrix(probe)).tolist(),
    "gaps": binary.predict(xgboost.DMatrix(gaps)).tolist(),
    "three": binary.predict(xgboost.DMatrix(scipy.sparse.csr_matrix(probe[:, :3])), validate_features=False).tolist(),
    "early": early.predict(xgboost.DMatrix(probe), iteration_range=(0, best)).tolist(),
    "all": early.predict(xgboost.DMatrix(probe), iteration_range=(0, 0)).tolist(),
    "multi": multi.predict(xgboost.DMatrix(probe)).tolist(),
    "linear": linear.predict(xgboost.DMatrix(probe)).tolist(),
    "api": classifier.predict(probe).tolist(),
    "rounds": [early.best_iteration + 1, early.num_boosted_rounds()],
}
pathlib.Path("told.json").write_text(json.dumps(told))
"""
SCRIPT = """
import os, xgboost
def model_fn(d):
    booster = xgboost.Booster(); booster.load_model(os.path.join(d, "xgboost-model")); return booster
"""
API = "import os, pickle\ndef model_fn(d): return pickle.load(open(os.path.join(d, 'model.pkl'), 'rb'))\n"


@pytest.fixture(scope="module", params=IMAGES)
def python(request, environment_of):
    return environment_of(request.param)


@pytest.fixture(scope="module")
def models(python, tmp_path_factory):
    return made_by(python, TRAIN, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def told(models):
    return json.loads((models / "told.json").read_text())


@pytest.fixture(scope="module")
def algorithm(workers, python, models):
    return workers(python)("xgboost", models / "json")


@pytest.fixture(scope="module")
def script(workers, python, models):
    return workers(python)("xgboost", models / "json", SCRIPT)


def csv(rows):
    return "\n".join(",".join("" if v is None else str(v) for v in row) for row in rows)


def libsvm(rows):
    return "\n".join("0 " + " ".join(f"{n}:{v}" for n, v in enumerate(row)) for row in rows)


def recordio(rows, *, sparse=False):
    """Records of a float32 tensor each, written by hand from the format's description."""

    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data

    records = []
    for row in rows:
        tensor = field(1, struct.pack(f"<{len(row)}f", *row))
        if sparse:
            tensor += field(2, bytes(range(len(row)))) + field(3, bytes([len(row)]))
        entry = field(1, b"values") + field(2, field(2, tensor))
        message = field(1, entry) + field(2, field(1, b"values") + field(2, field(2, field(1, struct.pack("<f", 1)))))
        padding = b"\0" * (-len(message) % 4)
        records.append(struct.pack("<II", 0xCED7230A, len(message)) + message + padding)
    return b"".join(records)


def numbers(text):
    return [float(value) for value in text.replace("\n", ",").strip(",").split(",")]


@pytest.mark.parametrize("form", ["json", "ubj", "pickle"])
def test_the_algorithm_reads_every_form_of_model(workers, python, models, told, form):
    worker = workers(python)("xgboost", models / form)
    assert numbers(worker.text(csv(told["probe"]))) == told["binary"]


def test_the_algorithm_answers_a_line_of_csv_for_each_row_unless_asked_otherwise(algorithm, told):
    answer = algorithm.ask(csv(told["probe"]))
    assert answer.content_type == "text/csv"
    assert [float(line) for line in answer.body.decode().split("\n")[:-1]] == told["binary"]
    scores = [{"score": value} for value in told["binary"]]
    assert json.loads(algorithm.text(csv(told["probe"]), accept="application/json")) == {"predictions": scores}
    assert algorithm.ask("1,2,3,4", accept="image/png").status == 406
    assert algorithm.ask("1,2,3,4", accept="image/png, application/json").content_type == "application/json"


def test_an_image_before_1_2_2_puts_all_predictions_on_one_line(workers, environment_of, tmp_path):
    old = environment_of("sagemaker-xgboost:1.0-1")
    model = "import numpy, xgboost; d = xgboost.DMatrix(numpy.eye(4), [0, 1, 0, 1]); b = xgboost.train({}, d, 2)"
    made_by(old, f"{model}; import os; os.mkdir('m'); b.save_model('m/xgboost-model')", tmp_path)
    worker = workers(old)("xgboost", tmp_path / "m")
    body = worker.ask("1,0,0,0\n0,1,0,0").body
    assert b"\n" not in body
    assert len(body.split(b",")) == 2
    answer = worker.ask("1,0,0,0\n0,1,0,0", accept="application/csv")  # Accept is not read there
    assert (answer.content_type, answer.body) == ("text/csv", body)


@pytest.mark.parametrize(
    ("write", "content_type"),
    [
        (csv, "text/csv"),
        (csv, "text/csv; charset=utf-8"),
        (csv, ""),
        (lambda rows: csv(rows) + "\r\n", "text/csv"),
        (lambda rows: csv(rows).replace(",", ";"), "text/csv"),
        (lambda rows: csv(rows).replace(",", "\t"), "text/csv"),
        (libsvm, "text/libsvm"),
        (libsvm, "text/x-libsvm"),
        (recordio, "application/x-recordio-protobuf"),
        (lambda rows: recordio(rows, sparse=True), "application/x-recordio-protobuf"),
        (json.dumps, "application/json"),
        (lambda rows: json.dumps({"instances": [{"features": row} for row in rows]}), "application/json"),
        (lambda rows: "\n".join(json.dumps({"features": row}) for row in rows), "application/jsonlines"),
    ],
)
def test_the_algorithm_reads_every_type(algorithm, told, write, content_type):
    assert numbers(algorithm.text(write(told["probe"]), content_type)) == pytest.approx(told["binary"], rel=1e-6)


def test_missing_values(algorithm, script, told):
    rows = [list(row) for row in told["probe"]]
    rows[0][1] = None
    assert numbers(algorithm.text(csv(rows))) == told["gaps"]
    assert json.loads(script.text(csv(rows))) == told["gaps"]
    rows[0][1] = "nan"
    assert numbers(algorithm.text(csv(rows))) == told["gaps"]


def test_fewer_columns_are_missing_values_and_more_are_refused(algorithm, told):
    assert numbers(algorithm.text(csv([row[:3] for row in told["probe"]]))) == told["three"]
    refused = algorithm.ask("1,2,3,4,5,6")
    assert refused.status == 400
    assert b"6 features" in refused.body


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("a,b,c,d", "text/csv"),
        ("1,2\n3", "text/csv"),
        ("{", "application/json"),
        (b"x", "image/png"),
        (b"abc", "application/x-recordio-protobuf"),
        ("0 a:b", "text/libsvm"),
        (b"\xff,1", "text/csv"),
    ],
)
def test_what_the_algorithm_cannot_read_is_a_415(algorithm, body, content_type):
    refused = algorithm.ask(body, content_type)
    assert refused.status == 415
    assert content_type.encode() in refused.body
    assert algorithm.ask("1,2,3,4").status == 200


def test_an_empty_body_has_no_content(algorithm):
    assert algorithm.ask("").status == 204


def test_the_best_iteration_counts(workers, python, models, told):
    assert told["rounds"][0] < told["rounds"][1]
    assert told["early"] != told["all"]
    worker = workers(python)("xgboost", models / "early")
    assert numbers(worker.text(csv(told["probe"]))) == told["early"]


def test_several_models_answer_with_their_mean(workers, python, models, told):
    worker = workers(python)("xgboost", models / "both")
    mean = [(a + b) / 2 for a, b in zip(told["binary"], told["early"], strict=True)]
    assert numbers(worker.text(csv(told["probe"]))) == pytest.approx(mean)


def test_probabilities_of_classes_and_boosters_that_cannot_predict_in_place(workers, python, models, told):
    multi = workers(python)("xgboost", models / "multi")
    answer = json.loads(multi.text(csv(told["probe"]), accept="application/json"))
    assert [row["score"] for row in answer["predictions"]] == told["multi"]
    rows = multi.text(csv(told["probe"])).splitlines()
    assert [numbers(row) for row in rows] == told["multi"]
    linear = workers(python)("xgboost", models / "linear")
    assert numbers(linear.text(csv(told["probe"]))) == pytest.approx(told["linear"])


def test_the_output_that_the_variable_names_is_told(workers, python, models, told):
    """SAGEMAKER_INFERENCE_OUTPUT, as models of Autopilot have it."""
    words = {"SAGEMAKER_INFERENCE_OUTPUT": "predicted_label, Probability,probabilities,predicted_score"}
    worker = workers(python)("xgboost", models / "json", **words)
    answer = json.loads(worker.text(csv(told["probe"]), accept="application/json"))
    for row, value in zip(answer["predictions"], told["binary"], strict=True):
        assert list(row) == ["predicted_label", "probability", "probabilities", "predicted_score"]
        assert (row["predicted_label"], row["probability"]) == (int(value > 0.5), value)
        assert row["probabilities"] == [1.0 - value, value] and row["predicted_score"] != row["predicted_score"]
    lines = worker.text(csv(told["probe"]), accept="application/jsonlines").splitlines()
    assert [json.loads(line)["probability"] for line in lines] == told["binary"]
    first = worker.text(csv(told["probe"])).splitlines()[0]
    value = told["binary"][0]
    assert first == f'{int(value > 0.5)},{value},"[{1.0 - value}, {value}]",nan'
    multi = workers(python)("xgboost", models / "multi", SAGEMAKER_INFERENCE_OUTPUT="predicted_label,labels,raw_score")
    rows = multi.text(csv(told["probe"])).splitlines()
    assert rows == [f'{row.index(max(row))},"[0, 1, 2]",{max(row)}' for row in told["multi"]]
    linear = workers(python)("xgboost", models / "linear", SAGEMAKER_INFERENCE_OUTPUT="predicted_score")
    assert numbers(linear.text(csv(told["probe"]))) == pytest.approx(told["linear"])


def test_batch_transform_asks_for_a_line_each(workers, python, models, told):
    worker = workers(python)("xgboost", models / "json", SAGEMAKER_BATCH="true")
    text = worker.text(csv(told["probe"]))
    assert text.endswith("\n")
    assert [float(line) for line in text.splitlines()] == told["binary"]


def test_script_mode_defaults(script, told):
    for body, content_type in (
        (csv(told["probe"]), "text/csv"),
        (libsvm(told["probe"]), "text/libsvm"),
        (recordio(told["probe"]), "application/x-recordio-protobuf"),
    ):
        assert json.loads(script.text(body, content_type)) == pytest.approx(told["binary"], rel=1e-6)
    lines = script.text(csv(told["probe"]), accept="text/csv").split()
    assert [float(line) for line in lines] == pytest.approx(told["binary"])
    assert script.ask("x", "image/png").status == 415
    assert script.ask("1,2,3,4", accept="image/png").status == 406


def test_a_users_predict_function_gets_a_dmatrix(workers, python, models, told):
    own = SCRIPT + "def predict_fn(data, model):\n    return [type(data).__name__, data.num_row(), data.num_col()]\n"
    worker = workers(python)("xgboost", models / "json", own)
    assert json.loads(worker.text(csv(told["probe"]))) == ["DMatrix", 3, 4]


def test_a_users_input_function_goes_with_the_default_prediction(workers, python, models, told):
    own = SCRIPT + (
        "def input_fn(body, content_type):\n    import io, numpy\n"
        "    return xgboost.DMatrix(numpy.loadtxt(io.StringIO(body), delimiter=','))\n"
    )
    worker = workers(python)("xgboost", models / "json", own)
    assert json.loads(worker.text(csv(told["probe"]))) == told["binary"]


def test_a_model_of_the_scikit_learn_api(workers, python, models, told):
    worker = workers(python)("xgboost", models / "api", API)
    assert json.loads(worker.text(csv(told["probe"]))) == told["api"]


def test_a_file_that_is_no_model_says_so(workers, python, tmp_path):
    (tmp_path / "xgboost-model").write_bytes(b"nonsense")
    worker = workers(python)("xgboost", tmp_path)
    assert worker.state == transport.FAILED
    assert "xgboost-model cannot be loaded as a model" in worker.told


def test_no_file_says_so(workers, python, tmp_path):
    assert "expected xgboost-model" in workers(python)("xgboost", tmp_path).told


def test_the_prepared_call_is_in_use(python, models):
    """Otherwise every test above would pass with the slow way."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom worker.booster import Predictor\n"
        "from worker.xgboost_handlers import load_booster\n"
        "assert Predictor(*load_booster(Path('json/xgboost-model')))._prepared is not None\n"
        "assert Predictor(*load_booster(Path('linear/xgboost-model')))._prepared is None\n"
    )
    import subprocess

    import selfmaker.serving

    folder = selfmaker.serving.__path__[0]
    subprocess.run([python, "-c", program, folder], cwd=models, check=True, timeout=120)


OLD = """
import json, pathlib, pickle, numpy, xgboost
chance = numpy.random.RandomState(0)
rows = chance.rand(200, 4)
labels = (rows[:, 0] + rows[:, 1] > 1).astype(int)
held = xgboost.DMatrix(chance.rand(50, 4), chance.randint(0, 2, 50))
booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, labels), 30, evals=[(held, "v")],
                        early_stopping_rounds=3, verbose_eval=False)
for name in ("pickled", "saved"):
    pathlib.Path(name).mkdir()
pathlib.Path("pickled/xgboost-model").write_bytes(pickle.dumps(booster))
booster.save_model("saved/xgboost-model")
probe = chance.rand(3, 4).round(3)
pathlib.Path("told.json").write_text(json.dumps({
    "probe": probe.tolist(),
    "best": booster.predict(xgboost.DMatrix(probe), ntree_limit=booster.best_ntree_limit).tolist(),
}))
"""


@pytest.mark.parametrize("image", ["sagemaker-xgboost:0.90-2-cpu-py3", "sagemaker-xgboost:1.3-1"])
def test_old_releases(workers, environment_of, tmp_path, image):
    python = environment_of(image)
    told = json.loads((made_by(python, OLD, tmp_path) / "told.json").read_text())
    pickled = workers(python)("xgboost", tmp_path / "pickled")
    assert numbers(pickled.text(csv(told["probe"]))) == pytest.approx(told["best"])
    saved = workers(python)("xgboost", tmp_path / "saved", SCRIPT)
    assert len(json.loads(saved.text(csv(told["probe"])))) == 3
