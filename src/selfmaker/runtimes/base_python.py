"""The images of remote functions, ``sagemaker-base-python-310``, and the SDK that remote functions need in any image.

A remote function's job unpickles the caller's function with the SDK's own code, so it needs the caller's minor version
of Python, which the repository's name tells, and the caller's version of the SDK, which the job's arguments tell.
"""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from selfmaker.errors import NotFound
from selfmaker.runtimes.base import Command, EnvironmentRequest, ImageReference
from selfmaker.runtimes.sklearn import COMMON

REPOSITORY = "sagemaker-base-python"
DRIVER = "/sagemaker_remote_function_bootstrap/job_driver.sh"
VERSION_ARGUMENT = "--client_sagemaker_pysdk_version"

# A data frame that was pickled where PyArrow is can only be unpickled where it is, too.
REQUIREMENTS = (*COMMON, "pyarrow")

_REPOSITORY = re.compile(rf"{REPOSITORY}-3(\d{{1,2}})")
_RELEASED = re.compile(r"\d+(\.\d+)+((a|b|rc|\.post)\d+)?")


class BasePython:
    """See Runtime. AWS has these images for 3.8 and 3.10; here each Python that can be had is one."""

    name = "base_python"
    description = f"{REPOSITORY}-3xx (Python 3.xx: 310, 311, 312...)"

    def matches(self, image: ImageReference) -> bool:
        return _REPOSITORY.fullmatch(image.repository) is not None

    def environment(self, image: ImageReference) -> EnvironmentRequest:
        match = _REPOSITORY.fullmatch(image.repository)
        if match is None:
            raise NotFound(f"{image.uri} is not an image of {REPOSITORY}")
        python = f"3.{match.group(1)}"
        return EnvironmentRequest(name=f"base-python-{python}", python=python, requirements=REQUIREMENTS)

    def algorithm(self, image: ImageReference, python: Path) -> Command | None:
        return None


def sdk_of_caller(argv: Sequence[str]) -> str | None:
    """The SDK, as pip spells it, that a remote function's job (or a pipeline's ``@step``) was sent with; None for the
    command of any other job, and for an SDK of the caller's own making, which no index has."""
    if not any(argument.endswith(DRIVER) for argument in argv):
        return None
    following = dict(itertools.pairwise(argv))
    version = following.get(VERSION_ARGUMENT, "")
    return f"sagemaker=={version}" if _RELEASED.fullmatch(version) else None
