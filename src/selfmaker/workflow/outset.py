"""What comes before the first step of an execution: the experiment, and what other executions lend."""

from typing import Any

from selfmaker import clock
from selfmaker.errors import Invalid
from selfmaker.store.executions import ExecutionTable, StepRow
from selfmaker.workflow.acting import Progress, scope_of
from selfmaker.workflow.expressions import resolve
from selfmaker.workflow.port import CallError, Port


def prepare(progress: Progress, port: Port, table: ExecutionTable) -> dict[str, Any]:
    """Members to add to the execution's document. May be repeated. Raises Invalid and CallError."""
    _borrow(progress, table)
    return _experiment(progress, port)


def experiment(progress: Progress, port: Port) -> dict[str, str]:
    """How the experiment and the trial that the definition asks for are called. Raises Invalid."""
    config = {k: v for k, v in progress.definition.experiment.items() if v is not None}
    return {k: str(v) for k, v in resolve(config, scope_of(progress, port, {})).items()}


def _experiment(progress: Progress, port: Port) -> dict[str, Any]:
    """Create the experiment and the trial, unless they are there."""
    named = progress.execution.document.get("experiment") or experiment(progress, port)
    region = progress.execution.region
    if "ExperimentName" in named:
        _ensure(port, region, "CreateExperiment", {"ExperimentName": named["ExperimentName"]})
    if "TrialName" in named:
        _ensure(port, region, "CreateTrial", named)
    return {"experiment": named}


def _ensure(port: Port, region: str, operation: str, request: dict[str, str]) -> None:
    try:
        port.call("sagemaker", operation, request, region)
    except CallError as error:
        if "already exists" not in error.message:
            raise


def _borrow(progress: Progress, table: ExecutionTable) -> None:
    """Rows for the steps that are not selected but that selected ones need, from the execution that has run them."""
    selected = progress.selected
    config = progress.execution.document.get("selective") or {}
    if selected is None:
        return
    lent = needed(progress, selected)
    if not lent:
        return
    source = table.by_arn(config["SourcePipelineExecutionArn"])
    ran = {row.name: row for row in table.steps(source.id)}
    rows = []
    for name in lent:
        if name in progress.rows:
            continue
        if name not in ran or ran[name].status != "Succeeded":
            raise Invalid(f"the step {name} has not succeeded in {source.arn}")
        kept = {k: v for k, v in ran[name].document.items() if k in ("output", "metadata", "outcome", "name")}
        document = {**kept, "tries": [], "selective_source": source.arn}
        now = clock.now()
        rows.append(StepRow(progress.execution.id, name, progress.execution.pipeline, "Succeeded", now, document, now))
    table.begin(rows)


def needed(progress: Progress, selected: frozenset[str]) -> list[str]:
    """The steps, in the order of the definition, to which selected steps refer without their being selected."""
    named = {
        reference.name
        for name in selected
        for reference in progress.definition.by_name[name].references
        if reference.root == "Steps"
    }
    return [step.name for step in progress.definition.steps if step.name in named - selected]
