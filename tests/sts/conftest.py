"""Operations of sts, called as the edge calls them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "fuzz"))

from calls import calls


@pytest.fixture
def call(tmp_path):
    yield from calls(tmp_path, "sts")
