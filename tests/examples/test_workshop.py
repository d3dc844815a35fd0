"""examples/workshop: its finals run to the end, and its texts, starts and finals belong together."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAB = ROOT / "examples" / "workshop"
TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
SECTIONS = ("1_processing", "2_training", "3_evaluation")
NOTEBOOKS = sorted(LAB.glob("[1-3]_*/*/*.ipynb"))
SHAPES = {
    "train/X_train": (840, 16, 16, 1),
    "train/y_train": (840,),
    "validation/X_val": (180, 16, 16, 1),
    "validation/y_val": (180,),
    "test/X_test": (180, 16, 16, 1),
    "test/y_test": (180,),
}


def functions(path):
    """The top-level functions of a Python file, by name, as text without comments."""
    body = ast.parse(path.read_text()).body
    return {node.name: ast.dump(node) for node in body if isinstance(node, ast.FunctionDef)}


def shape(content):
    """The shape of the array in a ``.npy`` file of version 1, as its header has it."""
    assert content.startswith(b"\x93NUMPY\x01")
    length = int.from_bytes(content[8:10], "little")
    return ast.literal_eval(content[10 : 10 + length].decode())["shape"]


def session_cell(path):
    """The lines of the cell in which a notebook makes its session."""
    cells = json.loads(path.read_text())["cells"]
    [found] = [cell for cell in cells if "LocalSession" in "".join(cell["source"]) and cell["cell_type"] == "code"]
    return "".join(found["source"]).splitlines()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(LAB)))
def test_notebooks_are_notebooks_without_output(path):
    document = json.loads(path.read_text())
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    cells = document["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        assert isinstance(cell["metadata"], dict)
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
            compile("".join(cell["source"]), path.name, "exec")
        else:
            assert cell["cell_type"] == "markdown"


@pytest.mark.parametrize("section", SECTIONS)
def test_leaving_local_mode_is_commenting_three_lines_out(section):
    [start] = (LAB / section / "start").glob("*.ipynb")
    final = LAB / section / "final" / start.name
    lines = session_cell(start)
    local = [line for line in lines if "LocalSession" in line or line.startswith("sagemaker_session.config")]
    assert len(local) == 3
    turned = [f"# {line}" if line in local else line.removeprefix("# ") for line in lines]
    assert turned == session_cell(final)


@pytest.mark.parametrize(
    "start",
    [
        "1_processing/start/script_processing/preprocessing.py",
        "2_training/start/script_train/training.py",
        "3_evaluation/start/script_evaluation/evaluation.py",
    ],
)
def test_the_work_starts_from_the_monolith(start):
    monolith = LAB / "0_monolith" / Path(start).name
    assert ast.dump(ast.parse((LAB / start).read_text())) == ast.dump(ast.parse(monolith.read_text()))


@pytest.mark.parametrize(
    ("final", "names"),
    [
        ("1_processing/final/script_processing/preprocessing.py", ["read_sheet", "preprocess_data"]),
        ("2_training/final/script_train/training.py", ["create_cnn_model", "print_metrics"]),
        ("3_evaluation/final/script_evaluation/evaluation.py", ["evaluate_model"]),
    ],
)
def test_the_finals_do_what_the_monolith_did(final, names):
    monolith = functions(LAB / "0_monolith" / Path(final).name)
    ours = functions(LAB / final)
    assert {name: ours[name] for name in names} == {name: monolith[name] for name in names}


@pytest.mark.parametrize("section", SECTIONS)
def test_instructions_name_each_hint_in_order_and_each_task_that_is_marked(section):
    instructions = (LAB / section / "INSTRUCTIONS.md").read_text()
    hints = sorted(path.name for path in (LAB / section / "hints").iterdir())
    assert re.findall(r"\(hints/([^)]+)\)", instructions) == hints
    assert [int(name.partition("-")[0]) for name in hints] == list(range(1, len(hints) + 1))
    tasks = {int(number) for number in re.findall(r"^(\d+)\. ", instructions, re.MULTILINE)}
    files = [path.read_text() for path in (LAB / section / "start").rglob("*.*") if path.suffix in (".py", ".ipynb")]
    marked = {int(number) for text in files for number in re.findall(r"TASK (\d+)", text)}
    assert marked and marked <= tasks


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder in which ``make examples``'s program has run the finals, and what it printed."""
    if not (ROOT / ".cache" / "sdk-v2" / "bin" / "python").exists():
        pytest.skip("needs the SDK v2's environment: make setup-sdks")
    folder = tmp_path_factory.mktemp("workshop")
    environments = os.environ.get("SELFMAKER_ENVIRONMENTS") or str(ROOT / ".cache" / "environments")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SELFMAKER_"))}
    done = subprocess.run(
        [sys.executable, str(LAB / "run_finals.py"), "--folder", str(folder)],
        env={**kept, "SELFMAKER_ENVIRONMENTS": environments},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return folder, Path(environments), done.stdout


@pytest.fixture(scope="module")
def left_behind(finished, server_process):
    """Clients of a server on the home that the finals have left behind."""
    server = server_process(finished[0] / "home").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def bucket(left_behind):
    """What is in the lab's bucket: ``bucket[key]`` is the object's bytes."""
    s3 = left_behind.client("s3")
    [name] = [found["Name"] for found in s3.list_buckets()["Buckets"]]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix="workshop/")
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    return {key.removeprefix("workshop/"): s3.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}


