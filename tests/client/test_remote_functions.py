"""The default image of remote functions, in the user's process."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Execute = Callable[..., str]

JOB = """
def get_base_python_image_uri(region, py_version="310"):
    return f"{region}/sagemaker-base-python-{py_version}:1.0"

class _JobSettings:
    @staticmethod
    def _get_default_image(session):
        raise ValueError("Default image is supported only for Python versions 3.8 and 3.10")
"""

ASK = "from sagemaker.remote_function.job import _JobSettings as s; from types import SimpleNamespace as n; " + (
    "print(s._get_default_image(n(boto_region_name='eu-west-1')))"
)


@pytest.fixture
def stub_sdk(tmp_path: Path) -> None:
    package = tmp_path / "sagemaker" / "remote_function"
    package.mkdir(parents=True)
    (tmp_path / "sagemaker" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "job.py").write_text(JOB)


@pytest.mark.usefixtures("stub_sdk")
def test_every_python_has_a_default_image(execute: Execute) -> None:
    assert execute(ASK) == f"eu-west-1/sagemaker-base-python-{sys.version_info[0]}{sys.version_info[1]}:1.0"


@pytest.mark.usefixtures("stub_sdk")
def test_the_image_that_the_variable_names_wins(execute: Execute) -> None:
    assert execute(ASK, SAGEMAKER_INTERNAL_IMAGE_URI="mine:1") == "mine:1"


@pytest.mark.usefixtures("stub_sdk")
def test_an_sdk_that_looks_otherwise_stays_as_it_is(execute: Execute, tmp_path: Path) -> None:
    path = tmp_path / "sagemaker" / "remote_function" / "job.py"
    path.write_text("class _JobSettings:\n    _get_default_image = staticmethod(lambda session: 'its own')\n")
    assert execute(ASK) == "its own"
