"""Training jobs: the operations, and how the engine's states read in AWS's words."""

import math
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
from selfmaker.sagemaker.experiment_config import TRAINING
from selfmaker.sagemaker.job_component import of_training_job
from selfmaker.sagemaker.job_status import not_found, rejected, status
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.sagemaker.training_observers import rules, warm_pool
from selfmaker.sagemaker.training_spec import DEFAULT_MAX_RUNTIME, training_spec, with_algorithm_metrics, with_instances
from selfmaker.settings import Settings
from selfmaker.store.jobs import Job

KIND = "TrainingJob"

_SECONDARY = {
    states.QUEUED: ("Pending", ""),
    states.PREPARING: ("Starting", "Preparing the instances for training"),
    states.LOADING: ("Downloading", "Downloading the training image"),
    states.RUNNING: ("Training", "Training image download completed. Training in progress."),
    states.FINISHING: ("Uploading", "Uploading generated training model"),
    states.COMPLETED: ("Completed", "Training job completed"),
    states.FAILED: ("Failed", "Training job failed"),
    states.STOPPED: ("Stopped", "Training job stopped"),
    "Stopping": ("Stopping", "Stopping the training job"),
    "Interrupted": ("Interrupted", "The spot capacity was taken back; the job resumes from its checkpoints"),
    "Restarting": ("Restarting", "Restarting the training job after an internal error"),
}


@operation("sagemaker", "CreateTrainingJob")
def create_training_job(call: Call, request: Request) -> Output:
    arn = sagemaker_arn(call, "training-job", request["TrainingJobName"])
    request = with_instances(with_algorithm_metrics(request))
    spec = training_spec(call, request, arn)
    tags = tag_mapping(request.get("Tags", []))
    document = {k: v for k, v in request.items() if k != "Tags"}
    also = experiment_config.tracked(call, request.get("ExperimentConfig", {}), TRAINING, spec.name, arn)
    try:
        job = call.use(Jobs).submit(Submission(spec, document, tags, also))
    except AlreadyExists:
        raise AwsError(
            "ResourceInUse",
            "Training job names must be unique within an AWS account and region, and a training job with this name "
            f"already exists ({arn})",
        ) from None
    return {"TrainingJobArn": job.arn}


@operation("sagemaker", "DescribeTrainingJob")
def describe_training_job(call: Call, request: Request) -> Output:
    job = find(call, request)
    if job.state == states.FINISHING:  # about to end: the client that waits a moment need not ask again
        job = call.use(Jobs).wait_for_change(job, timeout=2)
    return describe("sagemaker", "DescribeTrainingJob", described(job, call.use(Settings).spot_discount))


@operation("sagemaker", "ListTrainingJobs")
def list_training_jobs(call: Call, request: Request) -> Output:
    rows = [summary(job) for job in call.use(Jobs).of_kind(KIND, call.region)]
    if "WarmPoolStatusEquals" in request:
        wanted = request["WarmPoolStatusEquals"]
        rows = [row for row in rows if (row["WarmPoolStatus"] or {}).get("Status") == wanted]
    if "TrainingPlanArnEquals" in request:
        rows = []
    return page(rows, request, "TrainingJobSummaries", name="TrainingJobName", status="TrainingJobStatus")


@operation("sagemaker", "StopTrainingJob")
def stop_training_job(call: Call, request: Request) -> Output:
    name = request["TrainingJobName"]
    try:
        call.use(Jobs).stop(KIND, call.region, name)
    except NotFound:
        raise not_found() from None
    except Conflict:
        raise rejected("training", find(call, request)) from None
    return None


@operation("sagemaker", "UpdateTrainingJob")
def update_training_job(call: Call, request: Request) -> Output:
    job = find(call, request)
    changes = {k: v for k, v in request.items() if k not in ("TrainingJobName", "ResourceConfig")}
    if "RemoteDebugConfig" in changes:
        changes["RemoteDebugConfig"] = {**job.document.get("RemoteDebugConfig", {}), **changes["RemoteDebugConfig"]}
    if "ProfilerConfig" in changes:
        changes["ProfilerConfig"] = {**job.document.get("ProfilerConfig", {}), **changes["ProfilerConfig"]}
    if "ResourceConfig" in request:
        changes["ResourceConfig"] = {**job.document["ResourceConfig"], **request["ResourceConfig"]}
    try:
        call.use(Jobs).amend_document(KIND, call.region, job.name, changes)
    except Conflict:
        raise rejected("training", find(call, request)) from None
    return {"TrainingJobArn": job.arn}


