"""From a change that the outbox kept to the event that SageMaker sends of it.

The forms are those of "Events that Amazon SageMaker AI sends to Amazon EventBridge" in the Developer Guide.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from selfmaker.aws import model
from selfmaker.aws.model import Shape
from selfmaker.aws.output import describe
from selfmaker.errors import NotFound
from selfmaker.events.form import event, moment
from selfmaker.jobs import states
from selfmaker.sagemaker import model_card, model_package, processing_job, training_job, transform_job
from selfmaker.store.executions import UNDER_WAY, ExecutionTable
from selfmaker.store.jobs import Job
from selfmaker.store.outbox import JOB_KINDS, Change, Waiting
from selfmaker.store.resources import Resource
from selfmaker.store.tags import Tags
from selfmaker.workflow.definition import parse

Detail = dict[str, Any]

_ENDPOINT_STATUS = {
    "Creating": "CREATING",
    "Updating": "UPDATING",
    "SystemUpdating": "SYSTEM_UPDATING",
    "RollingBack": "ROLLING_BACK",
    "InService": "IN_SERVICE",
    "Deleting": "DELETING",
    "Deleted": "DELETED",
    "Failed": "FAILED",
    "UpdateRollbackFailed": "UPDATE_ROLLBACK_FAILED",
    "OutOfService": "OUT_OF_SERVICE",
}
_NAMES = {
    "TrainingJob": "SageMaker Training Job State Change",
    "ProcessingJob": "SageMaker Processing Job State Change",
    "TransformJob": "SageMaker Transform Job State Change",
    "HyperParameterTuningJob": "SageMaker HyperParameter Tuning Job State Change",
    "Endpoint": "SageMaker Endpoint State Change",
    "EndpointConfig": "SageMaker Endpoint Config State Change",
    "FeatureGroup": "SageMaker Feature Group State Change",
    "Model": "SageMaker Model State Change",
    "ModelCard": "SageMaker Model Card State Change",
    "ModelPackage": "SageMaker Model Package State Change",
    "PipelineExecution": "SageMaker Model Building Pipeline Execution Status Change",
    "PipelineExecutionStep": "SageMaker Model Building Pipeline Execution Step Status Change",
}


@dataclass(frozen=True)
class SagemakerEvents:
    """Makes events of changes."""

    account: str
    tags: Tags
    executions: ExecutionTable

    def of(self, waiting: Waiting) -> dict[str, Any] | None:
        """None for a change that AWS sends no event of."""
        change = waiting.change
        name = _NAMES.get(change.kind)
        if name is None or (change.kind in JOB_KINDS and change.kind not in _JOBS):
            return None
        detail = self._detail(change)
        if detail is None:
            return None
        resources = [change.arn]
        if "pipelineArn" in detail:
            resources = [detail["pipelineArn"], detail["pipelineExecutionArn"]]
        return event(
            id=str(uuid.UUID(waiting.id)),
            kind=name,
            source="aws.sagemaker",
            account=self.account,
            time=waiting.time,
            region=change.region,
            resources=resources,
            detail=detail,
        )

    def _detail(self, change: Change) -> Detail | None:
        if change.kind == "PipelineExecution":
            return _execution(change)
        if change.kind == "PipelineExecutionStep":
            return self._step(change)
        if change.kind == "ModelCard":
            return _card(change, self.account)
        detail = _job(change) if change.kind in _JOBS else _resource(change)
        return None if detail is None else {**detail, "Tags": self.tags.of(change.arn)}

    def _step(self, change: Change) -> Detail:
        row = change.document
        document = row["document"]
        detail = {
            "metadata": {_camel(kind): _camel_members(told) for kind, told in (document.get("metadata") or {}).items()},
            "stepStartTime": moment(row["started"]),
            "stepEndTime": moment(row["ended"]) if row.get("ended") else None,
            "stepName": row["name"],
            "stepType": self._step_type(row),
            "previousStepStatus": change.previous,
            "currentStepStatus": change.status,
            "failureReason": document.get("failure") if change.status == "Failed" else None,
            "cacheHitResult": _source(document.get("cache_source")),
            "pipelineArn": row["pipeline"],
            "pipelineExecutionArn": change.arn,
        }
        return {name: value for name, value in detail.items() if value is not None}

    def _step_type(self, row: Mapping[str, Any]) -> str | None:
        try:
            execution = self.executions.get(row["execution"])
            definition = parse(self.executions.version(execution.pipeline, execution.version).definition)
        except NotFound:
            return None
        step = definition.by_name.get(row["name"])
        return str(step.raw["Type"]) if step is not None else None


def _execution(change: Change) -> Detail:
    row = change.document
    document = row["document"]
    ended = change.status not in UNDER_WAY
    detail = {
        "pipelineExecutionDisplayName": document.get("PipelineExecutionDisplayName"),
        "pipelineExecutionDescription": document.get("PipelineExecutionDescription"),
        "currentPipelineExecutionStatus": change.status,
        "previousPipelineExecutionStatus": change.previous,
        "executionStartTime": moment(row["created"]),
        "executionEndTime": moment(row["modified"]) if ended else None,
        "failureReason": document.get("failure") if change.status == "Failed" else None,
        "pipelineArn": row["pipeline"],
        "pipelineExecutionArn": change.arn,
    }
    return {name: value for name, value in detail.items() if value is not None}


# Kinds of jobs: how they are described, and whether each transition is an event or only those that change the status.
_JOBS: Mapping[str, tuple[Callable[[Job], dict[str, Any]], bool]] = {
    "TrainingJob": (training_job.described, True),
    "ProcessingJob": (processing_job.described, False),
    "TransformJob": (transform_job.described, False),
}


def _job(change: Change) -> Detail | None:
    described, each = _JOBS[change.kind]
    told = change.previous is None or change.status in (*states.FINAL, "Stopping")
    if not (each or told):
        return None
    return _shaped(f"Describe{change.kind}", described(Job(**change.document)))


def _row(change: Change) -> tuple[Resource, list[str]]:
    """The resource as it was then, and which of the members that are watched were new."""
    document = dict(change.document)
    changed = document.pop("changed", [])
    return Resource(**document), changed


def _card(change: Change, account: str) -> Detail | None:
    row, _ = _row(change)
    if change.status == "Deleted":
        return None
    card = model_card.found(row)
    told = {
        **{name: card.get(name) for name in ("ModelCardName", "ModelCardVersion", "ModelCardStatus", "ModelId")},
        **{name: card.get(name) for name in ("CreatedBy", "LastModifiedBy")},
        "CreationTime": moment(row.created),
        "LastModifiedTime": moment(row.modified),
        "AccountId": account,
        "SecurityConfig": card.get("SecurityConfig", {}),
    }
    return {name: value for name, value in told.items() if value is not None}


def _resource(change: Change) -> Detail:
    row, changed = _row(change)
    if change.kind == "ModelPackage":
        package = _shaped("DescribeModelPackage", model_package.described(row), as_text=True)
        fields = ["sourceUri" if name == "SourceUri" else name for name in changed]  # as AWS spells it here
        return {**package, "UpdatedModelPackageFields": fields}
    if change.kind == "Endpoint":
        return _endpoint(row)
    held = {**row.document, **row.state, "CreationTime": row.created, "LastModifiedTime": row.modified}
    held |= {f"{change.kind}Arn": row.arn, f"{change.kind}Name": row.name, f"{change.kind}Status": row.status}
    return _shaped(f"Describe{change.kind}", held)


def _endpoint(row: Resource) -> Detail:
    serving = row.state.get("serving") or row.state.get("pending") or {}
    variants = [
        {"VariantName": v.get("name"), "DesiredWeight": v.get("weight"), "DesiredInstanceCount": v.get("instances")}
        for v in serving.get("variants", [])
    ]
    told = {
        "EndpointName": row.name,
        "EndpointArn": row.arn,
        "EndpointConfigName": serving.get("config") or row.document.get("EndpointConfigName"),
        "ProductionVariants": variants,
        "EndpointStatus": _ENDPOINT_STATUS.get(row.status, row.status),
        "FailureReason": row.state.get("FailureReason"),
        "CreationTime": int(row.created * 1000),
        "LastModifiedTime": int(row.modified * 1000),
    }
    return {name: value for name, value in told.items() if value is not None}


def _shaped(operation: str, described: Mapping[str, Any], as_text: bool = False) -> Detail:
    """A Describe's output as JSON, with times in milliseconds, or as text."""
    shape = model.service("sagemaker").plan(operation).output
    assert shape is not None
    output = _timed(shape, describe("sagemaker", operation, described), as_text)
    plain: Detail = json.loads(json.dumps(output, default=str))
    return plain


def _timed(shape: Shape, value: Any, as_text: bool) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return {name: _timed(shape.members[name], item, as_text) for name, item in value.items()}
    if kind == "list":
        return [_timed(shape.member, item, as_text) for item in value]
    if kind == "map":
        return {name: _timed(shape.value, item, as_text) for name, item in value.items()}
    if kind == "timestamp" and isinstance(value, (int, float)):
        return moment(value) if as_text else int(value * 1000)
    return value


def _source(arn: str | None) -> dict[str, str] | None:
    return {"sourcePipelineExecutionArn": arn} if arn else None


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def _camel_members(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_camel(name): _camel_members(item) for name, item in value.items()}
    return [_camel_members(item) for item in value] if isinstance(value, list) else value
