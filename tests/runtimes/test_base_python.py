"""Remote functions' images, and which SDK their jobs need."""

import pytest

from selfmaker.runtimes.base_python import sdk_of_caller
from selfmaker.runtimes.catalog import parse_image, runtime_for

DRIVER = "/opt/ml/input/data/sagemaker_remote_function_bootstrap/job_driver.sh"


@pytest.mark.parametrize(("digits", "python"), [("38", "3.8"), ("310", "3.10"), ("311", "3.11")])
def test_the_python_is_in_the_images_name(digits: str, python: str) -> None:
    uri = f"081325390199.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python-{digits}:1.0"
    assert runtime_for(uri).environment(parse_image(uri)).python == python


def test_the_sdk_is_the_callers() -> None:
    argv = ["/bin/bash", DRIVER, "--s3_base_uri", "s3://b/x", "--client_sagemaker_pysdk_version", "3.27.0"]
    assert sdk_of_caller(argv) == "sagemaker==3.27.0"


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["python", "train.py", "--client_sagemaker_pysdk_version", "3.27.0"],
        ["/bin/bash", DRIVER],
        ["/bin/bash", DRIVER, "--client_sagemaker_pysdk_version"],
        ["/bin/bash", DRIVER, "--client_sagemaker_pysdk_version", "3.0.0.dev0"],
        ["/bin/bash", DRIVER, "--client_sagemaker_pysdk_version", "3.27.0 --index-url=x"],
    ],
)
def test_nothing_is_added_where_no_released_sdk_is_named(argv: list[str]) -> None:
    assert sdk_of_caller(argv) is None
