"""Run in the environment of the XGBoost image, which has what the readers need."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

In = Callable[..., Any]

READ = """
import numpy
from sagemaker_algorithm_toolkit.exceptions import UserError
from sagemaker_xgboost_container.data_utils import get_table

def shown(table):
    features = table.features if table.sparse is False else table.features.toarray()
    parts = [features, table.labels, table.weights, table.queries]
    return [None if part is None else numpy.where(numpy.isnan(part), -1, part).tolist() for part in parts]

def read(path, kind, weights=0):
    try:
        table = get_table(path, kind, weights)
    except UserError as error:
        return str(error)
    return None if table is None else shown(table)
"""


def test_csv(in_xgboost: In, tmp_path: Path) -> None:
    files = {
        "plain/a.csv": "1,2.5,3\n0,4,\n",
        "several/a.csv": "1,2\n",
        "several/deep/b.csv": "0,3\r\n\r\n1,4\r\n",
        "several/_SUCCESS": "",
        "several/.hidden": "x",
        "tabs/a.csv": "1\t2\t3\n",
        "semicolons/a.csv": "1;2;3\n",
        "quoted/a.csv": '"1","2"\n',
        "weighted/a.csv": "1,0.5,7\n0,2,8\n",
        "bom/a.csv": "\ufeff1,2\n",
        "empty/a.csv": "",
        "header/a.csv": "label,x\n1,2\n",
        "text/a.csv": "1,2\n0,red\n",
        "short/a.csv": "1,2,3\n0,4\n",
        "long/a.csv": "1,2\n0,4,5\n",
        "unlabelled/a.csv": "1,2\n,4\n",
        "single/a.csv": "1\n0\n",
        "mixed/a.csv": "1,2\n",
        "mixed/b.csv": "1,2,3\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    code = READ + (
        "import os\nroot = sys.argv[1]\n"
        "result = {name: read(os.path.join(root, name), 'csv', int(name == 'weighted')) for name in os.listdir(root)}"
    )
    found = in_xgboost(code, tmp_path)
    assert found["plain"] == [[[2.5, 3], [4, -1]], [1, 0], None, None]
    assert found["several"] == [[[2], [3], [4]], [1, 0, 1], None, None]
    assert found["tabs"] == found["semicolons"] == [[[2, 3]], [1], None, None]
    assert found["quoted"] == found["bom"] == [[[2]], [1], None, None]
    assert found["weighted"] == [[[7], [8]], [1, 0], [0.5, 2], None]
    assert found["empty"] is None
    assert "a.csv" in found["header"] and "header" in found["header"]
    assert found["text"] == "File 'a.csv', line 2: 'red' is not a number."
    assert found["short"] == "File 'a.csv', line 2 has 2 columns, the first line has 3."
    assert found["long"] == "File 'a.csv', line 2 has 3 columns, the first line has 2."
    assert "line 2 has no label" in found["unlabelled"]
    assert "Could not determine delimiter" in found["single"]
    assert "'b.csv' has 2 feature columns, but 'a.csv' has 1" in found["mixed"]


def test_libsvm(in_xgboost: In, tmp_path: Path) -> None:
    files = {
        "plain": "1 0:2.5 2:3\n0 1:-4e0\n",
        "gaps": "\n1 1:2\r\n\r\n0\n-1 1:3 \n",
        "comments": "1 1:2 # why\n# all of it\n0 1:3\n",
        "weights": "1:0.5 1:2\n0:2 1:3\n",
        "queries": "1 qid:1 1:2\n0 qid:1 1:3\n1 qid:7 1:4\n",
        "csv": "1,2,3\n",
        "third line": "1 1:2\n0 1:3\n1 1:x\n",
        "no colon": "1 2:3 4\n0 1:2\n",
        "two colons": "1 2:3:4 5\n",
        "negative": "1 -2:3\n",
        "some weights": "1:0.5 1:2\n0 1:3\n",
        "half a pair": "1 2:\n1 3:4 5\n",
        "leading blank": " 1 0:2\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, newline="")
    code = READ + (
        "import os\nroot = sys.argv[1]\n"
        "result = {name: read(os.path.join(root, name), 'text/libsvm') for name in os.listdir(root)}\n"
        "lines = ''.join('%d 0:%d 3:%s\\n' % (i % 2, i, i / 7) for i in range(5000))\n"
        "open(os.path.join(root, 'big'), 'w').write(lines)\n"
        "big = get_table(os.path.join(root, 'big'), 'libsvm')\n"
        "result['sum'] = [float(big.features[:, 0].sum()), int(big.labels.sum()), list(big.features.shape)]\n"
        "open(os.path.join(root, 'big'), 'a').write('NA 0:1\\n')\n"
        "result['bad'] = read(os.path.join(root, 'big'), 'libsvm')"
    )
    found = in_xgboost(code, tmp_path)
    assert found["plain"] == [[[2.5, 0, 3], [0, -4, 0]], [1, 0], None, None]
    assert found["gaps"] == [[[0, 2], [0, 0], [0, 3]], [1, 0, -1], None, None]
    assert found["comments"] == [[[0, 2], [0, 3]], [1, 0], None, None]
    assert found["weights"] == [[[0, 2], [0, 3]], [1, 0], [0.5, 2], None]
    assert found["queries"] == [[[0, 2], [0, 3], [0, 4]], [1, 0, 1], None, [1, 1, 7]]
    assert found["leading blank"] == [[[2]], [1], None, None]
    assert found["csv"].startswith("First line '1,2,3...' of file 'csv' is not 'LIBSVM' format.")
    assert "text/csv" in found["csv"]
    assert found["third line"].startswith("Line 3 '1 1:x...'")
    for name in ("no colon", "two colons", "negative", "half a pair"):
        assert found[name].startswith("First line"), found[name]
    assert "an instance weight" in found["some weights"]
    assert found["bad"].startswith("Line 5001 'NA 0:1...'")
    assert found["sum"] == [sum(range(5000)), 2500, [5000, 4]]


def test_parquet(in_xgboost: In, tmp_path: Path) -> None:
    code = (
        READ
        + """
