"""XGBoost on several hosts, each of them a process of its own: by a script, and by the built-in algorithm."""

import json
import os
import random
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfmaker.runtimes.base import Environment
from selfmaker.runtimes.catalog import parse_image, runtime_for

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
Start = Callable[..., "subprocess.Popen[str]"]

SCRIPT = """
import json, sys
import numpy, xgboost
from sagemaker_xgboost_container import distributed

def fit(rows, is_master):
    labels = numpy.full(rows, 0.0 if is_master else 1.0)
    matrix = xgboost.DMatrix(numpy.ones((rows, 2)), label=labels)
    booster = xgboost.train({"base_score": 0.1, "lambda": 0, "eta": 1}, matrix, 3, verbose_eval=False)
    predicted = round(float(booster.predict(matrix)[0]), 3)
    print("told", json.dumps([is_master, predicted, distributed.average([1.0 if is_master else 2.0])]))

hosts, own, has_data = sys.argv[1].split(","), sys.argv[2], sys.argv[3] == "data"
distributed.rabit_run(exec_fun=fit, args={"rows": 40}, include_in_training=has_data, hosts=hosts, current_host=own,
                      update_rabit_args=True)
print("after")
"""


@pytest.fixture
def start() -> Start:
    """``start(*argv, **variables)``: a process that is one host; all of them know the same free port."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        port = listener.getsockname()[1]

    def run(*argv: str, **variables: str) -> "subprocess.Popen[str]":
        own = {"PATH": os.environ["PATH"], "MASTER_PORT": str(port), **variables}
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=own)

    return run


def outputs(processes: list["subprocess.Popen[str]"]) -> list[tuple[int, str]]:
    found = []
    for process in processes:
        text = process.communicate(timeout=300)[0]
        found.append((process.returncode, text))
    return found


def test_hosts_with_data_train_one_model(start: Start, xgboost_environment: Environment) -> None:
    python = str(xgboost_environment.python)
    kinds = ("none", "data", "data")
    parts = [start(python, "-c", SCRIPT, ",".join(HOSTS), host, kind) for host, kind in zip(HOSTS, kinds, strict=True)]
    idle, *trained = outputs(parts)
    assert idle[0] == 0
    assert "takes no part" in idle[1]
    assert "after" not in idle[1]
    for number, (code, text) in enumerate(trained):
        assert code == 0, text
        told = next(line for line in text.splitlines() if line.startswith("told "))
        assert json.loads(told[5:]) == [number == 0, 0.5, [1.5]]
        assert text.endswith("after\n")


def test_no_data_at_all_is_told(start: Start, xgboost_environment: Environment) -> None:
    python = str(xgboost_environment.python)
    for code, text in outputs([start(python, "-c", SCRIPT, ",".join(HOSTS), host, "none") for host in HOSTS]):
        assert code == 1
        assert "No hosts received training data." in text


def test_a_release_without_tracker_says_which_has_one(start: Start, xgboost_environment: Environment) -> None:
    hidden = f"import sys, xgboost; sys.modules['xgboost.tracker'] = None{SCRIPT}"
    python = str(xgboost_environment.python)
    code, text = outputs([start(python, "-c", hidden, ",".join(HOSTS[:2]), host, "data") for host in HOSTS[:2]])[0]
    assert code == 1
    assert "its package has no tracker" in text


def test_the_built_in_algorithm_on_shards(start: Start, xgboost_environment: Environment, tmp_path: Path) -> None:
    processes, image = [], "sagemaker-xgboost:1.7-1"
    command = runtime_for(image).algorithm(parse_image(image), xgboost_environment.python)
    assert command is not None
    for number, host in enumerate(HOSTS[:2]):
        root = tmp_path / host
        _lay_out(root, host, half=number)
        processes.append(start(*command.argv, "--root", str(root), **command.environment))
    (first, text), (second, other) = outputs(processes)
    assert (first, second) == (0, 0), text + other
    assert "Distributed node training" in text
    assert "#011" not in other
    scores = [float(score) for score in re.findall(r"#011train-rmse:([0-9.]+)", text)]
    assert len(scores) == 8
    assert scores[-1] < 0.2  # of both halves, each of which has seen one kind of row only
    assert "#011train-accuracy:" in text
    assert (tmp_path / HOSTS[0] / "model" / "xgboost-model").exists()
    assert not (tmp_path / HOSTS[1] / "model").exists()


def _lay_out(root: Path, host: str, half: int) -> None:
    """One host's /opt/ml: its half of the rows has one of the two labels."""
    draw = random.Random(half)
    rows = [(half, half + draw.random(), draw.random()) for _ in range(60)]
    data = root / "input" / "data" / "train" / "rows.csv"
    data.parent.mkdir(parents=True)
    data.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    documents: dict[str, Any] = {
        "hyperparameters": {"num_round": "8", "objective": "reg:squarederror", "eval_metric": "rmse,accuracy"},
        "inputdataconfig": {"train": {"TrainingInputMode": "File", "ContentType": "text/csv"}},
        "resourceconfig": {"current_host": host, "hosts": list(HOSTS[:2])},
    }
    for name, document in documents.items():
        path = root / "input" / "config" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
