"""Steps that are jobs: Training, Processing, Transform and Tuning."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfmaker.workflow import retry
from selfmaker.workflow.port import CallError
from selfmaker.workflow.steps.base import FAILED, LONGEST_NAME, STOPPED, SUCCEEDED, Act, Begun, Outcome, plain

MOST_TAGS = 50  # of a job
MOST_SUMMARIES = 50  # of training jobs; the SDKs offer the best 50


@dataclass(frozen=True)
class JobStep:
    """A step whose Arguments are the request of ``Create<noun>``; its properties are what ``Describe<noun>`` tells.

    ``metadata`` is its member in ListPipelineExecutionSteps; ``tracked`` jobs take an ExperimentConfig."""

    noun: str
    metadata: str
    cache_members: tuple[str, ...] | None
    tracked: bool = True
    longest: int = LONGEST_NAME
    instant: bool = False
    blocking: bool = False

    @property
    def name_member(self) -> str:
        return f"{self.noun}Name"

    def intend(self, act: Act) -> Mapping[str, Any]:
        return {}

    def start(self, act: Act) -> Begun | Outcome:
        request = {
            **act.arguments,
            self.name_member: act.intent["name"],
            "Tags": tags(act, act.arguments.get("Tags") or []),
        }
        if self.tracked and act.execution.document.get("experiment"):
            config = {**act.execution.document["experiment"], "TrialComponentDisplayName": plain(act.step.name)}
            request["ExperimentConfig"] = {**config, **(request.get("ExperimentConfig") or {})}
        if self.noun in ("TrainingJob", "ProcessingJob"):
            request.setdefault("RoleArn", act.execution.document["role"])
        try:
            arn = act.call(f"Create{self.noun}", request)[f"{self.noun}Arn"]
        except CallError as error:
            if error.code != "ResourceInUse":
                raise
            arn = self._describe(act)[f"{self.noun}Arn"]  # the name is ours alone: an earlier start made it
        return Begun({self.metadata: {"Arn": arn}})

    def look(self, act: Act) -> Outcome | None:
        described = self._describe(act)
        status = described[f"{self.noun}Status"]
        metadata = {self.metadata: {"Arn": described[f"{self.noun}Arn"]}}
        if status == "Completed":
            return Outcome(SUCCEEDED, {**described, **self.more(act, described)}, metadata)
        if status == "Failed":
            reason = str(described.get("FailureReason") or "the job failed")
            exception = retry.of_job(reason)
            told = reason if exception else f"ClientError: {reason}"  # as pipelines tell of a program's own fault
            return Outcome(FAILED, described, metadata, told, exception)
        if status == "Stopped":
            why = "MaxRuntimeExceeded" if described.get("SecondaryStatus") == "MaxRuntimeExceeded" else "Stopped"
            return Outcome(STOPPED, described, metadata, f"The job {act.intent['name']} ended in status {why}.")
        return None

    def stop(self, act: Act) -> None:
        try:
            act.call(f"Stop{self.noun}", {self.name_member: act.intent["name"]})
        except CallError as error:
            if error.code not in ("ValidationException", "ResourceNotFound"):  # it has ended already
                raise

    def more(self, act: Act, described: Mapping[str, Any]) -> dict[str, Any]:
        """Properties that Describe does not tell of. Raises CallError."""
        return {}

    def _describe(self, act: Act) -> dict[str, Any]:
        return act.call(f"Describe{self.noun}", {self.name_member: act.intent["name"]})


class TuningStep(JobStep):
    """Its properties have ``TrainingJobSummaries``, the best first."""

    def more(self, act: Act, described: Mapping[str, Any]) -> dict[str, Any]:
        objective = described["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective") or {}
        order = "Ascending" if objective.get("Type") == "Minimize" else "Descending"
        listed = act.call(
            "ListTrainingJobsForHyperParameterTuningJob",
            {
                self.name_member: act.intent["name"],
                "MaxResults": MOST_SUMMARIES,
                "SortBy": "FinalObjectiveMetricValue",
                "SortOrder": order,
            },
        )
        return {"TrainingJobSummaries": listed["TrainingJobSummaries"]}


def tags(act: Act, own: list[Mapping[str, str]]) -> list[dict[str, str]]:
    """The step's own tags, those of the pipeline, and those by which a pipeline's jobs are known."""
    document = act.execution.document
    known = {
        "sagemaker:pipeline-execution-arn": act.execution.arn,
        "sagemaker:pipeline-name": document["pipeline_name"],
        "sagemaker:pipeline-step-name": act.step.name,
    }
    first = {**{tag["Key"]: tag["Value"] for tag in own}, **known}
    merged = {**first, **{key: value for key, value in document.get("tags", {}).items() if key not in first}}
    room = max(MOST_TAGS, len(first))  # the pipeline's own give way
    return [{"Key": key, "Value": value} for key, value in list(merged.items())[:room]]


TRAINING = JobStep(
    "TrainingJob",
    "TrainingJob",
    (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ),
)
PROCESSING = JobStep("ProcessingJob", "ProcessingJob", ("AppSpecification", "Environment", "ProcessingInputs"))
TRANSFORM = JobStep("TransformJob", "TransformJob", ("DataProcessing", "Environment", "ModelName", "TransformInput"))
TUNING = TuningStep(
    "HyperParameterTuningJob",
    "TuningJob",
    (
        "HyperParameterTuningJobConfig",
        "TrainingJobDefinition.AlgorithmSpecification",
        "TrainingJobDefinition.HyperParameterRanges",
        "TrainingJobDefinition.InputDataConfig",
        "TrainingJobDefinition.StaticHyperParameters",
        "TrainingJobDefinition.TuningObjective",
        "TrainingJobDefinitions",
    ),
    tracked=False,
    longest=32,
)
