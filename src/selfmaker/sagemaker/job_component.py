"""How a job shows as a trial component: worked out from its description whenever somebody looks, never copied."""

import math
import re
from collections.abc import Mapping
from typing import Any

from selfmaker.sagemaker.instance_preferences import instance_count, instance_type

Members = dict[str, Any]

LONGEST_TEXT = 2500  # of a parameter's value
LONGEST_MESSAGE = 1024
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def of_training_job(job: Mapping[str, Any]) -> Members:
    """``job`` as DescribeTrainingJob shows it; the result in the members of DescribeTrialComponent."""
    resources, algorithm = job["ResourceConfig"], job["AlgorithmSpecification"]
    outputs = {"SageMaker.ModelArtifact": _artifact(job.get("ModelArtifacts", {}).get("S3ModelArtifacts"))}
    outputs["SageMaker.DebugHookOutput"] = _artifact(job.get("DebugHookConfig", {}).get("S3OutputPath"))
    channels = job.get("InputDataConfig", [])
    inputs = {c["ChannelName"]: _artifact(_channel_uri(c), c.get("ContentType")) for c in channels}
    status, reason = job["TrainingJobStatus"], job.get("FailureReason") or ""
    message = f"Status: {status}, secondary status: {job['SecondaryStatus']}, failure reason: {reason}."
    return {
        "Parameters": {
            **{name: parameter(value) for name, value in job.get("HyperParameters", {}).items()},
            **_machines(resources),
            **({"SageMaker.ImageUri": _text(algorithm["TrainingImage"])} if "TrainingImage" in algorithm else {}),
        },
        "InputArtifacts": _known(inputs),
        "OutputArtifacts": _known(outputs),
        **_life(status, message, job.get("TrainingStartTime"), job.get("TrainingEndTime")),
    }


def of_processing_job(job: Mapping[str, Any]) -> Members:
    """As ``of_training_job``, of what DescribeProcessingJob shows."""
    inputs = {i["InputName"]: _artifact(i.get("S3Input", {}).get("S3Uri")) for i in job.get("ProcessingInputs", [])}
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    made = {o["OutputName"]: _artifact(o.get("S3Output", {}).get("S3Uri")) for o in outputs}
    inputs["SageMaker.ImageUri"] = _artifact(job["AppSpecification"]["ImageUri"])
    status, reason = job["ProcessingJobStatus"], job.get("FailureReason") or ""
    message = f"Status: {status}, exit message: {job.get('ExitMessage') or ''}, failure reason: {reason}."
    return {
        "Parameters": _machines(job["ProcessingResources"]["ClusterConfig"]),
        "InputArtifacts": _known(inputs),
        "OutputArtifacts": _known(made),
        **_life(status, message, job.get("ProcessingStartTime"), job.get("ProcessingEndTime")),
    }


def of_transform_job(job: Mapping[str, Any]) -> Members:
    """As ``of_training_job``, of what DescribeTransformJob shows."""
    given, output = job["TransformInput"], job["TransformOutput"]
    source = given["DataSource"].get("S3DataSource", {}).get("S3Uri")
    status, reason = job["TransformJobStatus"], job.get("FailureReason") or ""
    return {
        "Parameters": {**_machines(job["TransformResources"]), "SageMaker.ModelName": _text(job["ModelName"])},
        "InputArtifacts": _known({"SageMaker.TransformInput": _artifact(source, given.get("ContentType"))}),
        "OutputArtifacts": _known(
            {"SageMaker.TransformOutput": _artifact(output.get("S3OutputPath"), output.get("Accept"))}
        ),
        **_life(
            status,
            f"Status: {status}, failure reason: {reason}.",
            job.get("TransformStartTime"),
            job.get("TransformEndTime"),
        ),
    }


def parameter(text: str) -> dict[str, Any]:
    """A hyperparameter as a number where it is one, else as text."""
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return {"NumberValue": float(text)}
    return _text(text)


def _text(text: str) -> dict[str, Any]:
    return {"StringValue": text[:LONGEST_TEXT]}


def _machines(resources: Mapping[str, Any]) -> Members:
    groups = resources.get("InstanceGroups", [])
    count = instance_count(resources) or sum(group["InstanceCount"] for group in groups)
    kind = instance_type(resources) or ",".join(sorted({group["InstanceType"] for group in groups}))
    found: Members = {"SageMaker.InstanceCount": {"NumberValue": float(count)}}
    if kind:
        found["SageMaker.InstanceType"] = _text(kind)
    if "VolumeSizeInGB" in resources:
        found["SageMaker.VolumeSizeInGB"] = {"NumberValue": float(resources["VolumeSizeInGB"])}
    return found


def _channel_uri(channel: Mapping[str, Any]) -> str:
    source = channel.get("DataSource", {})
    uri: str = source.get("S3DataSource", {}).get("S3Uri", "")
    return uri


def _artifact(uri: str | None, media_type: str | None = None) -> dict[str, str]:
    return {"Value": uri or "", **({"MediaType": media_type} if media_type else {})}


def _known(artifacts: Mapping[str, Mapping[str, str]]) -> Members:
    """Those that have a value."""
    return {name: artifact for name, artifact in artifacts.items() if artifact["Value"]}


def _life(status: str, message: str, start: float | None, end: float | None) -> Members:
    times = {"StartTime": start, "EndTime": end}
    return {
        "Status": {"PrimaryStatus": status, "Message": message[:LONGEST_MESSAGE]},
        **{name: moment for name, moment in times.items() if moment is not None},
    }
