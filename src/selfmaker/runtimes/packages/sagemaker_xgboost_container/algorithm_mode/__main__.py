"""``python -m sagemaker_xgboost_container.algorithm_mode``: what the image runs when a job names no program."""

from __future__ import annotations

import argparse
import logging
import sys
import traceback

from sagemaker_algorithm_toolkit.exceptions import BaseToolkitError, UserError

from sagemaker_xgboost_container.algorithm_mode.training import Job


def main() -> int:
    parser = argparse.ArgumentParser(prog="sagemaker_xgboost_container.algorithm_mode")
    parser.add_argument("--root", default="/opt/ml", help="the folder that the job sees as /opt/ml")
    parser.add_argument("--model-format", choices=("xgboost", "pickle"), default="xgboost")
    options = parser.parse_args()
    form = "[%(asctime)s:%(levelname)s] %(message)s"
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format=form, datefmt="%Y-%m-%d:%H:%M:%S")
    # XGBoost imports scikit-learn if it can, for interfaces that are not used here, which takes the longest of all.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    job = Job(options.root, pickled=options.model_format == "pickle")
    logging.info("Running XGBoost Sagemaker in algorithm mode")
    try:
        job.run()
    except BaseToolkitError as error:
        job.fail(f"CustomerError: {error.message}" if isinstance(error, UserError) else error.message)
        return 1
    except MemoryError:
        job.fail("CustomerError: the data does not fit into memory")
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost frame: whatever it is, the job's reason must say it
        traceback.print_exc()
        job.fail(f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
