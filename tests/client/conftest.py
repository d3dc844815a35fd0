"""A server that records, and processes that are hooked, for the tests of this folder."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from client_processes import Recorder, run_hooked


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    running = Recorder()
    yield running
    running.close()


@pytest.fixture
def execute(recorder: Recorder, tmp_path: Path) -> Callable[..., str]:
    """``execute(code, **variables)``: what a hooked process prints."""

    def run(code: str, **variables: str) -> str:
        return run_hooked(code, sys.executable, recorder, tmp_path, variables)[0].strip()

    return run
