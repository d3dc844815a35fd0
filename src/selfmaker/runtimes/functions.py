"""The environments of functions: ``python3.12`` has that Python, boto3, and nothing else, as Lambda's has."""

import re

from selfmaker.errors import Invalid
from selfmaker.runtimes.base import EnvironmentRequest

OLDEST = 8  # of Python 3: what our program in the sandbox runs on

_RUNTIME = re.compile(r"python(\d)\.(\d{1,2})")


def function_environment(runtime: str) -> EnvironmentRequest:
    """Raises Invalid for a runtime that is not run here."""
    match = _RUNTIME.fullmatch(runtime)
    if match is None:
        raise Invalid(
            f"Runtime {runtime} is not run here: selfmaker runs functions in Python (python3.{OLDEST} and up)"
        )
    if int(match[1]) < 3 or int(match[2]) < OLDEST:
        raise Invalid(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating functions. We "
            "recommend you use a newer runtime while creating or updating functions."
        )
    return EnvironmentRequest(
        name=f"lambda-{runtime}", python=f"{match[1]}.{match[2]}", requirements=("boto3>=1.34", "urllib3")
    )
