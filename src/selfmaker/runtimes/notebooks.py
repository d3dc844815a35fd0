"""Images for notebooks: ``sagemaker-distribution`` and ``sagemaker-data-science``, and what notebook jobs need in any.

A notebook job is a training job whose entry point is ``amazon_sagemaker_scheduler``. The program is a package that
every environment has (``packages/``); papermill and a kernel are added to the image's environment for such a job.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from selfmaker.errors import NotFound
from selfmaker.runtimes.base import Command, EnvironmentRequest, ImageReference
from selfmaker.runtimes.sklearn import COMMON

PROGRAM = "amazon_sagemaker_scheduler"
PACKAGES = ("ipykernel", "papermill")

REQUIREMENTS = (
    *COMMON,
    "ipykernel",
    "matplotlib",
    "numpy",
    "pandas",
    "pyarrow",
    "sagemaker<3",
    "scikit-learn",
    "scipy",
)

_REPOSITORY = re.compile(r"sagemaker-(distribution(-\w+)?|data-science(-\w+)*)")
# The first number of a distribution's tag (2.1-cpu) -> its Python.
_PYTHONS = {"0": "3.10", "1": "3.10", "2": "3.11", "3": "3.12"}
_NEWEST = "3.12"


class Notebooks:
    """See Runtime. What the images have more can be installed by the notebook."""

    name = "notebooks"
    description = "sagemaker-distribution, sagemaker-data-science (notebook jobs)"

    def matches(self, image: ImageReference) -> bool:
        return _REPOSITORY.fullmatch(image.repository) is not None

    def environment(self, image: ImageReference) -> EnvironmentRequest:
        if not self.matches(image):
            raise NotFound(f"{image.uri} is not an image for notebooks")
        python = _PYTHONS.get(image.tag.split(".")[0].split("-")[0], _NEWEST)
        found = re.search(r"-3(\d{1,2})(-v\d+)?$", image.repository)
        if found is not None:
            python = f"3.{found.group(1)}"
        note = "the image has many more packages than are here; `%pip install` in the notebook adds what it lacks"
        return EnvironmentRequest(name=f"notebooks-{python}", python=python, requirements=REQUIREMENTS, notes=(note,))

    def algorithm(self, image: ImageReference, python: Path) -> Command | None:
        return None


def is_notebook_job(argv: Sequence[str]) -> bool:
    """Whether a command is the one of a notebook job."""
    return bool(argv) and argv[0] == PROGRAM


def notebook_command(python: Path, argv: Sequence[str]) -> tuple[str, ...]:
    """The program of a notebook job, in an environment."""
    return (str(python), "-m", PROGRAM, *argv[1:])
