"""Selective execution: whether the steps chosen can run with what another execution has made."""

from typing import Any

from selfmaker.aws.operation import Call
from selfmaker.errors import NotFound
from selfmaker.sagemaker.checks import invalid
from selfmaker.store.executions import UNDER_WAY, ExecutionTable
from selfmaker.workflow.definition import Definition

_WHERE = "SelectiveExecutionConfig"


def check_selection(call: Call, pipeline: str, definition: Definition, config: dict[str, Any]) -> None:
    """Raises ValidationException for what AWS refuses."""
    names = [item["StepName"] for item in config["SelectedSteps"]]
    if unknown := [name for name in names if name not in definition.by_name]:
        raise invalid(f"{_WHERE}.SelectedSteps: the pipeline has no steps {unknown}.")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise invalid(f"{_WHERE}.SelectedSteps: given more than once: {repeated}.")
    selected = frozenset(names)
    if between := _between(definition, selected):
        raise invalid(f"{_WHERE}.SelectedSteps: {between} lie between selected steps and must be selected, too.")
    lent = sorted(
        reference.name
        for name in selected
        for reference in definition.by_name[name].references
        if reference.root == "Steps" and reference.name not in selected
    )
    source = config.get("SourcePipelineExecutionArn")
    if source is None:
        if lent:
            raise invalid(
                f"{_WHERE}.SourcePipelineExecutionArn is required: selected steps need the outputs of {lent}."
            )
        return
    _check_source(call, pipeline, source, lent)


def _check_source(call: Call, pipeline: str, source: str, lent: list[str]) -> None:
    table = call.use(ExecutionTable)
    try:
        execution = table.by_arn(source)
    except NotFound:
        raise invalid(f"{_WHERE}.SourcePipelineExecutionArn: there is no execution {source}.") from None
    if execution.pipeline != pipeline:
        raise invalid(f"{_WHERE}.SourcePipelineExecutionArn: {source} is an execution of another pipeline.")
    if execution.status in UNDER_WAY:
        raise invalid(f"{_WHERE}.SourcePipelineExecutionArn: {source} has not ended.")
    succeeded = {row.name for row in table.steps(execution.id) if row.status == "Succeeded"}
    if missing := [name for name in lent if name not in succeeded]:
        raise invalid(f"{_WHERE}: selected steps need the outputs of {missing}, which have not succeeded in {source}.")


def _between(definition: Definition, selected: frozenset[str]) -> list[str]:
    """Steps that are not selected on paths from one selected step to another."""
    after: set[str] = set()  # selected steps and all that needs them
    for step in definition.sorted_steps:
        if step.name in selected or step.needs & after:
            after.add(step.name)
    before: set[str] = set()
    for step in reversed(definition.sorted_steps):
        if step.name in selected or step.name in before:
            before |= step.needs
    return sorted((after & before) - selected)
