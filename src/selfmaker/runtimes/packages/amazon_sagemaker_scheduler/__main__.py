"""Run the notebook that the job's variables name, with the hyperparameters as its parameters.

SM_EXECUTION_INPUT_PATH has the notebook, the initialization script and the files beside them; all of it is copied
to where the notebook runs. SM_INPUT_NOTEBOOK_NAME, SM_OUTPUT_NOTEBOOK_NAME, SM_KERNEL_NAME and SM_INIT_SCRIPT say
what is what. Variables that the script exports are the notebook's, too. The notebook with its outputs is left in
/opt/ml/output/data, even when a cell fails.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

OUTPUT = Path("/opt/ml/output")
HYPERPARAMETERS = Path("/opt/ml/input/config/hyperparameters.json")
DEFAULT_KERNEL = "python3"

# The script may end by itself, too; what it exported is told in any case.
_SOURCED = """trap '/usr/bin/env -0 > "$1"' EXIT; . "$0" """
_SHELL_S_OWN = ("_", "OLDPWD", "PWD", "SHLVL")


def main() -> int:
    source = Path(os.environ["SM_EXECUTION_INPUT_PATH"])
    name = os.environ["SM_INPUT_NOTEBOOK_NAME"]
    place = Path(tempfile.mkdtemp(prefix="notebook-")) / "work"
    shutil.copytree(str(source), str(place))
    script = os.environ.get("SM_INIT_SCRIPT")
    if script:
        code = initialize(place, script)
        if code:
            return failed(f"the initialization script {script} ended with exit code {code}")
    data = OUTPUT / "data"
    data.mkdir(parents=True, exist_ok=True)
    output = data / os.environ.get("SM_OUTPUT_NOTEBOOK_NAME", name)
    try:
        execute(place, place / name, output)
    except Exception as error:  # noqa: BLE001 - whatever a cell of the user's may raise
        return failed(f"{type(error).__name__}: {error}")
    finally:
        keep_what_was_written(source, place, data)
    return 0


def initialize(place: Path, script: str) -> int:
    """Run the script, and take over the variables that it exported; its exit code."""
    told = place.parent / "variables"
    code = subprocess.run(["bash", "-c", _SOURCED, str(place / script), str(told)], cwd=str(place)).returncode
    for line in told.read_bytes().split(b"\0") if told.exists() else ():
        name, _, value = os.fsdecode(line).partition("=")
        if name and name not in _SHELL_S_OWN:
            os.environ[name] = value
    return code


def execute(place: Path, notebook: Path, output: Path) -> None:
    import papermill
    from jupyter_client.kernelspec import KernelSpecManager

    name = kernel(os.environ.get("SM_KERNEL_NAME", DEFAULT_KERNEL))
    papermill.execute_notebook(
        str(notebook),
        str(output),
        parameters=parameters(),
        kernel_name=name,
        language=KernelSpecManager().get_kernel_spec(name).language,  # notebooks that programs write do not tell it
        cwd=str(place),
        progress_bar=False,
        log_output=True,
        stdout_file=sys.stdout,
        stderr_file=sys.stderr,
    )


def parameters() -> dict:
    """The job's hyperparameters, which are texts."""
    given = json.loads(HYPERPARAMETERS.read_text()) if HYPERPARAMETERS.exists() else {}
    return {key: value for key, value in given.items() if not key.startswith("sagemaker_")}


def kernel(name: str) -> str:
    """The kernel of that name, or else that of this very Python: the images have kernels of many names."""
    from jupyter_client.kernelspec import KernelSpecManager

    known = KernelSpecManager().find_kernel_specs()
    if name in known:
        return name
    print(f"there is no kernel {name}: {DEFAULT_KERNEL} runs the notebook", flush=True)
    return DEFAULT_KERNEL


def keep_what_was_written(source: Path, place: Path, data: Path) -> None:
    """Files that the notebook left where it ran are outputs, too."""
    for path in sorted(place.rglob("*")):
        relative = path.relative_to(place)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
        if path.is_file() and not hidden and not (source / relative).exists():
            (data / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(path), str(data / relative))


def failed(reason: str) -> int:
    (OUTPUT / "failure").write_text(reason)
    print(reason, file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
