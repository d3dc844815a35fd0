"""The built-in algorithm as the image runs it, on data that is made up like abalone's: a few numbers, one target."""

import json
import os
import random
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from selfmaker.runtimes.base import Environment
from selfmaker.runtimes.catalog import parse_image, runtime_for

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

IMAGE = "sagemaker-xgboost:1.7-1"
LINE = r".*\[[0-9]+\].*#011{}:([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?).*"
Rows = list[tuple[float, ...]]


@dataclass(frozen=True)
class Ended:
    code: int
    lines: list[str]
    failure: str | None
    files: list[str]

    def scores(self, metric: str) -> list[float]:
        """Of every round, by AWS's own metric definition."""
        return [
            float(match.group(1)) for match in (re.match(LINE.format(metric), line) for line in self.lines) if match
        ]

    @property
    def rounds(self) -> list[int]:
        return [int(line[1:].partition("]")[0]) for line in self.lines if "]#011" in line]


class Job:
    """A tree like /opt/ml."""

    def __init__(self, root: Path, environment: Environment) -> None:
        self.root = root
        command = runtime_for(IMAGE).algorithm(parse_image(IMAGE), environment.python)
        assert command is not None
        self.argv = [*command.argv, "--root", str(root)]
        self.variables = {"PATH": os.environ["PATH"], **command.environment}
        self.inputs: dict[str, dict[str, str]] = {}
        (root / "input" / "config").mkdir(parents=True)

    def channel(self, name: str, data: str | bytes, content_type: str | None = "text/csv", file: str = "data") -> None:
        path = self.root / "input" / "data" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        self.inputs[name] = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}
        if content_type is not None:
            self.inputs[name]["ContentType"] = content_type

    def config(self, name: str, document: Any) -> None:
        (self.root / "input" / "config" / f"{name}.json").write_text(json.dumps(document))

    def prepare(self, **hyperparameters: object) -> None:
        self.config("hyperparameters", {name: str(value) for name, value in hyperparameters.items()})
        self.config("inputdataconfig", self.inputs)

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.variables
        )

    def run(self, **hyperparameters: object) -> Ended:
        self.prepare(**hyperparameters)
        with self.start() as process:
            return self.ended(process)

    def ended(self, process: "subprocess.Popen[str]") -> Ended:
        output, _ = process.communicate()
        failure = self.root / "output" / "failure"
        model = self.root / "model"
        return Ended(
            process.returncode,
            output.splitlines(),
            failure.read_text() if failure.exists() else None,
            sorted(path.name for path in model.iterdir()) if model.exists() else [],
        )


@pytest.fixture
def job(tmp_path: Path, xgboost_environment: Environment) -> Job:
    return Job(tmp_path / "ml", xgboost_environment)


def rows(count: int, target: Callable[[list[float]], float], seed: int = 0) -> Rows:
    draw = random.Random(seed)
    features = [[draw.random() for _ in range(5)] for _ in range(count)]
    return [(target(row), *row) for row in features]


def rings(row: list[float]) -> float:
    return 10 * row[0] + 5 * row[1] * row[2]


def sex(row: list[float]) -> float:
    return float(row[0] + row[1] > 1)


def size(row: list[float]) -> float:
    return float(int(row[0] * 3))


def csv(data: Rows) -> str:
    return "".join(",".join(f"{value:.6f}" for value in row) + "\n" for row in data)


def libsvm(data: Rows) -> str:
    return "".join(f"{row[0]:g} " + " ".join(f"{i}:{v:.6f}" for i, v in enumerate(row[1:])) + "\n" for row in data)


LOADED = """
import numpy, xgboost
booster = xgboost.Booster()
booster.load_model(sys.argv[1])
rows = numpy.array(json.loads(sys.argv[2]))
result = [numpy.asarray(booster.predict(xgboost.DMatrix(rows[:, 1:]))).tolist(), booster.num_boosted_rounds()]
"""


def predictions(in_xgboost: Callable[..., Any], job: Job, data: Rows, name: str = "xgboost-model") -> tuple[Any, int]:
    values, rounds = in_xgboost(LOADED, job.root / "model" / name, json.dumps(data))
    return values, rounds


def test_regression_on_csv_in_several_files(job: Job, in_xgboost: Callable[..., Any]) -> None:
    data = rows(600, rings)
    job.channel("train", csv(data[:200]), file="part-0.csv")
    job.channel("train", csv(data[200:400]), file="more/part-1.csv")
    job.channel("validation", csv(data[400:]))
    ended = job.run(objective="reg:linear", num_round=20, eta=0.3, eval_metric="rmse,mae,r2", sagemaker_region="x")
    assert (ended.code, ended.failure, ended.files) == (0, None, ["xgboost-model"])
    assert ended.rounds == list(range(20))
    for metric in ("train-rmse", "train-mae", "train-r2", "validation-rmse", "validation-mae", "validation-r2"):
        assert len(ended.scores(metric)) == 20
    assert ended.scores("validation-rmse")[-1] < 1 < ended.scores("validation-rmse")[0]
    values, rounds = predictions(in_xgboost, job, data[400:])
    assert rounds == 20
    error = sum((value - row[0]) ** 2 for value, row in zip(values, data[400:], strict=True)) / 200
    assert error**0.5 == pytest.approx(ended.scores("validation-rmse")[-1], abs=1e-3)


