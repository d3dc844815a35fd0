"""From a CreateProcessingJob request to what the engine runs, with the checks that AWS makes beyond the model's."""

import posixpath
from collections import Counter
from collections.abc import Iterable
from typing import Any

from selfmaker.aws.operation import Call, Request
from selfmaker.jobs.spec import JobSpec
from selfmaker.objects.store import ObjectStore
from selfmaker.runtimes.catalog import has_processing_program
from selfmaker.sagemaker.checks import check_data, check_image, invalid, s3_location
from selfmaker.sagemaker.instance_preferences import instance_count, instance_type, with_selection

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
DEFAULT_MAX_RUNTIME = 86400


def processing_spec(call: Call, request: Request, arn: str) -> JobSpec:
    """The engine's view of a processing job. Raises ValidationException as AwsError."""
    _check(call, request)
    application = request["AppSpecification"]
    cluster = request["ProcessingResources"]["ClusterConfig"]
    return JobSpec(
        kind="ProcessingJob",
        region=call.region,
        name=request["ProcessingJobName"],
        arn=arn,
        image=application["ImageUri"],
        role=request["RoleArn"],
        instance_type=instance_type(cluster) or "",
        hosts=tuple(f"algo-{n}" for n in range(1, (instance_count(cluster) or 0) + 1)),
        entrypoint=tuple(application.get("ContainerEntrypoint", ())),
        arguments=tuple(application.get("ContainerArguments", ())),
        environment=request.get("Environment", {}),
        inputs=tuple(i for i in request.get("ProcessingInputs", ()) if not i.get("AppManaged", False)),
        outputs=tuple(
            o
            for o in request.get("ProcessingOutputConfig", {}).get("Outputs", ())
            if not o.get("AppManaged", False) and "LocalPath" in o.get("S3Output", {})
        ),
        max_runtime=request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME),
        network=not request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False),
        log_group=LOG_GROUP,
    )


def with_instances(request: Request) -> Request:
    """The request, with one of its cluster's InstancePreferences selected."""
    resources = request["ProcessingResources"]
    if "ClusterConfig" not in resources:
        return request
    cluster = with_selection(resources["ClusterConfig"], "ProcessingResources.ClusterConfig")
    return {**request, "ProcessingResources": {**resources, "ClusterConfig": cluster}}


def _check(call: Call, request: Request) -> None:
    application = request["AppSpecification"]
    check_image("AppSpecification.ImageUri", application["ImageUri"])
    if not application.get("ContainerEntrypoint") and not has_processing_program(application["ImageUri"]):
        raise invalid(
            f"AppSpecification.ContainerEntrypoint is required: the image {application['ImageUri']} has no program of "
            "its own to run (an image that you declare has one by `entrypoint`)."
        )
    cluster = request["ProcessingResources"].get("ClusterConfig", {})
    found = {"InstanceType": instance_type(cluster), "InstanceCount": instance_count(cluster)}
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise invalid(f"ProcessingResources.ClusterConfig.{missing[0]} is required.")
    inputs = request.get("ProcessingInputs", [])
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    _check_unique("InputName of ProcessingInputs", (i["InputName"] for i in inputs))
    _check_unique("OutputName of ProcessingOutputConfig.Outputs", (o["OutputName"] for o in outputs))
    for given in inputs:
        _check_input(call, request, given)
    for output in outputs:
        _check_output(call, output)
    places = [given["S3Input"]["LocalPath"] for given in inputs if not given.get("AppManaged", False)]
    places += [output["S3Output"]["LocalPath"] for output in outputs if not output.get("AppManaged", False)]
    _check_unique(
        "LocalPath of ProcessingInputs and of ProcessingOutputConfig.Outputs", map(posixpath.normpath, places)
    )


def _check_unique(field: str, values: Iterable[str]) -> None:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise invalid(f"{field} must be unique, repeated: {', '.join(repeated)}")


def _check_input(call: Call, request: Request, given: dict[str, Any]) -> None:
    name = f"ProcessingInputs {given['InputName']!r}"
    if "DatasetDefinition" in given:
        raise invalid(f"{name}: DatasetDefinition (Athena, Redshift) is not supported here. Use S3Input.")
    if "S3Input" not in given:
        raise invalid(f"{name}: S3Input is required.")
    if given.get("AppManaged", False):
        return
    data = given["S3Input"]
    _check_path(f"{name}: S3Input.LocalPath", data.get("LocalPath"))
    if data.get("S3InputMode", "File") == "Pipe":
        raise invalid(f"{name}: S3InputMode Pipe is not supported here. Use File.")
    check_data(call, f"{name}: S3Uri", data["S3Uri"], request["RoleArn"])


def _check_output(call: Call, output: dict[str, Any]) -> None:
    name = f"ProcessingOutputConfig output {output['OutputName']!r}"
    if "FeatureStoreOutput" in output:
        raise invalid(f"{name}: FeatureStoreOutput is not supported here. Use S3Output.")
    if "S3Output" not in output:
        raise invalid(f"{name}: S3Output is required.")
    if output.get("AppManaged", False):
        return
    _check_path(f"{name}: S3Output.LocalPath", output["S3Output"].get("LocalPath"))
    bucket, _ = s3_location(f"{name}: S3Uri", output["S3Output"]["S3Uri"])
    if not call.use(ObjectStore).bucket_exists(bucket):
        raise invalid(f"{name}: could not access S3 bucket {bucket!r}: The specified bucket does not exist.")


def _check_path(field: str, path: str | None) -> None:
    if path is None or not path.startswith("/opt/ml/processing"):
        raise invalid(f"{field}: {path!r} must be a path that starts with /opt/ml/processing")
    if ".." in path.split("/"):
        raise invalid(f"{field}: {path!r} must not contain '..'")
