"""Script mode: which program of the user's a training job runs, and with which arguments.

The rules are those of the SageMaker training toolkit: hyperparameters are JSON where they parse as JSON and plain text
otherwise; those that start with ``sagemaker_`` are for the platform, all others become arguments.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfmaker.contract.failure import script_failure
from selfmaker.errors import Invalid

PREFIX = "sagemaker_"
PROGRAM, SUBMIT_DIRECTORY = "sagemaker_program", "sagemaker_submit_directory"
LOG_LEVEL, JOB_NAME, REGION = "sagemaker_container_log_level", "sagemaker_job_name", "sagemaker_region"
CODE_DIRECTORY = "/opt/ml/code"
NOT_ARGUMENTS = ("_tuning_objective_metric", "default_user_module_name")

_PLATFORM = frozenset(
    (
        PROGRAM,
        SUBMIT_DIRECTORY,
        LOG_LEVEL,
        JOB_NAME,
        REGION,
        "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_s3_output",
    )
)


@dataclass(frozen=True)
class ScriptSettings:
    """What a request says of its script. ``hyperparameters`` are the user's own, decoded; ``framework`` those with the
    platform's prefix that are not the toolkit's own (distribution and the like)."""

    program: str
    submit_directory: str
    hyperparameters: Mapping[str, Any]
    framework: Mapping[str, Any]
    log_level: int = 20


@dataclass(frozen=True)
class ScriptCommand:
    """How to run the script in CODE_DIRECTORY. ``text`` is the command as the toolkit's error message quotes it.
    ``installs``: whether the requirements.txt beside it is installed before; for commands, such as shell scripts, the
    toolkit leaves that to them."""

    argv: tuple[str, ...]
    text: str
    installs: bool = True


def settings(hyperparameters: Mapping[str, str], environment: Mapping[str, str]) -> ScriptSettings | None:
    """From a request's hyperparameters and environment variables; None when no program is named. As in the toolkit,
    the environment's program and the hyperparameters' directory go before the other's."""
    decoded = {name: decode(value) for name, value in hyperparameters.items()}
    program = environment.get(PROGRAM.upper()) or decoded.get(PROGRAM)
    if not program:
        return None
    directory = decoded.get(SUBMIT_DIRECTORY) or environment.get(SUBMIT_DIRECTORY.upper()) or CODE_DIRECTORY
    level = decoded.get(LOG_LEVEL, environment.get(LOG_LEVEL.upper(), 20))
    return ScriptSettings(
        program=decode(str(program)) if str(program).startswith('"') else str(program),
        submit_directory=decode(str(directory)) if str(directory).startswith('"') else str(directory),
        hyperparameters={k: v for k, v in decoded.items() if not k.startswith(PREFIX) and k not in NOT_ARGUMENTS},
        framework={k: v for k, v in decoded.items() if k.startswith(PREFIX) and k not in _PLATFORM},
        log_level=int(level) if str(level).isdigit() else 20,
    )


def decode(value: str) -> Any:
    """A hyperparameter's value: what its JSON says, or the text itself."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """``--name value`` for each hyperparameter, by name; ``-n value`` for a name of one letter."""
    result: list[str] = []
    for name in sorted(hyperparameters):
        value = hyperparameters[name]
        result.append(f"--{name}" if len(name) > 1 else f"-{name}" if name else "")
        if isinstance(value, Mapping):
            result.append(",".join(f"{k}={v}" for k, v in sorted(value.items())))
        else:
            result.append("" if value is None else str(value))
    return result


def command(script: ScriptSettings, source: Path) -> ScriptCommand:
    """How to run the program found in ``source``. Raises Invalid when it isn't there, or is no path in there."""
    program, given = script.program, arguments(script.hyperparameters)
    _check_program(program)
    if _is_package(program, source):
        run = ["python", "-m", program.removesuffix(".py").replace("/", "."), *given]
        install = "python -m pip install --disable-pip-version-check --no-warn-script-location ."
        return ScriptCommand(("/bin/sh", "-c", f"{install} && exec {shlex.join(run)}"), _text(run))
    python = program.endswith(".py")
    line = f"./{shlex.quote(program)} {shlex.join(given)}".rstrip()
    text = _text(["python", program, *given]) if python else f"/bin/sh -c {line}"
    if not (source / program).is_file():
        opened = "python3: can't open file" if python else "/bin/sh: can't execute"
        message = f"{opened} '{CODE_DIRECTORY}/{program}': [Errno 2] No such file or directory"
        raise Invalid(script_failure(2, f"{message}; the source directory has: {_contents(source)}", text))
    if python:
        return ScriptCommand(("python", program, *given), text)
    (source / program).chmod(0o755)
    return ScriptCommand(("/bin/sh", "-c", line), text, installs=False)


def _is_package(program: str, source: Path) -> bool:
    """The toolkit goes by setup.py alone, and a shell script is never in a package. A modern package is one too where
    the program is a module of it rather than a file."""
    if program.endswith(".sh"):
        return False
    if (source / "setup.py").is_file():
        return True
    return not program.endswith(".py") and (source / "pyproject.toml").is_file() and not (source / program).is_file()


def _check_program(program: str) -> None:
    """What the toolkit refuses: names that would leave the source directory, or be taken for an option."""
    parts = program.split("/")
    if program.startswith(("-", "/")) or "\0" in program or any(part in ("", ".", "..") for part in parts):
        raise Invalid(
            f"AlgorithmError: The training entry point {program!r} cannot be used: it must be a path inside the source "
            "directory that does not start with '-', such as 'train.py' or 'bin/train.sh', exit code: 1"
        )


def _text(argv: list[str]) -> str:
    return " ".join(["/usr/bin/python3", *argv[1:]])


def _contents(source: Path) -> str:
    names = sorted(path.name for path in source.iterdir()) if source.is_dir() else []
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "") if names else "nothing"
