"""Steps of executions, and the answers to callback steps."""

from collections.abc import Callable
from typing import Any

from selfmaker import ids
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import Usual, page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import Conflict, NotFound
from selfmaker.sagemaker import pipeline_execution
from selfmaker.sagemaker.checks import invalid
from selfmaker.store.executions import Execution, ExecutionTable, StepRow
from selfmaker.workflow.definition import Definition, parse
from selfmaker.workflow.engine import Executions
from selfmaker.workflow.steps import callback
from selfmaker.workflow.steps.base import Outcome


@operation("sagemaker", "ListPipelineExecutionSteps")
def list_pipeline_execution_steps(call: Call, request: Request) -> Output:
    if "PipelineExecutionArn" not in request:
        raise invalid("PipelineExecutionArn is required.")
    execution = pipeline_execution.find(call, request["PipelineExecutionArn"])
    table = call.use(ExecutionTable)
    definition = parse(table.version(execution.pipeline, execution.version).definition)
    rows = [{**described(definition, row), "sequence": row.sequence} for row in table.steps(execution.id)]
    usual = Usual(sort="sequence", limit=100)  # the SDKs read one page only
    listed = page(rows, request, "PipelineExecutionSteps", name="StepName", usual=usual)
    return describe("sagemaker", "ListPipelineExecutionSteps", listed)


@operation("sagemaker", "SendPipelineExecutionStepSuccess")
def send_pipeline_execution_step_success(call: Call, request: Request) -> Output:
    given = request.get("OutputParameters", [])

    def outcome(row: StepRow) -> Outcome:
        return callback.succeeded(row, given)

    return _answer(call, request, outcome)


@operation("sagemaker", "SendPipelineExecutionStepFailure")
def send_pipeline_execution_step_failure(call: Call, request: Request) -> Output:
    reason = request.get("FailureReason", "")
    return _answer(call, request, lambda row: callback.failed(row, reason))


def described(definition: Definition, row: StepRow) -> dict[str, Any]:
    """All that is known of a step, in the members of ListPipelineExecutionSteps."""
    document, step = row.document, definition.by_name[row.name]
    source, lender = document.get("cache_source"), document.get("selective_source")
    waits = "retry_at" in document
    return {
        "StepName": row.name,
        "StepDisplayName": step.raw.get("DisplayName"),
        "StepDescription": step.raw.get("Description"),
        "StartTime": row.started,
        "EndTime": row.ended,
        "StepStatus": row.status,
        "CacheHitResult": {"SourcePipelineExecutionArn": source},
        "SelectiveExecutionResult": {"SourcePipelineExecutionArn": lender},
        "FailureReason": document.get("failure") if row.status in ("Failed", "Stopped") or waits else None,
        "Metadata": document.get("metadata"),
        "AttemptCount": len(document.get("tries") or []) or 1,
    }


def _answer(call: Call, request: Request, outcome: Callable[[StepRow], Outcome]) -> Output:
    token, client_token = request["CallbackToken"], request.get("ClientRequestToken") or ids.unique_id()
    try:
        row = call.use(Executions).answer(token, client_token, outcome)
    except NotFound:
        raise AwsError("ResourceNotFound", f"CallbackToken: no callback step has the token {token}.") from None
    except Conflict as error:
        raise AwsError("ConflictException", f"CallbackToken {token}: {error.message}.") from None
    execution: Execution = call.use(ExecutionTable).get(row.execution)
    return {"PipelineExecutionArn": execution.arn}