def test_two_classes_stop_early_and_keep_the_best_round(job: Job, in_xgboost: Callable[..., Any]) -> None:
    data = rows(600, sex)
    job.channel("train", csv(data[:400]))
    job.channel("validation", csv(data[400:]))
    ended = job.run(
        objective="binary:logistic", num_round=500, eta=0.9, early_stopping_rounds=4, eval_metric="auc,accuracy,logloss"
    )
    assert (ended.code, ended.failure) == (0, None)
    losses = ended.scores("validation-logloss")
    best = losses.index(min(losses))
    assert len(losses) == best + 5 < 500
    assert ended.scores("validation-auc")[best] > 0.95
    values, rounds = predictions(in_xgboost, job, data[400:])
    assert rounds == best + 1
    right = sum((value > 0.5) == bool(row[0]) for value, row in zip(values, data[400:], strict=True)) / 200
    assert right == pytest.approx(ended.scores("validation-accuracy")[best], abs=1e-4)


def test_three_classes_on_parquet(job: Job, in_xgboost: Callable[..., Any], tmp_path: Path) -> None:
    data = rows(600, size)
    code = "import numpy, pandas\nfor p, r in json.loads(sys.argv[1]).items():\n"
    code += "    f = pandas.DataFrame(numpy.array(r)); f.columns = [str(c) for c in f]; f.to_parquet(p)\nresult = 0"
    paths = {"train": tmp_path / "train.parquet", "validation": tmp_path / "validation.parquet"}
    in_xgboost(code, json.dumps({str(paths["train"]): data[:400], str(paths["validation"]): data[400:]}))
    for name, path in paths.items():
        job.channel(name, path.read_bytes(), "application/x-parquet")
    ended = job.run(objective="multi:softprob", num_class=3, num_round=10, _tuning_objective_metric="validation:f1")
    assert (ended.code, ended.failure) == (0, None)
    assert ended.scores("validation-f1")[-1] > 0.95
    assert len(ended.scores("validation-mlogloss")) == 10
    values, _ = predictions(in_xgboost, job, data[400:])
    right = sum(row.index(max(row)) == truth[0] for row, truth in zip(values, data[400:], strict=True)) / 200
    assert right > 0.95


def test_libsvm_is_the_default_and_no_validation_is_needed(job: Job, in_xgboost: Callable[..., Any]) -> None:
    data = rows(300, rings)
    job.channel("train", libsvm(data), content_type=None)
    ended = job.run(num_round=5)
    assert (ended.code, ended.failure) == (0, None)
    assert len(ended.scores("train-rmse")) == 5
    assert ended.scores("validation-rmse") == []
    assert len(predictions(in_xgboost, job, data)[0]) == 300


def test_models_of_other_kinds(job: Job) -> None:
    job.channel("train", libsvm(rows(200, rings)), "text/libsvm")
    job.channel("validation", libsvm([row[:4] for row in rows(50, rings, seed=1)]), "text/libsvm")  # narrower
    assert job.run(num_round=3, booster="gblinear", early_stopping_rounds=1).failure is None
    assert job.run(num_round=3, booster="dart", rate_drop=0.1, seed=7).failure is None
    constrained = {"tree_method": "hist", "monotone_constraints": "(1,0,0,0,0)", "interaction_constraints": "[[0,1]]"}
    assert job.run(num_round=3, **constrained).failure is None


def test_ranking_by_queries(job: Job) -> None:
    data = rows(60, size)
    lines = [f"{row[0]:g} qid:{number // 6} 0:{row[1]} 1:{row[2]}" for number, row in enumerate(data)]
    job.channel("train", "\n".join(lines), "text/libsvm")
    ended = job.run(num_round=5, objective="rank:pairwise", eval_metric="ndcg,map")
    assert (ended.failure, len(ended.scores("train-ndcg"))) == (None, 5)
    assert ended.scores("train-ndcg")[-1] > 0.9


def test_weights_in_the_second_column(job: Job) -> None:
    job.channel("train", "0,1000,1\n10,1,1\n" * 20)
    ended = job.run(num_round=30, csv_weights=1, eta=1, base_score=0, **{"lambda": 0})
    assert ended.failure is None
    job.channel("train", "0,1,1\n10,1,1\n" * 20)
    even = job.run(num_round=30, csv_weights=1, eta=1, base_score=0, **{"lambda": 0})
    assert ended.scores("train-rmse")[-1] < 1 < even.scores("train-rmse")[-1]