@operation("sagemaker", "DeleteTrainingJob")
def delete_training_job(call: Call, request: Request) -> Output:
    job = find(call, request)
    if job.state in states.FINAL:
        experiment_config.freeze(call, job.arn, of_training_job(described(job)))
    try:
        call.use(Jobs).delete(KIND, call.region, request["TrainingJobName"])
    except NotFound:
        raise not_found() from None
    except Conflict:
        raise AwsError(
            "ResourceInUse",
            f"The training job {request['TrainingJobName']} is in status {status(find(call, request))}. "
            "Stop it, and delete it once it has ended.",
        ) from None
    return None


def find(call: Call, request: Request) -> Job:
    """The job that the request names, or AWS's error."""
    try:
        return call.use(Jobs).get(KIND, call.region, request["TrainingJobName"])
    except NotFound:
        raise not_found() from None


def described(job: Job, spot_discount: float = 0.0) -> dict[str, Any]:
    """All that is known of a job, in the members of DescribeTrainingJob (and of Search's TrainingJob)."""
    progress = job.progress
    transitions = [_transition(job, t) for t in progress["transitions"]]
    return {
        **_with_defaults(job.document),
        "TrainingJobArn": job.arn,
        "TrainingJobStatus": status(job),
        "SecondaryStatus": transitions[-1]["Status"],
        "SecondaryStatusTransitions": transitions,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "TrainingStartTime": progress.get("started"),
        "TrainingEndTime": progress.get("ended"),
        "FailureReason": progress.get("failure"),
        "ModelArtifacts": {"S3ModelArtifacts": progress.get("model")},
        "FinalMetricDataList": [
            {"MetricName": m["name"], "Value": m["value"], "Timestamp": m["time"]} for m in progress.get("metrics", [])
        ]
        or None,
        "WarmPoolStatus": warm_pool(job.document, job.state in states.FINAL),
        **rules(job.document, job.modified),
        **_durations(job, spot_discount),
    }


def summary(job: Job) -> dict[str, Any]:
    transitions = job.progress["transitions"]
    return {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "CreationTime": job.created,
        "TrainingEndTime": job.progress.get("ended"),
        "LastModifiedTime": job.modified,
        "TrainingJobStatus": status(job),
        "SecondaryStatus": _transition(job, transitions[-1])["Status"],
        "WarmPoolStatus": warm_pool(job.document, job.state in states.FINAL),
    }


def _waited_too_long(job: Job) -> bool:
    if job.progress.get("waited_too_long"):
        return True
    limit = job.spec["max_wait"]
    return bool(limit and job.progress.get("timed_out") and job.progress["ended"] >= job.created + limit)


def _durations(job: Job, spot_discount: float) -> dict[str, int]:
    """Whole seconds, never 0: the SDK divides by them. A spot job is billed for less than it ran."""
    progress = job.progress
    if "started" not in progress or "ended" not in progress:
        return {}
    seconds = max(1, math.ceil(progress.get("ran") or progress["ended"] - progress["started"]))
    billed = seconds * (1 - spot_discount) if job.spec["spot"] else seconds
    return {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": max(1, math.ceil(billed))}


def _transition(job: Job, transition: dict[str, Any]) -> dict[str, Any]:
    secondary, message = _SECONDARY[transition["status"]]
    if transition["status"] == states.STOPPED and _waited_too_long(job):
        secondary, message = "MaxWaitTimeExceeded", "Training job exceeded MaxWaitTimeInSeconds provided"
    elif transition["status"] == states.STOPPED and job.progress.get("timed_out"):
        secondary, message = "MaxRuntimeExceeded", "Training job runtime exceeded MaxRuntimeInSeconds provided"
    return {
        "Status": secondary,
        "StartTime": transition["start"],
        "EndTime": transition.get("end"),
        "StatusMessage": transition.get("message", message),
    }


def _with_defaults(document: dict[str, Any]) -> dict[str, Any]:
    """The request with the members that AWS fills in when they are left out."""
    output = document["OutputDataConfig"]
    return {
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        **document,
        "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP", **output},
        "StoppingCondition": {"MaxRuntimeInSeconds": DEFAULT_MAX_RUNTIME, **document.get("StoppingCondition", {})},
        "InputDataConfig": [
            {"CompressionType": "None", "RecordWrapperType": "None", **channel}
            for channel in document.get("InputDataConfig", [])
        ],
    }
