"""From a CreateTrainingJob request to what the engine runs, with the checks that AWS makes beyond the model's."""

import re
from collections import Counter
from typing import Any

from selfmaker.aws.operation import Call, Request
from selfmaker.contract import script_mode
from selfmaker.errors import NotFound
from selfmaker.jobs.spec import JobSpec
from selfmaker.objects.store import ObjectStore
from selfmaker.runtimes.catalog import algorithm_metrics
from selfmaker.sagemaker.checks import check_data, check_image, invalid, s3_location
from selfmaker.sagemaker.instance_preferences import instance_count, instance_type, with_selection

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
DEFAULT_MAX_RUNTIME = 86400


def training_spec(call: Call, request: Request, arn: str) -> JobSpec:
    """The engine's view of a training job. Raises ValidationException as AwsError."""
    _check(call, request)
    algorithm = request["AlgorithmSpecification"]
    resources = request["ResourceConfig"]
    checkpoint = request.get("CheckpointConfig", {})
    groups = tuple(resources.get("InstanceGroups", ()))
    return JobSpec(
        kind="TrainingJob",
        region=call.region,
        name=request["TrainingJobName"],
        arn=arn,
        image=algorithm["TrainingImage"],
        role=request["RoleArn"],
        instance_type=groups[0]["InstanceType"] if groups else instance_type(resources) or "",
        hosts=tuple(f"algo-{n}" for n in range(1, _instance_count(resources) + 1)),
        groups=groups,
        entrypoint=tuple(algorithm.get("ContainerEntrypoint", ())),
        arguments=tuple(algorithm.get("ContainerArguments", ())),
        hyperparameters=request.get("HyperParameters", {}),
        environment=request.get("Environment", {}),
        input_mode=algorithm["TrainingInputMode"],
        channels=tuple(request.get("InputDataConfig", ())),
        output=request["OutputDataConfig"]["S3OutputPath"],
        compressed=request["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP",
        checkpoint_uri=checkpoint.get("S3Uri", ""),
        checkpoint_path=checkpoint.get("LocalPath", "/opt/ml/checkpoints"),
        max_runtime=request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME),
        spot=request.get("EnableManagedSpotTraining", False),
        max_wait=request.get("StoppingCondition", {}).get("MaxWaitTimeInSeconds", 0),
        attempts=1 + request.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0),
        metric_definitions=tuple((d["Name"], d["Regex"]) for d in algorithm.get("MetricDefinitions", ())),
        network=not request.get("EnableNetworkIsolation", False),
        log_group=LOG_GROUP,
    )


def _instance_count(resources: dict[str, Any]) -> int:
    groups = resources.get("InstanceGroups")
    if groups:
        return sum(group["InstanceCount"] for group in groups)
    count = instance_count(resources)
    return 1 if count is None else count


def with_instances(request: Request) -> Request:
    """The request, with one of its ResourceConfig's InstancePreferences selected."""
    if "ResourceConfig" not in request:
        return request
    return {**request, "ResourceConfig": with_selection(request["ResourceConfig"], "ResourceConfig")}


def with_algorithm_metrics(request: Request) -> Request:
    """The request, with the metrics of its image's own algorithm defined, where it is that which will run."""
    algorithm = request.get("AlgorithmSpecification", {})
    given = algorithm.get("MetricDefinitions", [])
    program = script_mode.settings(request.get("HyperParameters", {}), request.get("Environment", {}))
    if program is not None or algorithm.get("ContainerEntrypoint") or "TrainingImage" not in algorithm:
        return request
    try:
        found = algorithm_metrics(algorithm["TrainingImage"])
    except NotFound:
        return request
    names = {definition["Name"] for definition in given}
    added = [{"Name": name, "Regex": regex} for name, regex in found if name not in names]
    if not added:
        return request
    return {**request, "AlgorithmSpecification": {**algorithm, "MetricDefinitions": [*given, *added]}}


def _check(call: Call, request: Request) -> None:
    _check_algorithm(request)
    _check_resources(request)
    _check_stopping(request)
    _check_output(call, request)
    _check_channels(call, request)