import os
import pandas
root = sys.argv[1]
def write(name, **columns):
    path = os.path.join(root, name)
    pandas.DataFrame(columns).to_parquet(path, index=False)
    return read(path, "application/x-parquet")
result = {
    "numbers": write("a", label=[1, 0], x=[0.5, None], y=[True, False], z=[3, 4]),
    "text": write("b", label=[1, 0], colour=["red", "blue"]),
    "single": write("c", label=[1, 0]),
}
open(os.path.join(root, "d"), "w").write("1,2,3")
result["csv"] = read(os.path.join(root, "d"), "parquet")
"""
    )
    found = in_xgboost(code, tmp_path)
    assert found["numbers"] == [[[0.5, 1, 3], [-1, 0, 4]], [1, 0], None, None]
    assert found["text"] == "File 'b': column 'colour' (string) is not numeric."
    assert "1 column" in found["single"]
    assert "file 'd'" in found["csv"]


def varint(number: int) -> bytes:
    encoded = b""
    while number > 0x7F:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


def member(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(values: list[float], keys: list[int] | None = None, shape: int | None = None) -> bytes:
    body = member(1, struct.pack(f"<{len(values)}f", *values))
    body += b"" if keys is None else member(2, b"".join(map(varint, keys)))
    return member(2, body + (b"" if shape is None else member(3, varint(shape))))


def record(label: float | None, value: bytes) -> bytes:
    body = member(1, member(1, b"values") + member(2, value))
    if label is not None:
        body += member(2, member(1, b"values") + member(2, tensor([label])))
    return struct.pack("<II", 0xCED7230A, len(body)) + body + b"\0" * (-len(body) % 4)


def test_recordio_protobuf(in_xgboost: In, tmp_path: Path) -> None:
    files = {
        "dense": record(1, tensor([2, 3])) + record(0, tensor([4, 5])),
        "sparse": record(1, tensor([2], [300], 301)) + record(0, tensor([], [], 301)),
        "unlabelled": record(None, tensor([2, 3])),
        "short": record(1, tensor([2, 3]))[:-5],
        "csv": b"1,2,3\n0,4,5\n",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    code = READ + (
        "import os\nroot = sys.argv[1]\nkind = 'application/x-recordio-protobuf'\n"
        "result = {name: read(os.path.join(root, name), kind) for name in os.listdir(root)}"
    )
    found = in_xgboost(code, tmp_path)
    assert found["dense"] == [[[2, 3], [4, 5]], [1, 0], None, None]
    assert found["sparse"] == [[[0] * 300 + [2], [0] * 301], [1, 0], None, None]
    assert "without labels" in found["unlabelled"]
    assert "record 1 is cut short" in found["short"]
    assert "magic number" in found["csv"]


def test_what_users_scripts_call(in_xgboost: In, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2,3\n0,4,5\n")
    code = """
