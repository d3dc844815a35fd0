"""The names of SDK v3's jobs, in the user's process."""

from collections.abc import Callable
from pathlib import Path

import pytest

Execute = Callable[..., str]

UTILS = """
from datetime import datetime

def _get_unique_name(base, max_length=63):
    return f"{base}-{datetime.now().strftime('%Y%m%d%H%M%S')}"[:max_length]
"""
TWICE = "from sagemaker.train.model_trainer import _get_unique_name as n; print({0}) if {0} else None"


@pytest.fixture
def stub_sdk(tmp_path: Path) -> None:
    package = tmp_path / "sagemaker" / "train"
    package.mkdir(parents=True)
    (tmp_path / "sagemaker" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "utils.py").write_text(UTILS)
    (package / "model_trainer.py").write_text("from sagemaker.train.utils import _get_unique_name\n")


@pytest.mark.usefixtures("stub_sdk")
def test_jobs_of_one_second_have_names_of_their_own(execute: Execute) -> None:
    assert execute(TWICE.format("len({n('job'), n('job'), n('other')})")) == "3"


@pytest.mark.usefixtures("stub_sdk")
def test_a_base_that_leaves_no_room_for_the_time_gives_the_same_name(execute: Execute) -> None:
    assert execute(TWICE.format("len({n('job', 3), n('job', 3)})")) == "1"


@pytest.mark.usefixtures("stub_sdk")
def test_modules_that_were_imported_before_are_changed_too(execute: Execute) -> None:
    late = (
        "import os; address = os.environ.pop('SELFMAKER_ENDPOINT_URL'); import _selfmaker; _selfmaker.stop(); "
        "import sagemaker.train.model_trainer as m; os.environ['SELFMAKER_ENDPOINT_URL'] = address; "
        "_selfmaker.start(); print(len({m._get_unique_name('job') for _ in range(2)}))"
    )
    assert execute(late) == "2"
