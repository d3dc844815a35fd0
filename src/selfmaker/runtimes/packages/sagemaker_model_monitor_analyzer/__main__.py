"""``python -m sagemaker_model_monitor_analyzer``: configured by environment variables, as the SDK sets them."""

from __future__ import annotations

import os
import sys
import traceback

from sagemaker_model_monitor_analyzer import data_quality_job, model_quality_job
from sagemaker_model_monitor_analyzer.settings import MESSAGE, Settings, UserError


def main() -> int:
    try:
        settings = Settings.of(os.environ)
        work = model_quality_job if settings.analysis_type == "MODEL_QUALITY" else data_quality_job
        message = work.run(settings)
    except UserError as error:
        _tell("Error: " + str(error))
        sys.stderr.write(str(error) + "\n")
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost frame: what it was must reach the job's description
        traceback.print_exc()
        _tell("Error: " + repr(error))
        return 1
    print(message)
    _tell(message)
    return 0


def _tell(message: str) -> None:
    """It becomes the job's ExitMessage."""
    os.makedirs(os.path.dirname(MESSAGE), exist_ok=True)
    with open(MESSAGE, "w") as file:
        file.write(message)


if __name__ == "__main__":
    sys.exit(main())
