"""Hooks on modules that a process imports some day, in the process and in those that it starts."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from selfmaker.client.environment import SITE

Execute = Callable[..., str]

STUB = """
import time, os
COUNT = globals().get("COUNT", 0) + 1
def poll(): time.sleep(30)
"""


@pytest.fixture
def stub_sdk(tmp_path: Path) -> Path:
    """Packages with the names of the SDK's, in the folder that the processes run in."""
    package = tmp_path / "sagemaker" / "telemetry"
    package.mkdir(parents=True)
    (tmp_path / "sagemaker" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (tmp_path / "sagemaker" / "session.py").write_text(STUB)
    (tmp_path / "sagemaker" / "local.py").write_text(STUB)
    senders = ("_send_telemetry_request", "_requests_helper")
    telemetry = "".join(f"def {name}(*a): raise SystemExit('sent')\n" for name in senders)
    (package / "telemetry_logging.py").write_text(telemetry)
    return tmp_path


def test_process_without_an_sdk_imports_nothing_of_ours_beyond_the_hooks(execute: Execute) -> None:
    modules = execute("import sys; print(*sorted(m for m in sys.modules if m.startswith('_selfm') or m == 'typing'))")
    assert modules == "_selfmaker _selfmaker.hooks"


def test_without_our_variable_nothing_is_hooked(execute: Execute) -> None:
    assert execute("import sys; print(type(sys.meta_path[0]).__name__)", SELFMAKER_ENDPOINT_URL="") != "_Finder"


def test_a_polling_module_sleeps_short_and_the_user_does_not(execute: Execute, stub_sdk: Path) -> None:
    noted = "import time; naps = []; time.sleep = naps.append"
    code = f"{noted}; import sagemaker.session as s; s.poll(); time.sleep(30); print(naps)"
    assert execute(code) == "[0.05, 30]"


def test_a_module_that_is_not_in_the_table_stays(execute: Execute, stub_sdk: Path) -> None:
    assert execute("import time, sagemaker.local as u; print(u.time is time)") == "True"


def test_reload_and_spec(execute: Execute, stub_sdk: Path) -> None:
    code = (
        "import importlib, inspect, pickle, time, sagemaker.session as s\n"
        "same = importlib.reload(s)\n"
        "print(same is s, s.COUNT, s.time is not time, type(s.__loader__).__name__, s.__spec__.loader is s.__loader__,"
        " 'exec_module' in vars(s.__loader__), 'COUNT' in inspect.getsource(s), bool(pickle.dumps(s.__spec__)))"
    )
    assert execute(code) == "True 2 True SourceFileLoader True False True True"


def test_a_lazily_loaded_module_is_changed_when_it_loads(execute: Execute, stub_sdk: Path) -> None:
    code = (
        "import importlib.util as u, sys, time\n"
        "import sagemaker\n"
        "spec = u.find_spec('sagemaker.session'); spec.loader = u.LazyLoader(spec.loader)\n"
        "module = u.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "print(module.time is not time)"
    )
    assert execute(code) == "True"


def test_processes_started_by_the_process_are_hooked_too(execute: Execute, stub_sdk: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "code = 'import time, sagemaker.session as s; print(s.time is not time)'\n"
        "print(subprocess.check_output([sys.executable, '-c', code], text=True).strip())"
    )
    assert execute(code) == "True"


def test_telemetry_is_not_sent(execute: Execute, stub_sdk: Path) -> None:
    imported = "import sagemaker.telemetry.telemetry_logging as t"
    code = f"{imported}; print(t._send_telemetry_request(1), t._requests_helper('url', 2))"
    assert execute(code) == "None None"


def test_a_version_that_looks_otherwise_is_left_alone(execute: Execute, tmp_path: Path) -> None:
    (tmp_path / "botocore").mkdir()
    (tmp_path / "botocore" / "__init__.py").write_text("")
    (tmp_path / "botocore" / "session.py").write_text("answer = 42\n")
    assert execute("import botocore.session as s; print(s.answer)") == "42"


def test_a_hidden_sitecustomize_runs_as_if_it_were_the_only_one(execute: Execute, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import sys; sys.their_name = __name__; mark = 1\n")
    code = "import sys, sitecustomize as s; print(sys.their_name, s.mark, 'theirs' in s.__file__)"
    assert execute(code, PYTHONPATH=f"{SITE}:{folder}") == "sitecustomize 1 True"


def test_uninstall_puts_everything_back(execute: Execute, stub_sdk: Path) -> None:
    code = (
        "import sys, time, sagemaker.session as s, _selfmaker\n"
        "_selfmaker.stop()\n"
        "print(s.time is time, [type(f).__name__ for f in sys.meta_path].count('_Finder'))\n"
        "_selfmaker.start(); print(s.time is time)"
    )
    assert execute(code).split("\n") == ["True 0", "False"]


INTERPRETERS = sorted(Path.home().glob(".pyenv/versions/*/bin/python"))


@pytest.mark.skipif(not INTERPRETERS, reason="no other Python is installed (looked in ~/.pyenv)")
def test_any_python_starts_quietly() -> None:
    environment = {"PYTHONPATH": str(SITE), "SELFMAKER_ENDPOINT_URL": "http://x", "PYTHONDONTWRITEBYTECODE": "1"}
    for python in INTERPRETERS:
        done = subprocess.run([str(python), "-c", "print(42)"], env=environment, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("42\n", ""), python


def test_start_costs_few_imports() -> None:
    """What makes a start slow is imports: ours are two modules, besides the search for the next sitecustomize."""
    environment = {"PYTHONPATH": str(SITE), "SELFMAKER_ENDPOINT_URL": "http://127.0.0.1:1"}
    code = "import sys; print(*sorted(sys.modules))"
    ours = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout.split()
    bare = subprocess.run([sys.executable, "-c", code], env={}, capture_output=True, text=True).stdout.split()
    assert set(ours) - set(bare) <= {"_selfmaker", "_selfmaker.hooks", "sitecustomize"}
