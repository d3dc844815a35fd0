"""Commands in processes of their own, on a home of their own, with a small server in place of the real one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from selfmaker.client import server

STAND_IN = Path(__file__).parent / "stand_in"


class CommandLine:
    """``selfmaker`` as a user types it. ``home`` is said by SELFMAKER_HOME."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.folder = folder
        others = ("AWS_", "SELFMAKER_", "PYTHON", "NO_PROXY", "no_proxy")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(others)},
            "HOME": str(folder),
            "SELFMAKER_HOME": str(self.home),
            "PYTHONPATH": str(STAND_IN),
        }

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start a command and don't wait for it."""
        command = [sys.executable, "-m", "selfmaker.cli.main", *arguments]
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, text=True, **{**pipes, "env": self.environment, "cwd": self.folder, **options})

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*arguments, env={**self.environment, **variables})
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def answer(self, **outputs: Any) -> None:
        """What the stand-in answers, by operation; 501 for others."""
        self.home.mkdir(exist_ok=True)
        (self.home / "answers.json").write_text(json.dumps(outputs))

    def asked(self) -> list[str]:
        """The operations that the stand-in was asked for."""
        path = self.home / "asked.txt"
        return [line.split(" ")[0] for line in path.read_text().splitlines()] if path.exists() else []

    def wait_for(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.02)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CommandLine]:
    line = CommandLine(tmp_path)
    yield line
    running = server.find(line.home)
    if running is not None:
        os.kill(running.pid, signal.SIGKILL)


@pytest.fixture
def running(cli: CommandLine) -> CommandLine:
    """With a server."""
    assert cli.run("up", "--detach", "--port", "0").returncode == 0
    return cli