def as_spot_job(sagemaker, name):
    """Submit the training job once more, as a spot job with checkpoints and a few epochs more; its name."""
    described = sagemaker.describe_training_job(TrainingJobName=name)
    same = ("AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig")
    sagemaker.create_training_job(
        TrainingJobName="interrupted",
        **{member: described[member] for member in same},
        HyperParameters={**described["HyperParameters"], "epochs": "16"},
        CheckpointConfig={"S3Uri": described["CheckpointConfig"]["S3Uri"] + "-interrupted"},
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
    )
    return "interrupted"


def log(logs, name):
    """The lines of a training job's log so far."""
    found = logs.describe_log_streams(logGroupName=TRAINING_LOGS, logStreamNamePrefix=f"{name}/")["logStreams"]
    return [
        event["message"]
        for stream in found
        for page in [logs.get_log_events(logGroupName=TRAINING_LOGS, logStreamName=stream["logStreamName"])]
        for event in page["events"]
    ]


def in_local_mode(path):
    """Turn a final notebook back into local mode, as the starts are: its lines, and where it runs. Local mode has no
    list of jobs and no metrics, so cells that look for them are left out; nor may its processors have "local code"."""
    document = json.loads(path.read_text())
    cells = [cell for cell in document["cells"] if "FinalMetricDataList" not in "".join(cell["source"])]
    for cell in cells:
        if cell["cell_type"] == "code" and "LocalSession" in "".join(cell["source"]):
            lines = [line if "local_code" in line else line.removeprefix("# ") for line in cell["source"]]
            cell["source"] = [f"# {line}" if "= sagemaker.Session()" in line else line for line in lines]
        cell["source"] = [line.replace('"ml.m5.xlarge"', '"local"') for line in cell["source"]]
        cell["source"] = [line for line in cell["source"] if "checkpoint_" not in line]
    path.write_text(json.dumps({**document, "cells": cells}))