from sagemaker_algorithm_toolkit.exceptions import UserError
from sagemaker_xgboost_container import data_utils, encoder
path = sys.argv[1]
matrix = data_utils.get_dmatrix(path, "csv")
def kind(text):
    try:
        return data_utils.get_content_type(text)
    except UserError as error:
        return str(error)
result = {
    "matrix": [matrix.num_row(), matrix.num_col(), matrix.get_label().tolist()],
    "nothing": data_utils.get_dmatrix("/nonexistent", "libsvm"),
    "size": data_utils.get_size(path),
    "kinds": [kind(t) for t in (None, "text/csv; charset=utf8", "text/csv;label_size=1", "text/x-libsvm", "CSV")],
    "wrong": [kind("text/html"), kind("text/csv; label_size=2")],
    "encoded": [encoder.decode(body, kind).num_col() for body, kind in
                ((b"1,,3\\n4,5,6", "text/csv"), ("0 1:2 4:1", "text/libsvm"))],
    "lines": encoder.json_to_jsonlines({"predictions": [{"score": 1}, {"score": 2}]}).decode(),
}
"""
    found = in_xgboost(code, tmp_path)
    assert found["matrix"] == [2, 2, [1, 0]]
    assert found["nothing"] is None
    assert found["size"] == 12
    assert found["kinds"] == ["libsvm", "csv", "csv", "libsvm", "csv"]
    assert "text/html is not an accepted ContentType" in found["wrong"][0]
    assert "label_size must be equal to 1" in found["wrong"][1]
    assert found["encoded"] == [3, 5]
    assert found["lines"] == '{"score": 1}\n{"score": 2}\n'


def test_metrics_are_scikit_learns(in_xgboost: In) -> None:
    code = """
import numpy
from sklearn import metrics as theirs
from sagemaker_xgboost_container.metrics.custom_metrics import evaluate
random = numpy.random.RandomState(0)
result = []
def close(name, labels, margins, values, expected):
    (_, got), = evaluate([name], labels, margins, values)
    result.append([name, bool(abs(got - expected) < 1e-9), got, expected])
labels, margins = random.randint(0, 2, 200).astype(float), random.randn(200)
guess = (margins > 0).astype(int)
for name, function in (("accuracy", theirs.accuracy_score), ("balanced_accuracy", theirs.balanced_accuracy_score),
                       ("precision", theirs.precision_score), ("recall", theirs.recall_score),
                       ("f1_binary", theirs.f1_score)):
    close(name, labels, margins, margins, function(labels, guess))
labels, margins = random.randint(0, 4, 200).astype(float), random.randn(200, 5)
margins[:, 3] = -9  # a class that is never predicted
guess = margins.argmax(axis=1)
for name, function in (("precision", theirs.precision_score), ("recall", theirs.recall_score), ("f1", theirs.f1_score)):
    for average in ("macro", "micro"):
        if name != "f1" or average == "macro":
            close(name + "_" + average, labels, margins, margins,
                  function(labels, guess, average=average, zero_division=0))
close("f1", labels, margins, margins, theirs.f1_score(labels, guess, average="macro"))
close("balanced_accuracy", labels, margins, margins, theirs.balanced_accuracy_score(labels, guess))
values = labels + random.randn(200)
close("mse", labels, values, values, theirs.mean_squared_error(labels, values))
close("r2", labels, values, values, theirs.r2_score(labels, values))
"""
    assert [row for row in in_xgboost(code) if not row[1]] == []
