"""Executions of pipelines."""

import secrets
import string
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import Usual, page, page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import Conflict, NotFound
from selfmaker.sagemaker import pipeline_row
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.pipeline_selection import check_selection
from selfmaker.sagemaker.pipeline_version import version_of
from selfmaker.sagemaker.user_context import makers, user_context
from selfmaker.store import resources
from selfmaker.store.database import Database
from selfmaker.store.executions import Execution, ExecutionTable
from selfmaker.store.tags import Tags
from selfmaker.workflow import parameters
from selfmaker.workflow.definition import parse
from selfmaker.workflow.engine import Executions
from selfmaker.workflow.expressions import as_text

_ID = string.ascii_lowercase + string.digits
_DISPLAY = ("PipelineExecutionDisplayName", "PipelineExecutionDescription")


@operation("sagemaker", "StartPipelineExecution")
def start_pipeline_execution(call: Call, request: Request) -> Output:
    row = pipeline_row.find(call, request["PipelineName"])
    if "RoleArn" in request:
        raise invalid("RoleArn can be given only for pipelines that AWS manages; this one runs with its own role.")
    if "MlflowExperimentName" in request:
        raise invalid("MlflowExperimentName: there is no MLflow here.")
    version = version_of(call, row.arn, request)
    definition = parse(version.definition)
    values = parameters.values(definition, request.get("PipelineParameters", []))
    selective = request.get("SelectiveExecutionConfig")
    if selective is not None:
        check_selection(call, row.arn, definition, selective)
    asked = {k: v for k, v in request.items() if k != "ClientRequestToken"}
    execution, now = "".join(secrets.choice(_ID) for _ in range(12)), clock.now()
    document = {
        "request": asked,
        "pipeline_name": row.name,
        "user": user_context(call),
        "role": row.document["RoleArn"],
        "parameters": values,
        "given": request.get("PipelineParameters", []),
        "parallelism": request.get("ParallelismConfiguration") or row.document.get("ParallelismConfiguration"),
        "selective": selective,
        "tags": call.use(Tags).of(row.arn),
        "alias": request.get("PipelineVersionAlias"),
        "PipelineExecutionDisplayName": f"execution-{int(now * 1000)}",
        **{member: request[member] for member in _DISPLAY if member in request},
    }
    new = Execution(
        id=execution,
        region=call.region,
        pipeline=row.arn,
        arn=f"{row.arn}/execution/{execution}",
        token=request["ClientRequestToken"],
        version=version.number,
        status="Executing",
        created=now,
        modified=now,
        document=document,
    )
    try:
        stored = call.use(Executions).begin(new)
    except NotFound:  # deleted this very moment
        raise pipeline_row.not_found(call, row.name) from None
    if stored.id != execution and stored.document["request"] != asked:
        raise AwsError(
            "ConflictException", "ClientRequestToken: another execution was started with the same token before."
        )
    _note_run(call, row.name, now)
    return {"PipelineExecutionArn": stored.arn}


@operation("sagemaker", "DescribePipelineExecution")
def describe_pipeline_execution(call: Call, request: Request) -> Output:
    execution = find(call, request["PipelineExecutionArn"])
    aliases = call.use(ExecutionTable).version(execution.pipeline, execution.version).document.get("aliases")
    state = {"PipelineVersionAliases": aliases or None}
    return describe("sagemaker", "DescribePipelineExecution", described(execution), state)


@operation("sagemaker", "ListPipelineExecutions")
def list_pipeline_executions(call: Call, request: Request) -> Output:
    row = pipeline_row.find(call, request["PipelineName"])
    found = call.use(ExecutionTable).of_pipeline(row.arn)
    if "PipelineVersionAlias" in request:
        number = version_of(call, row.arn, {"PipelineVersionAlias": request["PipelineVersionAlias"]}).number
        found = [execution for execution in found if execution.version == number]
    aliases = {v.number: v.document.get("aliases") or None for v in call.use(ExecutionTable).versions(row.arn)}
    rows = [
        {
            **{member: execution.document.get(member) for member in _DISPLAY},
            "PipelineVersionAliases": aliases.get(execution.version),
            "PipelineExecutionArn": execution.arn,
            "StartTime": execution.created,
            "PipelineExecutionStatus": execution.status,
            "PipelineExecutionFailureReason": execution.document.get("failure"),
        }
        for execution in found
    ]
    usual = Usual(created="StartTime")
    listed = page(rows, request, "PipelineExecutionSummaries", name="PipelineExecutionArn", usual=usual)
    return describe("sagemaker", "ListPipelineExecutions", listed)


