"""Pipelines and their executions, as the commands on them see them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from selfmaker.cli.calls import Caller, CallError
from selfmaker.errors import NotFound
from selfmaker.workflow.definition import Definition, parse

Row = dict[str, Any]
ENDED = ("Succeeded", "CompletedWithFailures", "Failed", "Stopped")


def pipelines(caller: Caller) -> Iterator[Row]:
    """The summaries of all pipelines, newest first."""
    return caller.pages("sagemaker", "ListPipelines", "PipelineSummaries", MaxResults=100)


def executions(caller: Caller, pipeline: str, limit: int | None = None) -> list[Row]:
    """The summaries of a pipeline's executions, newest first. Raises NotFound for no such pipeline."""
    found = []
    request = {"PipelineName": pipeline, "MaxResults": min(limit or 100, 100)}
    try:
        for row in caller.pages("sagemaker", "ListPipelineExecutions", "PipelineExecutionSummaries", **request):
            found.append(row)
            if len(found) == limit:
                break
    except CallError as error:
        if error.code in ("ResourceNotFound", "ValidationException"):
            raise NotFound(f"no pipeline is called {pipeline}; `selfmaker pipelines` lists them") from None
        raise
    return found


@dataclass(frozen=True)
class Run:
    """One execution, as it is at a moment. ``steps`` are those that have started, by name."""

    arn: str
    described: Row
    steps: dict[str, Row]

    @property
    def status(self) -> str:
        return str(self.described["PipelineExecutionStatus"])

    @property
    def ended(self) -> bool:
        return self.status in ENDED


def find_execution(caller: Caller, text: str) -> str:
    """The ARN of the execution that is meant by its ARN, its id, or the name of a pipeline: that one's newest.
    Raises NotFound."""
    if text.startswith("arn:"):
        return text
    try:
        newest = executions(caller, text, 1)
    except NotFound:
        newest = []
    if newest:
        return str(newest[0]["PipelineExecutionArn"])
    for pipeline in pipelines(caller):
        for row in executions(caller, pipeline["PipelineName"]):
            if row["PipelineExecutionArn"].endswith(f"/execution/{text}"):
                return str(row["PipelineExecutionArn"])
    raise NotFound(f"no execution and no pipeline with an execution is called {text}; `selfmaker pipelines` lists them")


def definition_of(caller: Caller, arn: str) -> Definition:
    """The definition that an execution follows."""
    answer = caller.call("sagemaker", "DescribePipelineDefinitionForExecution", PipelineExecutionArn=arn)
    return parse(answer["PipelineDefinition"])


def look(caller: Caller, arn: str) -> Run:
    """Raises NotFound."""
    try:
        described = caller.call("sagemaker", "DescribePipelineExecution", PipelineExecutionArn=arn)
    except CallError as error:
        if error.code in ("ResourceNotFound", "ValidationException"):
            raise NotFound(
                f"there is no execution {arn}; `selfmaker executions NAME` lists those of a pipeline"
            ) from None
        raise
    listed = caller.pages(
        "sagemaker",
        "ListPipelineExecutionSteps",
        "PipelineExecutionSteps",
        PipelineExecutionArn=arn,
        SortOrder="Ascending",
        MaxResults=100,
    )
    return Run(arn, described, {step["StepName"]: step for step in listed})


def as_json(run: Run) -> str:
    return json.dumps({**run.described, "Steps": list(run.steps.values())}, indent=2)
