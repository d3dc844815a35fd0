"""From a step of a definition and what has happened so far to an act: expressions resolved, names chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfmaker import clock
from selfmaker.errors import Invalid, NotFound
from selfmaker.store.executions import Execution, StepRow
from selfmaker.workflow.definition import Definition, Step
from selfmaker.workflow.expressions import Scope, resolve
from selfmaker.workflow.port import Port
from selfmaker.workflow.steps.base import Act, StepType, job_name
from selfmaker.workflow.steps.catalog import TYPES
from selfmaker.workflow.walk import IN_FLIGHT, Standing

# Names of these are taken as they are given: they are updated by a later execution. What has one of the others, which
# can't be updated, gets a name of its own in each execution; later steps refer to it by the step's properties.
_KEPT_NAMES = ("EndpointName", "InferenceComponentName")


@dataclass(frozen=True)
class Progress:
    """An execution as it is at a moment."""

    execution: Execution
    definition: Definition
    rows: Mapping[str, StepRow]

    @property
    def standing(self) -> dict[str, Standing]:
        return {name: Standing(row.status, row.document.get("outcome")) for name, row in self.rows.items()}

    @property
    def failed_for_good(self) -> bool:
        """Whether a Fail step has been reached."""
        return any(
            row.status == "Failed" and self.definition.by_name[name].type == "Fail" for name, row in self.rows.items()
        )

    @property
    def selected(self) -> frozenset[str] | None:
        """The only steps that run, in a selective execution."""
        config = self.execution.document.get("selective")
        return None if config is None else frozenset(item["StepName"] for item in config["SelectedSteps"])

    @property
    def most(self) -> int | None:
        parallelism = self.execution.document.get("parallelism") or {}
        most: int | None = parallelism.get("MaxParallelExecutionSteps")
        return most


def step_type(step: Step) -> StepType:
    return TYPES[step.type]


def intent_of(progress: Progress, step: Step, port: Port) -> dict[str, Any]:
    """All that one attempt is going to do. Raises Invalid where an expression has no value or makes no sense."""
    kind = step_type(step)
    unnamed = scope_of(progress, port, {})
    given = resolve(step.arguments.get(kind.name_member), unnamed) if kind.name_member else None
    name = job_name(progress.execution.id, step.name, str(given or ""), kind.longest)
    if given and kind.name_member in _KEPT_NAMES:
        name = str(given)
    scope = scope_of(progress, port, {kind.name_member: name} if kind.noun else {})
    own = {key: value for key, value in step.own.items() if key not in ("Arguments", "RetryPolicies", "CacheConfig")}
    intent = {
        "arguments": resolve(step.own.get("Arguments") or {}, scope),
        "own": resolve(own, scope),
        "name": name,
        "started": clock.now(),
    }
    return {**intent, **kind.intend(Act(step, progress.execution, port, intent))}


def act_of(progress: Progress, row: StepRow, port: Port) -> Act:
    """The attempt that a row tells of."""
    return Act(progress.definition.by_name[row.name], progress.execution, port, row.document)


def scope_of(progress: Progress, port: Port, names: Mapping[str, str]) -> Scope:
    """``names`` are the job's own names, which its arguments may hold."""
    execution, document = progress.execution, progress.execution.document

    def outputs(step: str) -> Mapping[str, Any]:
        row = progress.rows.get(step)
        if row is None or row.status in IN_FLIGHT:
            raise Invalid(f"the step {step} has not ended in this execution")
        found: Mapping[str, Any] = row.document.get("output", {})
        return found

    def property_file(step: str, name: str) -> str:
        uri = _property_uri(progress.definition.by_name[step], outputs(step), name)
        try:
            return port.read(uri).decode("utf-8", "replace")
        except NotFound:
            raise Invalid(f"Unable to resolve property file {name} of step {step}: there is no {uri}") from None

    return Scope(
        parameters=document["parameters"],
        execution={
            "CurrentDateTime": clock.iso8601(clock.now()),
            "PipelineArn": execution.pipeline,
            "PipelineExecutionArn": execution.arn,
            "PipelineExecutionId": execution.id,
            "PipelineName": document["pipeline_name"],
            "StartDateTime": clock.iso8601(execution.created),
            **names,
        },
        outputs=outputs,
        property_file=property_file,
        read=port.read,
        experiment=document.get("experiment") or {},
    )


def _property_uri(step: Step, output: Mapping[str, Any], name: str) -> str:
    """Where a property file is: below the output of the processing job that holds it."""
    declared = next((f for f in step.raw.get("PropertyFiles") or [] if f.get("PropertyFileName") == name), None)
    if declared is None:
        raise Invalid(f"the step {step.name} has no property file {name}")
    outputs = (output.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    for item in outputs:
        if item["OutputName"] == declared["OutputName"]:
            return f"{item['S3Output']['S3Uri'].rstrip('/')}/{declared['FilePath'].lstrip('/')}"
    raise Invalid(f"the step {step.name} has no output {declared['OutputName']}, which its property file {name} names")