@pytest.mark.parametrize(
    ("data", "hyperparameters", "reason"),
    [
        ("1,2\n0,x\n", {"num_round": 2}, "CustomerError: File 'data', line 2: 'x' is not a number."),
        ("1,2\n", {"num_round": 2, "eta": 7}, "CustomerError: Hyperparameter eta: 7.0 is not in [0, 1]"),
        ("1,2\n", {}, "CustomerError: Missing required hyperparameter: num_round"),
        ("", {"num_round": 2}, "CustomerError: No data in training channel path"),
        ("5,2\n6,3\n", {"num_round": 2, "objective": "binary:logistic"}, "label must be in [0,1]"),
        (
            "5,2\n6,3\n",
            {"num_round": 2, "objective": "multi:softmax", "num_class": 2},
            "label must be in [0, num_class)",
        ),
    ],
)
def test_what_is_the_customers_doing_is_said_so(
    job: Job, data: str, hyperparameters: dict[str, Any], reason: str
) -> None:
    job.channel("train", data)
    ended = job.run(**hyperparameters)
    assert ended.code == 1
    assert ended.failure is not None and ended.failure.startswith("CustomerError") and reason in ended.failure
    assert not any("Traceback" in line for line in ended.lines)
    assert ended.files == []


def test_channels_that_are_missing_unknown_or_of_a_wrong_type(job: Job) -> None:
    assert job.run(num_round=2).failure == "CustomerError: Missing required channel: train"
    job.channel("train", "1,2\n")
    job.channel("test", "1,2\n")
    assert "Extraneous channel found: test" in str(job.run(num_round=2).failure)
    del job.inputs["test"]
    job.channel("train", "1,2\n", "application/json")
    assert "application/json is not an accepted ContentType" in str(job.run(num_round=2).failure)
    job.channel("train", "1 1:2\n", "text/libsvm")
    job.inputs["train"]["TrainingInputMode"] = "Pipe"
    assert "Pipe mode not supported for LibSVM." in str(job.run(num_round=2).failure)
    job.channel("train", "1,2\n")
    job.inputs["train"]["TrainingInputMode"] = "FastFile"
    job.config("resourceconfig", {"hosts": ["algo-1", "algo-2"]})
    assert "_kfold" in str(job.run(num_round=2, _kfold=2).failure)


def test_checkpoints_are_left_and_gone_on_from(job: Job, in_xgboost: Callable[..., Any]) -> None:
    data = rows(200, rings)
    job.channel("train", csv(data))
    job.config("checkpointconfig", {"LocalPath": "/opt/ml/checkpoints"})
    first = job.run(num_round=8)
    assert first.rounds == list(range(8))
    kept = sorted(path.name for path in (job.root / "checkpoints").iterdir())
    assert "xgboost-checkpoint.7" in kept and len(kept) <= 5
    (job.root / "checkpoints" / "xgboost-checkpoint.9").write_text("half of one")
    second = job.run(num_round=12)
    assert second.rounds == [8, 9, 10, 11]
    assert second.scores("train-rmse")[0] < first.scores("train-rmse")[-1]
    assert predictions(in_xgboost, job, data)[1] == 12


def test_without_a_checkpoint_configuration_there_are_none(job: Job) -> None:
    (job.root / "checkpoints").mkdir()
    job.channel("train", csv(rows(50, rings)))
    assert job.run(num_round=2).failure is None
    assert list((job.root / "checkpoints").iterdir()) == []


def test_a_model_is_saved_on_termination(job: Job, in_xgboost: Callable[..., Any]) -> None:
    data = rows(200, rings)
    job.channel("train", csv(data))
    job.prepare(num_round=10_000_000, save_model_on_termination="true")
    with job.start() as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("[3]"):
                break
        process.send_signal(signal.SIGTERM)
        ended = job.ended(process)
    assert (ended.code, ended.failure, ended.files) == (0, None, ["xgboost-model"])
    assert predictions(in_xgboost, job, data)[1] >= 4


def test_cross_validation_leaves_a_model_a_fold_and_a_prediction_a_row(job: Job) -> None:
    data = rows(200, sex)
    job.channel("train", csv(data[:150]))
    job.channel("validation", csv(data[150:]))
    ended = job.run(num_round=6, objective="binary:logistic", _kfold=4, _num_cv_round=2, eval_metric="error", seed=1)
    assert (ended.code, ended.failure) == (0, None)
    assert ended.files == [f"xgboost-model-{number}" for number in range(8)]
    table = (job.root / "output" / "data" / "predictions.csv").read_text().splitlines()
    cells = [[float(cell) for cell in line.split(",")] for line in table]
    assert [cell[0] for cell in cells] == [row[0] for row in data]
    assert sum(cell[0] == cell[2] for cell in cells) > 150
    assert ended.rounds[-1] == 6


def test_old_images_pickle(job: Job, in_xgboost: Callable[..., Any]) -> None:
    data = rows(50, rings)
    job.channel("train", csv(data))
    job.argv = ["pickle" if argument == "xgboost" else argument for argument in job.argv]
    assert job.run(num_round=3).files == ["xgboost-model"]
    code = "import pickle, xgboost\nresult = type(pickle.load(open(sys.argv[1], 'rb'))).__name__"
    assert in_xgboost(code, job.root / "model" / "xgboost-model") == "Booster"
