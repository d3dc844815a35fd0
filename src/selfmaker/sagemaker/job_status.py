"""What the operations on jobs of every kind have in common: the status, and AWS's words where there is no such job."""

from selfmaker.aws.errors import AwsError
from selfmaker.jobs import states
from selfmaker.store.jobs import Job


def status(job: Job) -> str:
    """InProgress, Completed, Failed, Stopping or Stopped."""
    if job.state in states.FINAL:
        return job.state
    return "Stopping" if job.stop_requested else "InProgress"


def not_found() -> AwsError:
    return AwsError("ValidationException", "Requested resource not found.")


def rejected(kind: str, job: Job) -> AwsError:
    """``kind`` in lower case: training, processing."""
    return AwsError(
        "ValidationException", f"The request was rejected because the {kind} job is in status {status(job)}."
    )
