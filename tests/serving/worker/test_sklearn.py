"""scikit-learn in its own environment: default handlers beside what the library itself gives."""

import io
import json
import struct

import pytest
from tests.serving.worker.conftest import made_by

pytestmark = pytest.mark.frameworks

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
TRAIN = """
import joblib, json, numpy
from sklearn.linear_model import LinearRegression, LogisticRegression
rows = numpy.random.RandomState(0).rand(50, 3)
joblib.dump(LinearRegression().fit(rows, rows @ [1, 2, 3]), "linear.joblib")
joblib.dump(LogisticRegression().fit(rows, numpy.where(rows[:, 0] > .5, "high", "low")), "labels.joblib")
joblib.dump(LinearRegression().fit(rows[:, :1], rows[:, 0] * 2), "single.joblib")
"""
LOAD = "import joblib, os\ndef model_fn(d): return joblib.load(os.path.join(d, '{}.joblib'))\n"
INPUT = """
def predict_fn(data, model):
    return [str(data.dtype), list(data.shape), data.tolist()]
def output_fn(prediction, accept):
    import json
    return json.dumps(prediction)
"""


@pytest.fixture(scope="module")
def python(environment_of):
    return environment_of(IMAGE)


@pytest.fixture(scope="module")
def models(python, tmp_path_factory):
    return made_by(python, TRAIN, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def linear(workers, python, models):
    return workers(python)("sklearn", models, LOAD.format("linear"))


@pytest.fixture(scope="module")
def seen(workers, python, models):
    """A worker that answers with what the default input function made of a request."""
    return workers(python)("sklearn", models, LOAD.format("linear") + INPUT)


def npy(rows):
    """Rows of doubles in NumPy's file format, written by hand."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    flat = [value for row in rows for value in row]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(f"<{len(flat)}d", *flat)


def flat(values):
    return [number for row in values for number in row]


def close(values, expected):
    assert values == pytest.approx(expected, abs=1e-4)


def test_csv_in_and_out(linear):
    body = "0.1,0.2,0.3\n0.5,0.5,0.5\n"
    close([float(line) for line in linear.text(body, "text/csv", "text/csv").split()], [1.4, 3.0])
    close(json.loads(linear.text(body, "text/csv", "application/json")), [1.4, 3.0])
    close([json.loads(line) for line in linear.text(body, "text/csv", "application/jsonlines").split()], [1.4, 3.0])


def test_one_row_is_predicted(linear):
    for body, content_type in (
        ("0.1,0.2,0.3", "text/csv"),
        ("[0.1, 0.2, 0.3]", "application/json"),
        ("[[0.1, 0.2, 0.3]]", "application/json"),
        ("[0.1, 0.2, 0.3]\n", "application/jsonlines"),
        (npy([[0.1, 0.2, 0.3]]), "application/x-npy"),
    ):
        close(json.loads(linear.text(body, content_type)), [1.4])


def test_several_values_for_a_model_of_one_feature_are_rows(workers, python, models):
    worker = workers(python)("sklearn", models, LOAD.format("single"))
    close(json.loads(worker.text("1\n2\n3\n", "text/csv")), [2, 4, 6])


@pytest.mark.parametrize(("body", "sums"), [("1\n2\n", [1, 2]), ("1,2\n", [3]), ("1,2\n3,4\n", [3, 7]), ("7", [7])])
def test_rows_are_rows_for_a_model_that_tells_no_number_of_features(workers, python, models, body, sums):
    script = "class Sums:\n    def predict(self, rows): return rows.sum(axis=1)\ndef model_fn(d): return Sums()\n"
    close(json.loads(workers(python)("sklearn", models, script).text(body, "text/csv")), sums)


def test_npy_comes_back_as_npy(linear):
    answer = linear.ask(npy([[1, 1, 1], [0, 0, 1]]), "application/x-npy", "application/x-npy")
    assert answer.content_type == "application/x-npy"
    assert answer.body.startswith(b"\x93NUMPY")
    close(struct.unpack("<2d", answer.body[-16:]), [6, 3])


def test_the_first_known_type_of_several_is_taken(linear):
    answer = linear.ask("1,1,1", "text/csv", "image/png, text/csv;q=0.5, application/json")
    assert (answer.content_type, answer.status) == ("text/csv", 200)
    close(float(answer.body), 6)


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_labels_that_are_text(workers, python, models, accept):
    worker = workers(python)("sklearn", models, LOAD.format("labels"))
    text = worker.text("0.9,0,0\n0.1,0,0\n", "text/csv", accept)
    assert (json.loads(text) if accept.endswith("json") else text.split()) == ["high", "low"]


def test_unsupported_types_are_415_and_406(linear):
    assert linear.ask("x", "image/png").status == 415
    refused = linear.ask("1,1,1", "text/csv", "image/png")
    assert refused.status == 406
    assert b"image/png" in refused.body


@pytest.mark.parametrize(
    ("body", "content_type"),
    [("a,b,c", "text/csv"), ("1,2\n3", "text/csv"), ("{", "application/json"), ("1,2", "text/csv"), ("", "text/csv")],
)
def test_what_cannot_be_read_or_predicted_is_one_failed_request(linear, body, content_type):
    assert linear.ask(body, content_type).status == 500
    assert linear.ask("1,1,1").status == 200


@pytest.mark.parametrize(
    ("body", "shape", "values"),
    [
        ("1,2,3", [3], [1, 2, 3]),
        ("1,2,3\n", [3], [1, 2, 3]),
        ("1,2\n3,4", [2, 2], [[1, 2], [3, 4]]),
        ("1,2\r\n3,4\r\n", [2, 2], [[1, 2], [3, 4]]),
        ("1\n2\n", [2], [1, 2]),
        ('"1","2"\n3,4', [2, 2], [[1, 2], [3, 4]]),
        ("+1,.5\n01,2.", [2, 2], [[1, 0.5], [1, 2]]),
        ("1e3,-2E-1\n 3, 4", [2, 2], [[1000, -0.2], [3, 4]]),
        ("nan,1\ninf,2", [2, 2], None),
        ("7", [], 7),
    ],
)
def test_the_default_input_function_gives_what_the_container_gives(seen, body, shape, values):
    """float32, and squeezed: one row, or one column, has one dimension."""
    kind, found_shape, found = json.loads(seen.text(body, "text/csv"))
    assert (kind, found_shape) == ("float32", shape)
    if values is not None:
        assert [found] == [values] or flat(found) == pytest.approx(flat(values))


def test_json_is_float32_too_and_npy_is_as_it_comes(seen):
    assert json.loads(seen.text("[[1, 2]]", "application/json"))[:2] == ["float32", [1, 2]]
    assert json.loads(seen.text(npy([[1, 2]]), "application/x-npy"))[:2] == ["float64", [1, 2]]


def test_a_sparse_matrix_is_read(workers, python, models, tmp_path):
    script = LOAD.format("linear") + "def predict_fn(data, model): return data.toarray() @ [1, 2, 3]\n"
    worker = workers(python)("sklearn", models, script)
    made_by(python, "import scipy.sparse as s; s.save_npz('m.npz', s.csr_matrix([[0, 0, 2.0]]))", tmp_path)
    assert json.loads(worker.text((tmp_path / "m.npz").read_bytes(), "application/x-npz")) == [6]


def test_float32_results_print_with_their_own_digits(workers, python, models):
    script = "import numpy\ndef model_fn(d): pass\ndef predict_fn(d, m): return numpy.float32([[0.1, 2], [1, 1.5]])\n"
    worker = workers(python)("sklearn", models, script)
    assert worker.text("1", "text/csv", "text/csv") == "0.1,2.0\n1.0,1.5\n"


def test_without_a_script_there_is_no_model(workers, python, models):
    assert "model_fn" in workers(python)("sklearn", models).told


def test_many_rows_are_read_alike_however_they_are_written(seen):
    plain = "\n".join(f"{n},{n / 7}" for n in range(500))
    quoted = "\n".join(f'"{n}",{n / 7}' for n in range(500))
    assert seen.text(plain) == seen.text(quoted)


def test_a_response_of_the_containers_own_class(workers, python, models):
    script = (
        "from sagemaker_containers.beta.framework import encoders, worker\ndef model_fn(d): return 1\n"
        "def predict_fn(data, model): return data\n"
        "def output_fn(p, accept): return worker.Response(encoders.encode(p, accept), accept, mimetype=accept)\n"
    )
    answer = workers(python)("sklearn", models, script).ask("1,2", "text/csv", "text/csv")
    assert (answer.status, answer.content_type) == (200, "text/csv")
    assert [float(line) for line in io.StringIO(answer.body.decode())] == [1, 2]


def test_a_model_whose_parameters_cannot_be_read_is_served_one_request_at_a_time(workers, python, models):
    """As one pickled by another release of scikit-learn, which had other parameters."""
    load = LOAD.format("labels").replace("model_fn", "load")
    worker = workers(python)("sklearn", models, f"{load}def model_fn(d):\n  m = load(d)\n  del m.C\n  return m\n")
    assert worker.text("0.9,0.5,0.5\n0.1,0.5,0.5", accept="application/json") == '["high", "low"]'


def test_a_program_that_is_not_there_fails_the_worker(workers, python, models, tmp_path):
    worker = workers(python)("sklearn", models, code=tmp_path)
    assert worker.told == "FileNotFoundError: SAGEMAKER_PROGRAM is inference.py, but the submitted code holds: nothing"


def test_an_archive_that_was_packed_with_a_folder_too_much_is_told(workers, python, models, tmp_path):
    (tmp_path / "model" / "mine").mkdir(parents=True)
    worker = workers(python)("sklearn", models, code=tmp_path / "model" / "code")
    assert worker.told.endswith(f"it is looked for in {tmp_path}/model/code, and {tmp_path}/model holds: mine/")
