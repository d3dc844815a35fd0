"""Cleanup steps: they delete what earlier jobs of the execution have left in S3."""

from collections.abc import Iterator, Mapping
from typing import Any

from selfmaker.workflow.definition import Definition, Step
from selfmaker.workflow.port import CallError
from selfmaker.workflow.steps.base import FAILED, SUCCEEDED, Act, Begun, Document, Outcome, Plain

Problem = tuple[str, str, str]

# Whether a source must name its objects, by its type of step; a training job's are found by themselves.
_NAMES_OBJECTS: Mapping[str, bool] = {"Training": False, "Processing": True, "Transform": True}


class CleanupStep(Plain):
    """All is deleted within the start; what an interrupted start has deleted is deleted again, which is nothing."""

    blocking = True

    def start(self, act: Act) -> Begun | Outcome:
        jobs = _jobs(act)
        cleaned: list[str] = []
        failed: list[dict[str, str]] = []
        skipped: list[str] = []
        for source in act.arguments["Resources"]["S3"]:
            name = source["StepName"]
            try:
                objects = _objects(act, jobs.get(name), source)
                for uri in objects or ():
                    _delete(act, uri)
            except CallError as error:
                code = "InternalFailure" if error.status >= 500 else "ClientError"
                failed.append({"StepName": name, "ErrorCode": code, "ErrorMessage": error.message})
            else:
                (skipped if objects is None else cleaned).append(name)
        told = {"CleanedSteps": cleaned, "FailedSteps": failed, "SkippedSteps": skipped}
        metadata = {"Cleanup": {name: value for name, value in told.items() if value}}
        if not failed:
            return Outcome(SUCCEEDED, metadata=metadata)
        whose = "; ".join(f"{each['StepName']}: {each['ErrorMessage']}" for each in failed)
        return Outcome(FAILED, metadata=metadata, failure=f"ClientError: Unable to delete the outputs of {whose}")


def problems(step: Step, definition: Definition) -> Iterator[Problem]:
    """What is wrong with a Cleanup step's sources, as the rules of definitions tell of it."""
    resources = step.arguments.get("Resources")
    sources = resources.get("S3") if isinstance(resources, dict) else None
    place = f"{step.place}.Arguments.Resources.S3"
    if not isinstance(sources, list) or not sources:
        yield step.name, place, "must be a list of at least one source"
        return
    for index, source in enumerate(sources):
        name = source.get("StepName") if isinstance(source, dict) else None
        known = definition.by_name.get(name) if isinstance(name, str) else None
        if known is None:
            yield step.name, f"{place}[{index}].StepName", f"there is no step {name!r}"
        elif known.type not in _NAMES_OBJECTS:
            wrong = f"{name} is a {known.type} step; outputs of {', '.join(_NAMES_OBJECTS)} steps can be deleted"
            yield step.name, f"{place}[{index}].StepName", wrong
        else:
            yield from ((step.name, f"{place}[{index}]{path}", wrong) for path, wrong in _wrong(step, known, source))


def _wrong(step: Step, source: Step, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    uris = given.get("S3Uris")
    for member in given.keys() - {"StepName", "S3Uris"}:
        yield f".{member}", f"Unknown Argument member {member!r}"
    if source.name not in step.triggers:
        yield ".StepName", f"{source.name} must be in DependsOn: only the outputs of a step that has run can be deleted"
    network = source.arguments.get("NetworkConfig")
    if source.arguments.get("VpcConfig") or (isinstance(network, dict) and network.get("VpcConfig")):
        yield ".StepName", f"{source.name} sets a VpcConfig: its outputs cannot be deleted"
    if _NAMES_OBJECTS[source.type] and not (isinstance(uris, list) and uris):
        yield ".S3Uris", f"is required for a {source.type} step, and must be a list of at least one URI"
    elif not _NAMES_OBJECTS[source.type] and uris is not None:
        yield ".S3Uris", f"cannot be given for a {source.type} step, whose outputs are found by themselves"


def _jobs(act: Act) -> dict[str, Document]:
    """What Describe tells of the jobs that this execution's steps have run, by the step's name. Raises CallError."""
    found = {}
    request: Document = {"PipelineExecutionArn": act.execution.arn, "MaxResults": 100}
    while True:
        listed = act.call("ListPipelineExecutionSteps", request)
        for row in listed["PipelineExecutionSteps"]:
            lent = (row.get("SelectiveExecutionResult") or {}).get("SourcePipelineExecutionArn")
            for noun in ("TrainingJob", "ProcessingJob", "TransformJob"):
                arn = ((row.get("Metadata") or {}).get(noun) or {}).get("Arn")
                if arn and not lent:
                    found[row["StepName"]] = act.call(f"Describe{noun}", {f"{noun}Name": arn.rpartition("/")[2]})
        if not listed.get("NextToken"):
            return found
        request["NextToken"] = listed["NextToken"]


def _objects(act: Act, job: Document | None, source: Mapping[str, Any]) -> list[str] | None:
    """The URIs of the objects to delete; None where the job has none to tell of. Raises CallError."""
    if job is None:
        return None
    if "TrainingJobArn" in job:
        artifacts = (job.get("ModelArtifacts") or {}).get("S3ModelArtifacts")
        return None if not artifacts else _below(act, f"{artifacts.rstrip('/').rpartition('/')[0]}/")
    places = _places(job)
    for uri in source["S3Uris"]:
        if not any(str(uri).startswith(f"{place.rstrip('/')}/") for place in places):
            raise _refused(f"{uri} is not below an output of the step, which are {', '.join(places)}")
    return [str(uri) for uri in source["S3Uris"]]


def _places(job: Document) -> list[str]:
    if "TransformOutput" in job:
        return [job["TransformOutput"]["S3OutputPath"]]
    outputs = (job.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    return [output["S3Output"]["S3Uri"] for output in outputs if output.get("S3Output")]


def _below(act: Act, uri: str) -> list[str]:
    bucket, prefix = _bucket_and_key(uri)
    request: Document = {"Bucket": bucket, "Prefix": prefix}
    found: list[str] = []
    while True:
        listed = act.call("ListObjectsV2", request, "s3")
        found += [f"s3://{bucket}/{item['Key']}" for item in listed.get("Contents") or []]
        if not listed.get("IsTruncated"):
            return found
        request["ContinuationToken"] = listed["NextContinuationToken"]


def _delete(act: Act, uri: str) -> None:
    bucket, key = _bucket_and_key(uri)
    act.call("DeleteObject", {"Bucket": bucket, "Key": key}, "s3")


def _bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not key:
        raise _refused(f"{uri!r} is not the URI of an object (s3://bucket/key)")
    return bucket, key


def _refused(message: str) -> CallError:
    return CallError("s3:DeleteObject", "ValidationException", message)
