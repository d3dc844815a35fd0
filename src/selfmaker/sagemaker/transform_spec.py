"""From a CreateTransformJob request to what the engine runs, with the checks that AWS makes beyond the model's."""

from dataclasses import asdict

from selfmaker.aws.operation import Call, Request
from selfmaker.errors import Invalid
from selfmaker.jobs.spec import JobSpec
from selfmaker.objects.store import ObjectStore
from selfmaker.sagemaker import model
from selfmaker.sagemaker.checks import check_data, invalid, s3_location
from selfmaker.transform.data_processing import CSV, JSON, JSON_LINES, media_type
from selfmaker.transform.json_path import JsonPath
from selfmaker.transform.kind import DEFAULT_PAYLOAD_MB, sending
from selfmaker.transform.splitting import LINE, NONE

LOG_GROUP = "/aws/sagemaker/TransformJobs"
MAX_PAYLOAD_MB = 100


def transform_spec(call: Call, request: Request, arn: str) -> JobSpec:
    """The engine's view of a transform job. Raises ValidationException as AwsError."""
    chosen = model.find(call, request["ModelName"])
    _check(call, request, chosen.document.get("ExecutionRoleArn", ""))
    served = model.container_specs(chosen)
    if any(container.many for container in served):
        raise invalid(f"ModelName: {chosen.name} is a multi-model container, which batch transform does not take.")
    resources = request["TransformResources"]
    return JobSpec(
        kind="TransformJob",
        region=call.region,
        name=request["TransformJobName"],
        arn=arn,
        image=served[0].image,
        role=chosen.document.get("ExecutionRoleArn", ""),
        instance_type=resources["InstanceType"],
        hosts=tuple(f"algo-{n}" for n in range(1, resources["InstanceCount"] + 1)),
        environment=request.get("Environment", {}),
        models=tuple(asdict(container) for container in served),
        output=request["TransformOutput"]["S3OutputPath"],
        network=served[0].network,
        log_group=LOG_GROUP,
    )


def _check(call: Call, request: Request, role: str) -> None:
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise invalid(
            f"TransformInput.DataSource.S3DataSource.S3DataType: {source['S3DataType']} is not supported for transform "
            "jobs. Use S3Prefix or ManifestFile."
        )
    check_data(call, "TransformInput.DataSource.S3DataSource.S3Uri", source["S3Uri"], role)
    output = request["TransformOutput"]["S3OutputPath"]
    _check_bucket(call, "TransformOutput.S3OutputPath", output)
    if "DataCaptureConfig" in request:
        _check_bucket(call, "DataCaptureConfig.DestinationS3Uri", request["DataCaptureConfig"]["DestinationS3Uri"])
    _check_payload(request)
    _check_processing(request)


def _check_bucket(call: Call, field: str, uri: str) -> None:
    bucket, _ = s3_location(field, uri)
    if not call.use(ObjectStore).bucket_exists(bucket):
        raise invalid(f"{field}: could not access S3 bucket {bucket!r}: The specified bucket does not exist.")


def _check_payload(request: Request) -> None:
    payload = request.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB)
    if payload > MAX_PAYLOAD_MB:
        raise invalid(f"MaxPayloadInMB: {payload} is larger than the limit of {MAX_PAYLOAD_MB} MB.")
    concurrent = request.get("MaxConcurrentTransforms", 0)
    if concurrent * payload > MAX_PAYLOAD_MB:
        raise invalid(
            f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {MAX_PAYLOAD_MB} MB, got {concurrent} * "
            f"{payload} MB."
        )


def _check_processing(request: Request) -> None:
    given = request.get("DataProcessing", {})
    for member in ("InputFilter", "OutputFilter"):
        try:
            JsonPath(given.get(member) or "$")
        except Invalid as error:
            raise invalid(f"DataProcessing.{member}: {error.message}") from None
    if sending(request, 1).filters.idle:
        return
    content_type = request["TransformInput"].get("ContentType", "")
    if media_type(content_type) not in (CSV, JSON, JSON_LINES):
        raise invalid(
            "DataProcessing and GenerateInferenceId need a TransformInput.ContentType of text/csv, application/json or "
            f"application/jsonlines, got {content_type!r}."
        )
    split = request["TransformInput"].get("SplitType", NONE)
    if split not in (NONE, LINE):
        raise invalid(f"DataProcessing needs a TransformInput.SplitType of Line or None, got {split}.")
