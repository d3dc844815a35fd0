"""Package indexes made of nothing, and the real environments of two images, built once and kept."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfmaker.runtimes.base import Environment, EnvironmentRequest
from selfmaker.runtimes.catalog import parse_image, runtime_for
from selfmaker.runtimes.environments import PACKAGES, Environments

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def _write_wheel(folder: Path, name: str, version: str, needs: tuple[str, ...] = ()) -> Path:
    """A wheel of one module, whose ``VERSION`` says which it is, and a command of the same name."""
    info = f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {need}\n" for need in needs)
    files = {
        f"{name}/__init__.py": f"VERSION = {version!r}\ndef main():\n    print(VERSION)\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(member, text)
    return path


def _digest(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of the world's packages: uv really runs, and no network is there for it."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    for name, version in (("alpha", "1.0"), ("alpha", "2.0"), ("beta", "1.5")):
        _write_wheel(folder, name, version)
    return folder


@pytest.fixture
def environments(tmp_path: Path, wheels: Path) -> Environments:
    return Environments(tmp_path / "environments")


@pytest.fixture
def request_for() -> Callable[..., EnvironmentRequest]:
    """``request_for("alpha==1.0")``: a request for this interpreter's version."""

    def make(*requirements: str, **changes: Any) -> EnvironmentRequest:
        return EnvironmentRequest(**{"name": "tiny", "python": HERE, "requirements": requirements, **changes})

    return make


def _run_in(environment: Environment, code: str, *arguments: str) -> str:
    """What ``code`` prints in the environment."""
    command = [str(environment.python), "-I", "-c", code, *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.fixture
def write_wheel() -> Callable[..., Path]:
    return _write_wheel


@pytest.fixture
def run_in() -> Callable[..., str]:
    return _run_in


def real(image: str) -> Environment:
    folder = os.environ.get("SELFMAKER_TEST_ENVIRONMENTS") or os.environ.get("SELFMAKER_ENVIRONMENTS")
    environments = Environments(Path(folder) if folder else ROOT / ".cache" / "environments")
    return environments.build(runtime_for(image).environment(parse_image(image)), print)


@pytest.fixture(scope="session")
def sklearn_environment() -> Environment:
    return real("sagemaker-scikit-learn:1.4-2-cpu-py3")


@pytest.fixture(scope="session")
def xgboost_environment() -> Environment:
    return real("sagemaker-xgboost:1.7-1")


@pytest.fixture
def in_xgboost(xgboost_environment: Environment) -> Callable[..., Any]:
    """``in_xgboost(code, *arguments)``: what the name ``result`` is after ``code`` has run in XGBoost's environment, by
    way of JSON. The code sees its arguments as ``sys.argv[1:]``."""

    def run(code: str, *arguments: str | Path) -> Any:
        whole = f"import json, sys\n{code}\nprint(json.dumps(result))"
        return json.loads(_run_in(xgboost_environment, whole, *map(str, arguments)).splitlines()[-1])

    return run


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages that stand in for the containers', importable in this process."""
    monkeypatch.syspath_prepend(str(PACKAGES))