@operation("sagemaker", "UpdatePipelineExecution")
def update_pipeline_execution(call: Call, request: Request) -> Output:
    execution = find(call, request["PipelineExecutionArn"])
    changes: dict[str, Any] = {"modified_by": user_context(call)}
    changes |= {member: request[member] for member in _DISPLAY if member in request}
    if "ParallelismConfiguration" in request:
        changes["parallelism"] = request["ParallelismConfiguration"]
    call.use(Executions).update(execution.id, changes)
    return {"PipelineExecutionArn": execution.arn}


@operation("sagemaker", "StopPipelineExecution")
def stop_pipeline_execution(call: Call, request: Request) -> Output:
    execution = find(call, request["PipelineExecutionArn"])
    try:
        call.use(Executions).stop(execution.id, request["ClientRequestToken"])
    except Conflict:
        raise _refused(call, execution, "stopped") from None
    return {"PipelineExecutionArn": execution.arn}


@operation("sagemaker", "RetryPipelineExecution")
def retry_pipeline_execution(call: Call, request: Request) -> Output:
    """What succeeded is kept; what failed, was stopped or did not run for that runs."""
    execution = find(call, request["PipelineExecutionArn"])
    changes: dict[str, Any] = {}
    if "ParallelismConfiguration" in request:
        changes["parallelism"] = request["ParallelismConfiguration"]
    try:
        call.use(Executions).retry(execution.id, request["ClientRequestToken"], changes)
    except Conflict:
        raise _refused(call, execution, "retried") from None
    return {"PipelineExecutionArn": execution.arn}


@operation("sagemaker", "ListPipelineParametersForExecution")
def list_pipeline_parameters_for_execution(call: Call, request: Request) -> Output:
    execution = find(call, request["PipelineExecutionArn"])
    rows = [{"Name": name, "Value": as_text(value)} for name, value in execution.document["parameters"].items()]
    found, token = page_of(rows, request)
    return {"PipelineParameters": found, **({"NextToken": token} if token else {})}


@operation("sagemaker", "DescribePipelineDefinitionForExecution")
def describe_pipeline_definition_for_execution(call: Call, request: Request) -> Output:
    execution = find(call, request["PipelineExecutionArn"])
    version = call.use(ExecutionTable).version(execution.pipeline, execution.version)
    return {"PipelineDefinition": version.definition, "CreationTime": version.created}


def find(call: Call, arn: str) -> Execution:
    """The execution of that ARN (clients write ARNs in lower case at times), or AWS's error."""
    try:
        execution = call.use(ExecutionTable).get(arn.rpartition("/")[2])
    except NotFound:
        execution = None
    if execution is None or execution.arn.lower() != arn.lower() or execution.region != call.region:
        raise AwsError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
    return execution


def described(execution: Execution) -> dict[str, Any]:
    """All that is known of an execution, in the members of DescribePipelineExecution."""
    document = execution.document
    return {
        **{member: document.get(member) for member in _DISPLAY},
        "PipelineArn": execution.pipeline,
        "PipelineExecutionArn": execution.arn,
        "PipelineExecutionStatus": execution.status,
        "PipelineExperimentConfig": document.get("experiment") or None,
        "FailureReason": document.get("failure"),
        "CreationTime": execution.created,
        "LastModifiedTime": execution.modified,
        "ParallelismConfiguration": document.get("parallelism"),
        "SelectiveExecutionConfig": document.get("selective"),
        "PipelineVersionId": execution.version,
        "RoleArn": document["role"],
        **makers(document),
    }


def _refused(call: Call, execution: Execution, what: str) -> AwsError:
    status = call.use(ExecutionTable).get(execution.id).status
    return AwsError(
        "ConflictException", f"The pipeline execution {execution.arn} cannot be {what}: it is in status {status}."
    )


def _note_run(call: Call, name: str, now: float) -> None:
    def work(connection: Connection) -> None:
        resources.touch(connection, pipeline_row.KIND, call.region, name, {"last_run": now})

    call.use(Database).write(work)
