"""Which program is run, and how."""

import json
from pathlib import Path

import pytest

from selfmaker.contract.script_mode import CODE_DIRECTORY, ScriptSettings, command, settings
from selfmaker.errors import Invalid


def script(program: str, **hyperparameters: object) -> ScriptSettings:
    return ScriptSettings(program, CODE_DIRECTORY, hyperparameters, {})


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


def test_no_program_is_no_script() -> None:
    assert settings({"epochs": "1"}, {}) is None
    assert settings({"sagemaker_program": '""'}, {}) is None


@pytest.mark.parametrize("quote", [json.dumps, str])
def test_what_the_platform_says_is_split_off(quote: object) -> None:
    assert callable(quote)
    found = settings(
        {
            "sagemaker_program": quote("train.py"),
            "sagemaker_submit_directory": quote("s3://b/k/sourcedir.tar.gz"),
            "sagemaker_container_log_level": "10",
            "sagemaker_job_name": quote("j"),
            "sagemaker_region": quote("us-east-1"),
            "sagemaker_mpi_enabled": "true",
            "_tuning_objective_metric": quote("m"),
            "epochs": "3",
            "text": quote("a b"),
        },
        {},
    )
    assert found == ScriptSettings(
        "train.py", "s3://b/k/sourcedir.tar.gz", {"epochs": 3, "text": "a b"}, {"sagemaker_mpi_enabled": True}, 10
    )


def test_the_environment_may_name_the_program() -> None:
    environment = {"SAGEMAKER_PROGRAM": "env.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://b/env.tar.gz"}
    found = settings({}, environment)
    assert found is not None
    assert (found.program, found.submit_directory) == ("env.py", "s3://b/env.tar.gz")
    both = settings({"sagemaker_program": '"hp.py"', "sagemaker_submit_directory": "s3://b/hp.tar.gz"}, environment)
    assert both is not None
    assert (both.program, both.submit_directory) == ("env.py", "s3://b/hp.tar.gz")


def test_a_python_program(tmp_path: Path) -> None:
    made = command(script("train.py", epochs=3, name="a b"), write(tmp_path, "train.py", "pyproject.toml"))
    assert made.argv == ("python", "train.py", "--epochs", "3", "--name", "a b")
    assert made.text == "/usr/bin/python3 train.py --epochs 3 --name a b"


def test_a_program_in_a_folder(tmp_path: Path) -> None:
    assert command(script("src/train.py"), write(tmp_path, "src/train.py")).argv == ("python", "src/train.py")


def test_a_package(tmp_path: Path) -> None:
    made = command(script("train.py", xs="a'b"), write(tmp_path, "setup.py", "train.py"))
    assert made.argv[:2] == ("/bin/sh", "-c")
    assert made.argv[2].startswith("python -m pip install ")
    assert made.argv[2].endswith("""&& exec python -m train --xs 'a'"'"'b'""")
    assert made.text == "/usr/bin/python3 -m train --xs a'b"


def test_a_module_of_a_package(tmp_path: Path) -> None:
    assert command(script("pkg/train.py"), write(tmp_path, "setup.py")).text == "/usr/bin/python3 -m pkg.train"
    write(tmp_path / "modern", "pyproject.toml")
    assert command(script("pkg.train"), tmp_path / "modern").text == "/usr/bin/python3 -m pkg.train"


def test_a_shell_script_is_none_even_beside_setup_py(tmp_path: Path) -> None:
    made = command(script("run.sh", xs="$HOME; rm"), write(tmp_path, "run.sh", "setup.py"))
    assert made.argv == ("/bin/sh", "-c", "./run.sh --xs '$HOME; rm'")
    assert not made.installs
    assert (tmp_path / "run.sh").stat().st_mode & 0o111 == 0o111


def test_any_other_program_is_executed(tmp_path: Path) -> None:
    write(tmp_path, "bin/train it", "pyproject.toml")
    assert command(script("bin/train it"), tmp_path).argv == ("/bin/sh", "-c", "./'bin/train it'")


def test_an_entry_point_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        command(script("train.py", xs=1), write(tmp_path, "other.py", "data/a.csv"))
    assert caught.value.message == (
        "AlgorithmError: ExecuteUserScriptError:\nExitCode 2\n"
        "ErrorMessage \"python3: can't open file '/opt/ml/code/train.py': [Errno 2] No such file or directory; "
        'the source directory has: data, other.py"\nCommand "/usr/bin/python3 train.py --xs 1", exit code: 2'
    )


@pytest.mark.parametrize("program", ["../train.py", "a/../../b.py", "/etc/passwd", "-c.py", "a//b.py", "./x.py", "a/"])
def test_programs_that_are_no_path_in_the_source(tmp_path: Path, program: str) -> None:
    write(tmp_path, "b.py")
    with pytest.raises(Invalid, match="cannot be used"):
        command(script(program), tmp_path)
