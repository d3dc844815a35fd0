"""A stand-in for the sandbox, an environment without packages, and a loop on a thread, as the edge has one."""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from selfmaker.executors.protocol import Exit, RunSpec
from selfmaker.runtimes.base import Environment
from selfmaker.serving.launcher import Launcher
from selfmaker.serving.output_log import OutputLog
from selfmaker.serving.worker_plan import WorkerPlan


class BareRun:
    """A run without a sandbox."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self.pid = process.pid

    def wait(self, timeout: float | None = None) -> Exit | None:
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        return Exit(code if code >= 0 else 128 - code)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)


class BareExecutor:
    """Runs the program directly; where a mount would put something, the words of the command name its source."""

    def __init__(self, short: Path) -> None:
        self.specs: list[RunSpec] = []
        self.short = short

    def start(self, spec: RunSpec, output: int) -> BareRun:
        self.specs.append(spec)
        places = {mount.target: str(mount.source) for mount in spec.mounts if mount.target != str(mount.source)}
        for target in [target for target in places if target.endswith("/router")]:
            nearer = self.short / os.urandom(4).hex()  # a socket's address is at most 108 bytes long
            nearer.symlink_to(places[target])
            places[target] = str(nearer)
        shared = next(Path(source).parent for target, source in places.items() if target.endswith("selfmaker_worker"))

        def real(text: str) -> str:
            for target, source in places.items():
                text = text.replace(target, source)
            return text

        argv = [real(word) for word in spec.argv]
        argv[3] = str(_package(spec.scratch, shared))
        process = subprocess.Popen(
            argv,
            env={name: real(value) for name, value in spec.environment.items()},
            cwd=real(spec.directory),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        return BareRun(process)


def _package(scratch: Path, source: Path) -> Path:
    (scratch / "selfmaker_worker").symlink_to(source / "worker")
    return scratch


@pytest.fixture
def executor() -> Iterator[BareExecutor]:
    with tempfile.TemporaryDirectory() as short:
        yield BareExecutor(Path(short))


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = uvloop.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


@pytest.fixture
def on_loop(loop: asyncio.AbstractEventLoop) -> Callable[[Awaitable[Any]], Any]:
    """Runs a coroutine on the loop and returns what it returns."""

    def run(work: Awaitable[Any]) -> Any:
        async def awaited() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), loop).result(120)

    return run


@pytest.fixture
def plain_environment() -> Environment:
    """This test's own interpreter: no NumPy, so scripts read and write for themselves."""
    python = Path(sys.executable)
    return Environment(prefix=python.parent.parent, python=python, base=None, packages={})


@pytest.fixture
def launcher(executor: BareExecutor, loop: asyncio.AbstractEventLoop) -> Iterator[Launcher]:
    made = Launcher(executor, loop)
    yield made
    made.close()


@pytest.fixture
def output_log(tmp_path: Path) -> Iterator[OutputLog]:
    log = OutputLog(tmp_path / "output.log")
    yield log
    log.close()


@pytest.fixture
def plan_for(tmp_path: Path, plain_environment: Environment) -> Callable[..., WorkerPlan]:
    """A plan for a script given as text."""

    def plan(text: str, **members: Any) -> WorkerPlan:
        code = tmp_path / f"code-{os.urandom(4).hex()}"
        code.mkdir()
        (code / "inference.py").write_text(text)
        given: dict[str, Any] = {
            "framework": "",
            "environment": plain_environment,
            "model": None,
            "code": code,
            "code_dir": "/opt/ml/code",
            "program": "inference.py",
            **members,
        }
        return WorkerPlan(**given)

    return plan
