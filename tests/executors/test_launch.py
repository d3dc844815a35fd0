"""Forking a sandbox whose first process never says a word."""

import os
import time
from pathlib import Path
from typing import NoReturn

import pytest

from selfmaker.errors import Unavailable
from selfmaker.executors import init, launch, process
from selfmaker.executors.process import ProcessExecutor
from selfmaker.executors.protocol import Exit, RunSpec


def test_a_sandbox_that_says_nothing_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has laid half of its file system out when it falls silent."""
    monkeypatch.setattr(launch, "START_SECONDS", 1.0)
    scratch, said, mark = tmp_path / "scratch", tmp_path / "said", tmp_path / "silent"
    scratch.mkdir()
    build = process._furnish

    def falls_silent(spec: RunSpec, new_root: str, privileged: bool) -> None:
        build(spec, new_root, privileged)
        if not mark.exists():
            mark.touch()
            time.sleep(60)

    monkeypatch.setattr(process, "_furnish", falls_silent)
    spec = RunSpec(("sh", "-c", "echo it runs"), {"PATH": "/usr/bin:/bin"}, "/", scratch)
    with said.open("wb") as output:
        run = ProcessExecutor("namespaces").start(spec, output.fileno())
    assert run.wait(10) == Exit(0)
    assert mark.exists()
    assert said.read_text() == "it runs\n"


def test_one_that_never_says_a_word_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "START_SECONDS", 0.1)
    tidied = []

    def keeper(control: int) -> NoReturn:
        time.sleep(60)
        os.write(control, init.READY)
        os._exit(0)

    with pytest.raises(Unavailable, match="could not be built in time"):
        launch.launch(keeper, 1, lambda: tidied.append(True))
    assert tidied == [True]
