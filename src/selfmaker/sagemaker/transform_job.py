"""Transform jobs: the operations, and how the engine's states read in AWS's words."""

from typing import Any

from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, Conflict, NotFound
from selfmaker.jobs import states
from selfmaker.jobs.engine import Jobs, Submission
from selfmaker.sagemaker import experiment_config
from selfmaker.sagemaker.experiment_config import TRANSFORM
from selfmaker.sagemaker.job_status import not_found, rejected, status
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.sagemaker.transform_spec import transform_spec
from selfmaker.store.jobs import Job

KIND = "TransformJob"

_INPUT = {"CompressionType": "None", "SplitType": "None"}
_OUTPUT = {"AssembleWith": "None", "KmsKeyId": ""}
_PROCESSING = {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}


@operation("sagemaker", "CreateTransformJob")
def create_transform_job(call: Call, request: Request) -> Output:
    arn = sagemaker_arn(call, "transform-job", request["TransformJobName"])
    spec = transform_spec(call, request, arn)
    document = {k: v for k, v in request.items() if k != "Tags"}
    also = experiment_config.tracked(call, request.get("ExperimentConfig", {}), TRANSFORM, spec.name, arn)
    try:
        job = call.use(Jobs).submit(Submission(spec, document, tag_mapping(request.get("Tags", [])), also))
    except AlreadyExists:
        raise AwsError(
            "ResourceInUse",
            "Transform job names must be unique within an AWS account and region, and a transform job with this name "
            f"already exists ({arn})",
        ) from None
    return {"TransformJobArn": job.arn}


@operation("sagemaker", "DescribeTransformJob")
def describe_transform_job(call: Call, request: Request) -> Output:
    job = find(call, request)
    if job.state == states.FINISHING:  # about to end: the client that waits a moment need not ask again
        job = call.use(Jobs).wait_for_change(job, timeout=2)
    return describe("sagemaker", "DescribeTransformJob", described(job))


@operation("sagemaker", "ListTransformJobs")
def list_transform_jobs(call: Call, request: Request) -> Output:
    rows = [described(job) for job in call.use(Jobs).of_kind(KIND, call.region)]
    listed = page(rows, request, "TransformJobSummaries", name="TransformJobName", status="TransformJobStatus")
    return describe("sagemaker", "ListTransformJobs", listed)


@operation("sagemaker", "StopTransformJob")
def stop_transform_job(call: Call, request: Request) -> Output:
    try:
        call.use(Jobs).stop(KIND, call.region, request["TransformJobName"])
    except NotFound:
        raise not_found() from None
    except Conflict:
        raise rejected("transform", find(call, request)) from None
    return None


def find(call: Call, request: Request) -> Job:
    """The job that the request names, or AWS's error."""
    try:
        return call.use(Jobs).get(KIND, call.region, request["TransformJobName"])
    except NotFound:
        raise not_found() from None


def described(job: Job) -> dict[str, Any]:
    """All that is known of a job, in the members of DescribeTransformJob."""
    document, progress = job.document, job.progress
    return {
        **document,
        "TransformInput": {**_INPUT, **document["TransformInput"]},
        "TransformOutput": {**_OUTPUT, **document["TransformOutput"]},
        "DataProcessing": {**_PROCESSING, **document.get("DataProcessing", {})},
        "TransformJobArn": job.arn,
        "TransformJobStatus": status(job),
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "TransformStartTime": progress.get("started"),
        "TransformEndTime": progress.get("ended"),
        "FailureReason": progress.get("failure"),
    }
