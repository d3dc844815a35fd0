"""One edge for all tests that need no other."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from edge_packages import s3
from edge_runner import RunningEdge, run_edge


@pytest.fixture(scope="session")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    s3.FOLDER[:] = [tmp_path_factory.mktemp("objects")]
    yield from run_edge()
