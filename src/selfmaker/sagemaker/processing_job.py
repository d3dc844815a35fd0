"""Processing jobs: the operations, and how the engine's states read in AWS's words."""

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
from selfmaker.sagemaker.experiment_config import PROCESSING
from selfmaker.sagemaker.job_component import of_processing_job
from selfmaker.sagemaker.job_status import not_found, rejected, status
from selfmaker.sagemaker.processing_spec import DEFAULT_MAX_RUNTIME, processing_spec, with_instances
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.store.jobs import Job

KIND = "ProcessingJob"


@operation("sagemaker", "CreateProcessingJob")
def create_processing_job(call: Call, request: Request) -> Output:
    arn = sagemaker_arn(call, "processing-job", request["ProcessingJobName"])
    request = with_instances(request)
    spec = processing_spec(call, request, arn)
    document = {k: v for k, v in request.items() if k != "Tags"}
    also = experiment_config.tracked(call, request.get("ExperimentConfig", {}), PROCESSING, spec.name, arn)
    try:
        job = call.use(Jobs).submit(Submission(spec, document, tag_mapping(request.get("Tags", [])), also))
    except AlreadyExists:
        raise AwsError(
            "ResourceInUse",
            "Processing job names must be unique within an AWS account and region, and a processing job with this "
            f"name already exists ({arn})",
        ) from None
    return {"ProcessingJobArn": job.arn}


@operation("sagemaker", "DescribeProcessingJob")
def describe_processing_job(call: Call, request: Request) -> Output:
    job = find(call, request)
    if job.state == states.FINISHING:  # about to end: the client that waits a moment need not ask again
        job = call.use(Jobs).wait_for_change(job, timeout=2)
    return describe("sagemaker", "DescribeProcessingJob", described(job))


@operation("sagemaker", "ListProcessingJobs")
def list_processing_jobs(call: Call, request: Request) -> Output:
    rows = [described(job) for job in call.use(Jobs).of_kind(KIND, call.region)]
    listed = page(rows, request, "ProcessingJobSummaries", name="ProcessingJobName", status="ProcessingJobStatus")
    return describe("sagemaker", "ListProcessingJobs", listed)


@operation("sagemaker", "StopProcessingJob")
def stop_processing_job(call: Call, request: Request) -> Output:
    try:
        call.use(Jobs).stop(KIND, call.region, request["ProcessingJobName"])
    except NotFound:
        raise not_found() from None
    except Conflict:
        raise rejected("processing", find(call, request)) from None
    return None


@operation("sagemaker", "DeleteProcessingJob")
def delete_processing_job(call: Call, request: Request) -> Output:
    job, name = find(call, request), request["ProcessingJobName"]
    if job.state in states.FINAL:
        experiment_config.freeze(call, job.arn, of_processing_job(described(job)))
    try:
        call.use(Jobs).delete(KIND, call.region, name)
    except NotFound:
        raise not_found() from None
    except Conflict:
        raise AwsError(
            "ResourceInUse",
            f"The processing job {name} is in status {status(find(call, request))}. Stop it, and delete it once it "
            "has ended.",
        ) from None
    return None


def find(call: Call, request: Request) -> Job:
    """The job that the request names, or AWS's error."""
    try:
        return call.use(Jobs).get(KIND, call.region, request["ProcessingJobName"])
    except NotFound:
        raise not_found() from None


def described(job: Job) -> dict[str, Any]:
    """All that is known of a job, in the members of DescribeProcessingJob (and of Search's ProcessingJob)."""
    progress = job.progress
    return {
        **job.document,
        "StoppingCondition": {"MaxRuntimeInSeconds": DEFAULT_MAX_RUNTIME, **job.document.get("StoppingCondition", {})},
        "ProcessingJobArn": job.arn,
        "ProcessingJobStatus": status(job),
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "ProcessingStartTime": progress.get("started"),
        "ProcessingEndTime": progress.get("ended"),
        "FailureReason": progress.get("failure"),
        "ExitMessage": progress.get("exit_message"),
    }
