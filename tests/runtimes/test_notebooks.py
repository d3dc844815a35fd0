"""Images for notebooks, and the program that runs a notebook job, without papermill."""

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import selfmaker.runtimes
from selfmaker.runtimes.catalog import parse_image, runtime_for
from selfmaker.runtimes.notebooks import is_notebook_job, notebook_command

ECR = "885854791233.dkr.ecr.us-east-1.amazonaws.com"
PROGRAM = Path(selfmaker.runtimes.__file__).parent / "packages" / "amazon_sagemaker_scheduler" / "__main__.py"


@pytest.mark.parametrize(
    ("image", "python"),
    [
        ("sagemaker-distribution-prod:1.9.1-cpu", "3.10"),
        ("sagemaker-distribution-cpu:2.1", "3.11"),
        ("sagemaker-distribution:latest-cpu", "3.12"),
        ("sagemaker-distribution-prod@sha256:" + "ab" * 32, "3.12"),
        ("sagemaker-data-science-310", "3.10"),
        ("sagemaker-data-science-38-v1:1.0", "3.8"),
    ],
)
def test_the_python_is_in_the_tag_or_the_name(image: str, python: str) -> None:
    uri = f"{ECR}/{image}"
    runtime = runtime_for(uri)
    assert runtime.name == "notebooks"
    assert runtime.environment(parse_image(uri)).python == python


def test_a_notebook_job_is_known_by_its_entry_point() -> None:
    assert is_notebook_job(["amazon_sagemaker_scheduler"])
    assert not is_notebook_job(["train"])
    assert not is_notebook_job([])
    command = notebook_command(Path("/e/bin/python"), ["amazon_sagemaker_scheduler", "x"])
    assert command == ("/e/bin/python", "-m", "amazon_sagemaker_scheduler", "x")


class Job:
    """The program, with folders of its own in place of /opt/ml, and what a notebook does in place of papermill."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.program = _loaded()
        self.output = folder / "output"
        self.source = folder / "source"
        for place in (self.output, self.source):
            place.mkdir()
        (self.source / "a.ipynb").write_text("{}")
        hyperparameters = folder / "hyperparameters.json"
        hyperparameters.write_text(json.dumps({"who": "world", "sagemaker_region": '"x"'}))
        monkeypatch.setattr(self.program, "OUTPUT", self.output)
        monkeypatch.setattr(self.program, "HYPERPARAMETERS", hyperparameters)
        monkeypatch.setattr(self.program, "execute", self._execute)
        monkeypatch.setenv("SM_EXECUTION_INPUT_PATH", str(self.source))
        monkeypatch.setenv("SM_INPUT_NOTEBOOK_NAME", "a.ipynb")
        monkeypatch.setenv("SM_OUTPUT_NOTEBOOK_NAME", "told.ipynb")
        self.error: Exception | None = None

    def run(self) -> int:
        code: int = self.program.main()
        return code

    def _execute(self, place: Path, notebook: Path, output: Path) -> None:
        output.write_text(notebook.read_text())
        (place / "made").mkdir()
        (place / "made" / "rows.csv").write_text("1")
        (place / ".hidden").write_text("no")
        if self.error:
            raise self.error


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scheduler_program", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    return Job(tmp_path, monkeypatch)


def outputs(job: Job) -> set[str]:
    return {str(path.relative_to(job.output / "data")) for path in (job.output / "data").rglob("*") if path.is_file()}


def test_the_notebook_and_what_it_wrote_are_outputs(job: Job) -> None:
    assert job.run() == 0
    assert outputs(job) == {"told.ipynb", "made/rows.csv"}
    assert not (job.output / "failure").exists()


def test_hyperparameters_are_parameters(job: Job) -> None:
    found: dict[str, Any] = job.program.parameters()
    assert found == {"who": "world"}


def test_a_cell_that_fails_fails_the_job_and_leaves_the_notebook(job: Job) -> None:
    job.error = RuntimeError("cell is broken")
    assert job.run() == 1
    assert (job.output / "failure").read_text() == "RuntimeError: cell is broken"
    assert outputs(job) == {"told.ipynb", "made/rows.csv"}


@pytest.mark.parametrize("ending", ["", "exit 0\n"])
def test_variables_of_the_initialization_script_are_the_notebooks(
    job: Job, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    for name in ("FROM_INIT_SCRIPT", "NOT_EXPORTED"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    text = "#!/bin/bash\nexport FROM_INIT_SCRIPT='two\nlines = x'\nNOT_EXPORTED=1\n" + ending
    (job.source / "first.sh").write_text(text)
    monkeypatch.setenv("SM_INIT_SCRIPT", "first.sh")
    assert job.run() == 0
    assert os.environ["FROM_INIT_SCRIPT"] == "two\nlines = x"
    assert "NOT_EXPORTED" not in os.environ


def test_an_initialization_script_that_fails_ends_the_job(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    (job.source / "first.sh").write_text("exit 3\n")
    monkeypatch.setenv("SM_INIT_SCRIPT", "first.sh")
    assert job.run() == 1
    assert "first.sh ended with exit code 3" in (job.output / "failure").read_text()
    assert not (job.output / "data").exists()