@pytest.mark.frameworks
@pytest.mark.skipif(Path("/var/run/docker.sock").exists(), reason="Docker is there, and runs local mode")
def test_processing_and_training_run_in_local_mode_without_docker(tmp_path):
    python = ROOT / ".cache" / "sdk-v2" / "bin" / "python"
    if not python.exists():
        pytest.skip("needs the SDK v2's environment: make setup-sdks")
    shutil.copytree(LAB, tmp_path / "lab")
    notebooks = [
        tmp_path / "lab" / "1_processing/final/pre-processing.ipynb",
        tmp_path / "lab" / "2_training/final/training.ipynb",
    ]
    for path in notebooks:
        in_local_mode(path)
    environments = os.environ.get("SELFMAKER_ENVIRONMENTS") or str(ROOT / ".cache" / "environments")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SELFMAKER_"))}
    selfmaker = [str(Path(sys.executable).parent / "selfmaker"), "run", "--home", str(tmp_path / "home"), "--"]
    done = subprocess.run(
        [*selfmaker, str(python), str(tmp_path / "lab" / "run_notebooks.py"), *map(str, notebooks)],
        env={**kept, "SELFMAKER_ENVIRONMENTS": environments},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "X_train (840, 16, 16, 1)" in done.stdout
    assert re.search(r"algo-1-\w+ +\| .*val_accuracy=", done.stdout), done.stdout
    assert "===== Job Complete =====" in done.stdout or "model.tar.gz" in done.stdout


@pytest.mark.frameworks
@pytest.mark.timeout(1200)
class TestFinals:
    def test_the_arrays_are_in_s3_each_in_a_folder_of_its_own(self, bucket):
        found = {}
        for key, content in bucket.items():
            if key.startswith("DataProcessed/"):
                _, folder, name, file = key.split("/")
                assert file == f"{name}.npy"
                found[f"{folder}/{name}"] = shape(content)
        assert found == SHAPES

    def test_each_epoch_left_a_checkpoint_in_s3(self, bucket):
        names = [key.rpartition("/")[2] for key in bucket if key.startswith("checkpoints/")]
        assert sorted(names) == ["best_model.keras", *(f"checkpoint-{epoch:03d}.keras" for epoch in range(1, 13))]

    def test_the_metrics_were_read_in_the_log(self, left_behind):
        sagemaker = left_behind.client("sagemaker")
        [job] = sagemaker.list_training_jobs(NameContains="workshop-training")["TrainingJobSummaries"]
        described = sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
        final = {metric["MetricName"]: metric["Value"] for metric in described["FinalMetricDataList"]}
        assert final.keys() == {"train_loss", "train_accuracy", "val_loss", "val_accuracy"}
        assert final["val_accuracy"] > 0.9
        assert described["HyperParameters"]["epochs"] == "12" and "model_dir" not in described["HyperParameters"]

    def test_an_interrupted_training_goes_on_from_its_checkpoints(self, left_behind):
        sagemaker, logs = left_behind.client("sagemaker"), left_behind.client("logs")
        [job] = sagemaker.list_training_jobs(NameContains="workshop-training")["TrainingJobSummaries"]
        name, lines = as_spot_job(sagemaker, job["TrainingJobName"]), []
        deadline = time.monotonic() + 300
        while not any(line.startswith("epoch 3:") for line in lines):
            assert time.monotonic() < deadline, lines
            time.sleep(0.05)
            lines = log(logs, name)
        told = left_behind.selfmaker("interrupt", name)
        assert told.returncode == 0, told.stderr
        while (ended := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
            time.sleep(0.2)
        assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
        [resumed] = [line for line in log(logs, name) if line.startswith("going on after epoch")]
        assert int(resumed.rpartition(" ")[2]) >= 2
        assert sum(line.startswith("epoch 1:") for line in log(logs, name)) == 1

    def test_the_model_is_good_and_the_metrics_are_those_of_the_monolith(self, finished, bucket, tmp_path):
        folder, environments, output = finished
        metrics = json.loads(bucket["evaluation/evaluation.json"])
        assert metrics == json.loads((folder / "lab/3_evaluation/final/evaluation.json").read_text())
        assert metrics["accuracy"] > 0.9 and metrics["samples"] == 180
        assert sum(map(sum, metrics["confusion_matrix"])) == 180
        assert re.search(rf"accuracy \(test data\).*{metrics['accuracy']:.4g}", output)
        assert metrics.keys() == self.of_the_monolith(environments, tmp_path).keys()

    @staticmethod
    def of_the_monolith(environments, folder):
        """The metrics of the monolith, run for one epoch in the image's environment."""
        [python, *_] = sorted(environments.glob("tensorflow-2.19.0-*/bin/python"))
        command = [str(python), str(LAB / "0_monolith" / "evaluation.py"), "--epochs", "1"]
        subprocess.run(command, cwd=folder, check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        return json.loads((folder / "output" / "evaluation.json").read_text())
