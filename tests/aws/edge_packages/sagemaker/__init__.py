"""json 1.1."""

import threading
from typing import Any

from selfmaker import errors
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, operation

SEEN: list[dict[str, Any]] = []
GATE = threading.Event()


@operation("sagemaker", "CreateTrainingJob")
def create_training_job(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    SEEN.append(request)
    return {
        "TrainingJobArn": f"arn:aws:sagemaker:{call.region}:{call.account}:training-job/{request['TrainingJobName']}"
    }


@operation("sagemaker", "DescribeTrainingJob")
def describe_training_job(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name = request["TrainingJobName"]
    failures: dict[str, Exception] = {
        "missing": errors.NotFound("Could not find missing"),
        "limit": errors.LimitExceeded("too many"),
        "lacking": errors.Unavailable("no sandbox"),
        "aws": AwsError("ResourceNotFound", "Requested resource not found."),
        "defect": RuntimeError("a secret that must not leak"),
        "full": OSError(28, "No space left on device"),
    }
    if name in failures:
        raise failures[name]
    if name == "held":
        GATE.wait(10)
    return {
        "TrainingJobName": name,
        "TrainingJobStatus": "Completed",
        "CreationTime": 1700000000.1234,
        "LastModifiedTime": 1700000001,
        "FinalMetricDataList": [{"MetricName": "größe", "Value": 0.5, "Timestamp": 1700000002.5}],
        "HyperParameters": {"a": "1"},
        "FailureReason": None,
        "NotInTheModel": 1,
    }


@operation("sagemaker", "DeleteModel")
async def delete_model(call: Call, request: dict[str, Any]) -> None:
    SEEN.append(request)
