"""Retry policies: which failures of a step are tried again, how often and when."""

from collections.abc import Mapping, Sequence
from typing import Any

SERVICE_FAULT = "Step.SERVICE_FAULT"
THROTTLING = "Step.THROTTLING"
JOB_INTERNAL_ERROR = "SageMaker.JOB_INTERNAL_ERROR"
CAPACITY_ERROR = "SageMaker.CAPACITY_ERROR"
RESOURCE_LIMIT = "SageMaker.RESOURCE_LIMIT"
ALL = "ALL"
EXCEPTION_TYPES = (SERVICE_FAULT, THROTTLING, JOB_INTERNAL_ERROR, CAPACITY_ERROR, RESOURCE_LIMIT, ALL)

AUTOMATIC: Mapping[str, Any] = {
    "ExceptionType": (THROTTLING, SERVICE_FAULT),
    "IntervalSeconds": 1,
    "BackoffRate": 2.0,
    "MaxAttempts": 5,
}
"""What holds for these where a step's own policies do not name them, as on AWS; the numbers are ours."""

MOST_ATTEMPTS = 20
LONGEST_MINUTES = 14400

_CALLS = {
    "ThrottlingException": THROTTLING,
    "Throttling": THROTTLING,
    "TooManyRequestsException": THROTTLING,
    "ResourceLimitExceeded": RESOURCE_LIMIT,
}
_REASONS = (
    ("InternalServerError", JOB_INTERNAL_ERROR),
    ("CapacityError", CAPACITY_ERROR),
    ("ResourceLimitExceeded", RESOURCE_LIMIT),
)


def of_call(code: str, status: int) -> str | None:
    """The exception type of an operation that was refused; None where it is the request's own fault."""
    if status >= 500 and status != 501:
        return SERVICE_FAULT
    return _CALLS.get(code)


def of_job(reason: str) -> str | None:
    """The exception type of a job that failed for ``reason``; None where it is the program's own fault."""
    return next((kind for start, kind in _REASONS if reason.startswith(start)), None)


def delay(
    policies: Sequence[Mapping[str, Any]], exception: str | None, tries: Sequence[float], now: float
) -> float | None:
    """Seconds until the next attempt, None for no more. ``tries`` are the times at which the step was started so far.

    The first policy that names the exception decides; its attempts count those after the first run of the step.
    """
    for policy in policies:
        types = policy.get("ExceptionType") or []
        if exception not in types and ALL not in types:
            continue
        retries = len(tries) - 1
        if "MaxAttempts" in policy and retries >= policy["MaxAttempts"]:
            return None
        wait = float(policy.get("IntervalSeconds", 1)) * float(policy.get("BackoffRate", 2.0)) ** retries
        if "ExpireAfterMin" in policy and now + wait > tries[0] + 60 * policy["ExpireAfterMin"]:
            return None
        return wait
    return None