def _check_algorithm(request: Request) -> None:
    algorithm = request.get("AlgorithmSpecification")
    if algorithm is None:
        raise invalid("AlgorithmSpecification is required: name a TrainingImage.")
    if "AlgorithmName" in algorithm:
        raise invalid(
            "AlgorithmSpecification.AlgorithmName: algorithm resources and marketplace algorithms are not available "
            "here. Name the image itself in AlgorithmSpecification.TrainingImage."
        )
    if "TrainingImage" not in algorithm:
        raise invalid("AlgorithmSpecification must have either TrainingImage or AlgorithmName.")
    check_image("AlgorithmSpecification.TrainingImage", algorithm["TrainingImage"])
    for definition in algorithm.get("MetricDefinitions", ()):
        try:
            re.compile(definition["Regex"])
        except re.error as error:
            raise invalid(
                f"Invalid regular expression {definition['Regex']!r} for metric {definition['Name']!r}: {error}"
            ) from None


def _check_resources(request: Request) -> None:
    if "ServerlessJobConfig" in request:
        raise invalid("ServerlessJobConfig is not supported here: give AlgorithmSpecification and ResourceConfig.")
    resources = request.get("ResourceConfig")
    if resources is None:
        raise invalid("ResourceConfig is required.")
    if resources.get("InstanceGroups"):
        if "InstanceType" in resources or "InstanceCount" in resources:
            raise invalid("ResourceConfig: InstanceGroups excludes InstanceType and InstanceCount.")
    elif instance_type(resources) is None or instance_count(resources) is None:
        raise invalid("ResourceConfig must have either InstanceType and InstanceCount, or InstanceGroups.")
    if "InstancePreferences" in resources and request.get("EnableManagedSpotTraining"):
        raise invalid("ResourceConfig: InstancePreferences excludes EnableManagedSpotTraining.")
    if _instance_count(resources) < 1:
        raise invalid("ResourceConfig.InstanceCount: a training job needs at least 1 instance.")


def _check_stopping(request: Request) -> None:
    stopping = request.get("StoppingCondition", {})
    longest = stopping.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME)
    wait = stopping.get("MaxWaitTimeInSeconds")
    if request.get("EnableManagedSpotTraining"):
        if wait is None or wait < longest:
            raise invalid(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
            )
    elif wait is not None:
        raise invalid("MaxWaitTimeInSeconds is only supported with EnableManagedSpotTraining.")


def _check_output(call: Call, request: Request) -> None:
    path = request["OutputDataConfig"]["S3OutputPath"]
    bucket, _ = s3_location("OutputDataConfig.S3OutputPath", path)
    if not call.use(ObjectStore).bucket_exists(bucket):
        raise invalid(
            f"OutputDataConfig.S3OutputPath: could not access S3 bucket {bucket!r}: "
            "The specified bucket does not exist."
        )
    if "CheckpointConfig" in request:
        s3_location("CheckpointConfig.S3Uri", request["CheckpointConfig"]["S3Uri"])


def _check_channels(call: Call, request: Request) -> None:
    channels = request.get("InputDataConfig", ())
    repeated = [name for name, n in Counter(channel["ChannelName"] for channel in channels).items() if n > 1]
    if repeated:
        raise invalid(f"Duplicate channel names are not allowed in InputDataConfig: {', '.join(repeated)}")
    for channel in channels:
        _check_channel(call, request, channel)


def _check_channel(call: Call, request: Request, channel: dict[str, Any]) -> None:
    name = f"InputDataConfig channel {channel['ChannelName']!r}"
    mode = channel.get("InputMode", request["AlgorithmSpecification"]["TrainingInputMode"])
    source = channel.get("DataSource", {}).get("S3DataSource")
    if source is None:
        raise invalid(f"{name}: only DataSource.S3DataSource is supported here.")
    if source["S3DataType"] == "AugmentedManifestFile":
        if mode != "Pipe" or not source.get("AttributeNames"):
            raise invalid(f"{name}: S3DataType AugmentedManifestFile needs AttributeNames and input mode Pipe.")
    elif mode != "Pipe" and channel.get("RecordWrapperType", "None") != "None":
        raise invalid(f"{name}: RecordWrapperType {channel['RecordWrapperType']} needs input mode Pipe.")
    check_data(call, f"{name}: S3Uri", source["S3Uri"], request["RoleArn"])
