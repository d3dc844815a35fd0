"""Forking a sandbox whose first process never says a word."""

import os
import time
from pathlib import Path
from typing import NoReturn

import pytest

from selfmaker.errors import Unavailable
from selfmaker.executors import init, launch


def test_a_sandbox_that_says_nothing_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "START_SECONDS", 0.2)
    mark = tmp_path / "seen"

    def keeper(control: int) -> NoReturn:
        if not mark.exists():
            mark.touch()
            time.sleep(60)
        init.send(control, init.READY, "a note")
        os._exit(0)

    run = launch.launch(keeper, 1, lambda: None)
    assert run.notes == ("a note",)
    exit_ = run.wait(10)
    assert exit_ is not None
    assert exit_.code == 0


def test_one_that_never_does_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "START_SECONDS", 0.1)
    tidied = []

    def keeper(control: int) -> NoReturn:
        time.sleep(60)
        os._exit(0)

    with pytest.raises(Unavailable, match="could not be built in time"):
        launch.launch(keeper, 1, lambda: tidied.append(True))
    assert tidied == [True]
