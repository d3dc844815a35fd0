"""Cleanup steps: they delete what earlier jobs of the execution have left in S3."""

from collections.abc import Iterator, Mapping
from typing import Any

from selfmaker.errors import Invalid, NotFound
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
                    act.port.delete(uri)
            except (Invalid, NotFound) as error:
                failed.append({"StepName": name, "ErrorCode": "ClientError", "ErrorMessage": error.message})
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
    """What Describe tells of the jobs that this execution itself has run and that are still known, by the step's name:
    what a cache or a selective execution has lent is another execution's. Raises CallError."""
    found: dict[str, Document] = {}
    request: Document = {"PipelineExecutionArn": act.execution.arn, "MaxResults": 100}
    while True:
        listed = act.call("ListPipelineExecutionSteps", request)
        for row in listed["PipelineExecutionSteps"]:
            lenders = [row.get(member) or {} for member in ("CacheHitResult", "SelectiveExecutionResult")]
            if not any(lender.get("SourcePipelineExecutionArn") for lender in lenders):
                job = _described(act, row.get("Metadata") or {})
                found |= {row["StepName"]: job} if job else {}
        if not listed.get("NextToken"):
            return found
        request["NextToken"] = listed["NextToken"]


def _described(act: Act, metadata: Mapping[str, Any]) -> Document | None:
    for noun in ("TrainingJob", "ProcessingJob", "TransformJob"):
        if arn := (metadata.get(noun) or {}).get("Arn"):
            try:
                return act.call(f"Describe{noun}", {f"{noun}Name": arn.rpartition("/")[2]})
            except CallError as error:
                if error.status >= 500:
                    raise
    return None


def _objects(act: Act, job: Document | None, source: Mapping[str, Any]) -> list[str] | None:
    """The URIs of the objects to delete; None where the job has none to tell of. Raises Invalid, NotFound."""
    if job is None:
        return None
    if "TrainingJobArn" in job:
        artifacts = (job.get("ModelArtifacts") or {}).get("S3ModelArtifacts")
        return None if not artifacts else act.port.below(f"{artifacts.rstrip('/').rpartition('/')[0]}/")
    places = _places(job)
    for uri in source["S3Uris"]:
        if not any(str(uri).startswith(f"{place.rstrip('/')}/") for place in places):
            raise Invalid(f"{uri} is not below an output of the step, which are {', '.join(places)}")
    return [str(uri) for uri in source["S3Uris"]]


def _places(job: Document) -> list[str]:
    if "TransformOutput" in job:
        return [job["TransformOutput"]["S3OutputPath"]]
    outputs = (job.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    return [output["S3Output"]["S3Uri"] for output in outputs if output.get("S3Output")]
