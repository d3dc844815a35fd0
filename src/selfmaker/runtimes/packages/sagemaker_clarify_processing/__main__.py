"""``python -m sagemaker_clarify_processing``: configured by analysis_config.json, as the SDK writes it."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import NoReturn

from sagemaker_clarify_processing.analysis import analyze
from sagemaker_clarify_processing.job import MESSAGE, Job, UserError


def main() -> int:
    signal.signal(signal.SIGTERM, _leave)
    try:
        job = Job.read()
        if not job.first_host:
            print("The first host does the analysis.")
            return 0
        message = analyze(job)
    except UserError as error:
        _tell(f"ClientError: {error}")
        sys.stderr.write(f"{error}\n")
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost frame: what it was must reach the job's description
        traceback.print_exc()
        _tell(f"InternalError: {error!r}")
        return 1
    print(message)
    _tell(message)
    return 0


def _leave(*_: object) -> NoReturn:
    """The job is stopped: leave by way of what must be cleaned up, such as the model's endpoint."""
    raise SystemExit(128 + signal.SIGTERM)


def _tell(message: str) -> None:
    """It becomes the job's ExitMessage."""
    os.makedirs(os.path.dirname(MESSAGE), exist_ok=True)
    with open(MESSAGE, "w") as file:
        file.write(message)


if __name__ == "__main__":
    sys.exit(main())
