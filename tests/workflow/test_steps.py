"""Types of steps whose making something is not a job: taken over after a crash, checks, models, functions, lineage."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from selfmaker import clock
from selfmaker.errors import Invalid, NotFound
from selfmaker.store.executions import Execution
from selfmaker.workflow.definition import Step
from selfmaker.workflow.port import CallError
from selfmaker.workflow.steps import check, components, jobs, resources
from selfmaker.workflow.steps.base import Act, Begun, Outcome
from selfmaker.workflow.steps.function import LambdaStep
from selfmaker.workflow.steps.lineage import LineageStep

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/p/execution/e1"
DOCUMENT = {"pipeline_name": "p", "role": "r", "tags": {"team": "a"}, "parameters": {}}
EXECUTION = Execution("e1", "eu-west-1", ARN[:-13], ARN, "t", 1, "Executing", 0, 0, DOCUMENT)


class Answers:
    """A port that answers each operation by a function, or an error where there is none."""

    def __init__(self, **answers: Callable[[Mapping[str, Any]], Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.objects: dict[str, bytes] = {}

    def call(self, service: str, operation: str, request: Mapping[str, Any], region: str) -> dict[str, Any]:
        self.asked.append(operation)
        if operation not in self.answers:
            raise CallError(f"{service}:{operation}", "ValidationException", f"{operation}: no such thing")
        answer: dict[str, Any] = self.answers[operation](request)
        return answer

    def read(self, uri: str) -> bytes:
        if uri not in self.objects:
            raise NotFound(uri)
        return self.objects[uri]

    def write(self, uri: str, data: bytes) -> None:
        self.objects[uri] = data


def act(port: Answers, arguments: Mapping[str, Any], own: Mapping[str, Any] | None = None, **intent: Any) -> Act:
    step = Step("s", "T", {}, "Steps[0]")
    return Act(
        step, EXECUTION, port, {"arguments": arguments, "own": own or {}, "name": "n", "started": 100.0, **intent}
    )


def already_there(request: Mapping[str, Any]) -> Any:
    raise CallError("sagemaker:Create", "ValidationException", "it already exists")


def test_a_tuning_job_s_best_jobs_are_properties() -> None:
    def listed(request: Mapping[str, Any]) -> Any:
        assert (request["SortBy"], request["SortOrder"]) == ("FinalObjectiveMetricValue", "Ascending")
        return {"TrainingJobSummaries": [{"TrainingJobName": "best"}]}

    described = {
        "HyperParameterTuningJobStatus": "Completed",
        "HyperParameterTuningJobArn": "arn",
        "HyperParameterTuningJobConfig": {"HyperParameterTuningJobObjective": {"Type": "Minimize"}},
    }
    port = Answers(
        DescribeHyperParameterTuningJob=lambda request: described,
        ListTrainingJobsForHyperParameterTuningJob=listed,
    )
    outcome = jobs.TUNING.look(act(port, {}))
    assert outcome is not None
    assert outcome.output["TrainingJobSummaries"] == [{"TrainingJobName": "best"}]


class TestModels:
    def test_one_that_an_interrupted_start_made_is_taken_over(self) -> None:
        ours = [
            {"Key": "sagemaker:pipeline-execution-arn", "Value": ARN},
            {"Key": "sagemaker:pipeline-step-name", "Value": "s"},
        ]
        port = Answers(
            CreateModel=already_there,
            DescribeModel=lambda r: {"ModelArn": "arn:m", "ModelName": r["ModelName"]},
            ListTags=lambda r: {"Tags": ours},
        )
        outcome = resources.MODEL.start(act(port, {}))
        assert isinstance(outcome, Outcome)
        assert (outcome.status, outcome.metadata) == ("Succeeded", {"Model": {"Arn": "arn:m"}})

    def test_one_of_somebody_elses_is_not(self) -> None:
        port = Answers(
            CreateModel=already_there, DescribeModel=lambda r: {"ModelArn": "arn:m"}, ListTags=lambda r: {"Tags": []}
        )
        with pytest.raises(CallError, match="already exists"):
            resources.MODEL.start(act(port, {}))


class TestRegistration:
    ARGUMENTS: Mapping[str, Any] = {"ModelPackageGroupName": "g", "InferenceSpecification": {"Containers": [1]}}

    def port(self, *summaries: Mapping[str, Any], **described: Any) -> Answers:
        package = {
            "InferenceSpecification": {"Containers": [1]},
            "MetadataProperties": {"GeneratedBy": ARN},
            "ModelPackageStatus": "Completed",
            **described,
        }
        return Answers(
            DescribeModelPackageGroup=lambda r: {},
            CreateModelPackage=lambda r: {"ModelPackageArn": "arn:new"},
            ListModelPackages=lambda r: {"ModelPackageSummaryList": list(summaries)},
            DescribeModelPackage=lambda r: package,
        )

    def test_a_version_is_made_once(self) -> None:
        made = {"ModelPackageArn": "arn:g/3", "CreationTime": 101.0}
        again = act(self.port(made), self.ARGUMENTS, repeated=True, client_token="c")
        outcome = resources.REGISTRATION.start(again)
        assert isinstance(outcome, Outcome)
        assert outcome.metadata == {"RegisterModel": {"Arn": "arn:g/3"}}
        assert "CreateModelPackage" not in again.port.asked  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        ("summary", "described"),
        [
            ({"ModelPackageArn": "arn:g/2", "CreationTime": 99.0}, {}),
            ({"ModelPackageArn": "arn:g/3", "CreationTime": 101.0}, {"MetadataProperties": {"GeneratedBy": "x"}}),
            ({"ModelPackageArn": "arn:g/3", "CreationTime": 101.0}, {"InferenceSpecification": {}}),
        ],
    )
    def test_another_version_is_not_taken_for_it(self, summary: Any, described: Any) -> None:
        port = self.port(summary, **described)
        outcome = resources.REGISTRATION.start(act(port, self.ARGUMENTS, repeated=True, client_token="c"))
        assert isinstance(outcome, Outcome)
        assert outcome.metadata == {"RegisterModel": {"Arn": "arn:new"}}

    def test_soon_after_the_request_is_repeated_with_its_token(self) -> None:
        """Another step of the execution may have made a version that looks the same."""
        asked: list[Mapping[str, Any]] = []
        port = self.port({"ModelPackageArn": "arn:g/3", "CreationTime": clock.now()})

        def create(request: Mapping[str, Any]) -> dict[str, Any]:
            asked.append(request)
            return {"ModelPackageArn": "arn:g/4"}

        port.answers["CreateModelPackage"] = create
        again = act(port, self.ARGUMENTS, repeated=True, client_token="c", started=clock.now())
        outcome = resources.REGISTRATION.start(again)
        assert isinstance(outcome, Outcome)
        assert outcome.metadata == {"RegisterModel": {"Arn": "arn:g/4"}}
        assert [request["ClientToken"] for request in asked] == ["c"]

    def test_a_start_that_was_cut_off_before_there_was_a_group(self) -> None:
        port = self.port()
        del port.answers["ListModelPackages"]
        outcome = resources.REGISTRATION.start(act(port, self.ARGUMENTS, repeated=True, client_token="c"))
        assert isinstance(outcome, Outcome)
        assert outcome.metadata == {"RegisterModel": {"Arn": "arn:new"}}

    @pytest.mark.parametrize("given", [{}, {"ModelPackageName": "mine"}, {"ModelPackageGroupName": "g"}])
    def test_a_package_without_a_group_has_a_name(self, given: Mapping[str, str]) -> None:
        whole = act(self.port(), given, name="pipelines-abc-register-xyz")
        named = given or {"ModelPackageName": "pipelines-abc-register-xyz"}
        assert resources.REGISTRATION.intend(whole)["arguments"] == named

    def test_the_step_goes_on_until_the_version_is_complete(self) -> None:
        port = self.port(ModelPackageStatus="InProgress")
        begun = resources.REGISTRATION.start(act(port, self.ARGUMENTS, client_token="c"))
        assert begun == Begun({"RegisterModel": {"Arn": "arn:new"}})


class TestEndpoints:
    def port(self, **described: Any) -> Answers:
        told = {"EndpointArn": "arn:e", "EndpointStatus": "InService", "EndpointConfigName": "c", **described}
        return Answers(
            DescribeEndpoint=lambda r: told,
            CreateEndpoint=lambda r: {},
            UpdateEndpoint=lambda r: {},
            ListTags=lambda r: {},
        )

    @pytest.mark.parametrize(("before", "asked"), [(False, "CreateEndpoint"), (True, "UpdateEndpoint")])
    def test_it_is_made_or_updated(self, before: bool, asked: str) -> None:
        port = self.port()
        resources.ENDPOINT.start(act(port, {"EndpointConfigName": "c"}, before=before))
        assert [name for name in port.asked if name.startswith(("Create", "Update"))] == [asked]

    @pytest.mark.parametrize(
        ("described", "status"),
        [
            ({}, "Succeeded"),
            ({"EndpointStatus": "Updating"}, None),
            ({"EndpointConfigName": "old"}, "Failed"),
            ({"EndpointStatus": "Failed", "FailureReason": "no image"}, "Failed"),
        ],
    )
    def test_it_ends_in_service(self, described: Any, status: str | None) -> None:
        outcome = resources.ENDPOINT.look(act(self.port(**described), {"EndpointConfigName": "c"}))
        assert (outcome.status if outcome is not None else None) == status


class TestInferenceComponents:
    def port(self, **described: Any) -> Answers:
        told = {"InferenceComponentArn": "arn:i", "InferenceComponentStatus": "InService", **described}
        return Answers(
            DescribeInferenceComponent=lambda r: told,
            CreateInferenceComponent=lambda r: {},
            UpdateInferenceComponent=lambda r: {},
        )

    @pytest.mark.parametrize(
        ("before", "repeated", "described", "asked"),
        [
            (False, False, {}, ["CreateInferenceComponent"]),
            (False, True, {}, []),
            (True, False, {}, ["UpdateInferenceComponent"]),
            (True, True, {"InferenceComponentStatus": "Updating"}, []),
        ],
    )
    def test_it_is_made_or_updated_once(self, before: bool, repeated: bool, described: Any, asked: list[str]) -> None:
        port = self.port(**described)
        components.INFERENCE_COMPONENT.start(act(port, {"EndpointName": "e"}, before=before, repeated=repeated))
        assert [name for name in port.asked if name.startswith(("Create", "Update"))] == asked

    @pytest.mark.parametrize(
        ("described", "status"),
        [
            ({}, "Succeeded"),
            ({"InferenceComponentStatus": "Creating"}, None),
            ({"FailureReason": "the update was taken back"}, "Failed"),
            ({"InferenceComponentStatus": "Failed", "FailureReason": "no image"}, "Failed"),
        ],
    )
    def test_it_ends_in_service(self, described: Any, status: str | None) -> None:
        outcome = components.INFERENCE_COMPONENT.look(act(self.port(**described), {}))
        assert (outcome.status if outcome is not None else None) == status


class TestFunctions:
    OUTPUTS: Mapping[str, Any] = {
        "FunctionArn": "arn:f",
        "OutputParameters": [{"OutputName": "n", "OutputType": "Integer"}, {"OutputName": "t"}],
    }

    def outcome(self, **answer: Any) -> Outcome:
        result = LambdaStep().start(act(Answers(Invoke=lambda r: answer), {"x": 1}, self.OUTPUTS))
        assert isinstance(result, Outcome)
        return result

    def test_outputs_are_typed(self) -> None:
        outcome = self.outcome(Payload=b'{"n": 3, "t": "a", "other": null}')
        assert outcome.output == {"OutputParameters": {"n": 3, "t": "a"}}
        told = outcome.metadata["Lambda"]["OutputParameters"]
        assert told == [{"Name": "n", "Value": "3"}, {"Name": "t", "Value": "a"}]

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            ({"Payload": b'{"errorMessage": "x"}', "FunctionError": "Unhandled"}, "the function arn:f failed"),
            ({"Payload": b"[1]"}, "must return an object"),
            ({"Payload": b"oops"}, "must return an object"),
            ({"Payload": b'{"n": 3}'}, "has no output 't'"),
            ({"Payload": b'{"n": "x", "t": "a"}'}, "'x' of n is not of type Integer"),
        ],
    )
    def test_what_is_no_answer(self, answer: Any, reason: str) -> None:
        outcome = self.outcome(**answer)
        assert outcome.status == "Failed"
        assert reason in outcome.failure


class TestChecks:
    ARGUMENTS: Mapping[str, Any] = {
        "ProcessingInputs": [{"InputName": "dataset"}],
        "ProcessingOutputConfig": {"Outputs": [{"S3Output": {"S3Uri": "s3://b/out/"}}]},
        "Environment": {"a": "1"},
    }

    def own(self, **members: Any) -> dict[str, Any]:
        return {"CheckType": "DATA_QUALITY", "SkipCheck": False, "RegisterNewBaseline": False, **members}

    def test_the_registered_baseline_is_handed_to_the_job(self) -> None:
        kept = {
            "ModelDataQuality": {
                "Statistics": {"S3Uri": "s3://b/old/statistics.json"},
                "Constraints": {"S3Uri": "s3://b/old/constraints.json"},
            }
        }
        port = Answers(
            ListModelPackages=lambda r: {"ModelPackageSummaryList": [{"ModelPackageArn": "arn:g/1"}]},
            DescribeModelPackage=lambda r: {"DriftCheckBaselines": kept},
        )
        intent = check.QUALITY.intend(act(port, self.ARGUMENTS, self.own(ModelPackageGroupName="g")))
        request = intent["request"]
        places = {i["InputName"]: i.get("S3Input", {}).get("LocalPath") for i in request["ProcessingInputs"]}
        assert places["baseline_constraints"] == "/opt/ml/processing/baseline/constraints"
        assert request["Environment"]["baseline_statistics"].endswith("/baseline/statistics/statistics.json")
        assert intent["used"] == {
            "Constraints": "s3://b/old/constraints.json",
            "Statistics": "s3://b/old/statistics.json",
        }
        assert intent["calculated"]["Constraints"] == "s3://b/out/constraints.json"

    def test_without_a_baseline_nothing_is_checked_in_secret(self) -> None:
        with pytest.raises(Invalid, match="has no baseline to check against"):
            check.QUALITY.intend(act(Answers(), self.ARGUMENTS, self.own(ModelPackageGroupName="g")))
        intent = check.QUALITY.intend(act(Answers(), self.ARGUMENTS, self.own(SkipCheck=True)))
        assert intent["used"] == {}
        assert "baseline_constraints" not in intent["request"]["Environment"]

    def looked(self, violations: list[Any], **own: Any) -> Outcome:
        job = {"ProcessingJobStatus": "Completed", "ProcessingJobArn": "arn:j"}
        port = Answers(DescribeProcessingJob=lambda r: job)
        port.objects["s3://b/out/constraint_violations.json"] = json.dumps({"violations": violations}).encode()
        places = {"Constraints": "s3://b/c"}
        whole = act(port, self.ARGUMENTS, self.own(**own), request={}, calculated=places, used=places)
        outcome = check.QUALITY.look(whole)
        assert outcome is not None
        return outcome

    @pytest.mark.parametrize(("fail", "status"), [(None, "Failed"), (True, "Failed"), (False, "Succeeded")])
    def test_violations(self, fail: bool | None, status: str) -> None:
        outcome = self.looked([{}, {}], FailOnViolation=fail)
        assert outcome.status == status
        assert ("ClientError: Quality check failed. See violation report" in outcome.failure) == (status == "Failed")
        assert outcome.metadata["QualityCheck"]["ViolationReport"] == "s3://b/out/constraint_violations.json"
        assert outcome.output["BaselineUsedForDriftCheckConstraints"] == "s3://b/c"

    def test_a_check_without_violations_has_no_report_of_them(self) -> None:
        outcome = self.looked([], FailOnViolation=None)
        assert outcome.status == "Succeeded"
        assert "ViolationReport" not in outcome.metadata["QualityCheck"]

    def test_the_models_name_goes_into_the_configuration(self) -> None:
        arguments = {
            "ProcessingInputs": [{"InputName": "analysis_config", "S3Input": {"S3Uri": "s3://b/analysis_config.json"}}]
        }
        port = Answers(CreateProcessingJob=lambda r: {"ProcessingJobArn": "arn:j"})
        port.objects["s3://b/analysis_config.json"] = b'{"predictor": {"initial_instance_count": 1}}'
        own = self.own(CheckType="MODEL_BIAS", ModelName="m")
        written = "s3://b/e1/s/analysis_config.json"
        calculated = {"ProcessingOutputConfig": {"Outputs": [{"S3Output": {"S3Uri": "s3://b/out"}}]}}
        whole = act(port, {**arguments, **calculated}, {**own, "SkipCheck": True})
        intent = check.CLARIFY.intend(whole)
        assert intent["request"]["ProcessingInputs"][0]["S3Input"]["S3Uri"] == written
        check.CLARIFY.start(act(port, arguments, own, **intent))
        assert json.loads(port.objects[written]) == {"predictor": {"initial_instance_count": 1, "model_name": "m"}}
        assert b"model_name" not in port.objects["s3://b/analysis_config.json"]  # another execution's, too
        del port.objects["s3://b/analysis_config.json"]
        with pytest.raises(CallError, match="no analysis configuration at s3://b"):
            check.CLARIFY.start(act(port, arguments, own, **intent))

    def test_parameters_may_write_true_and_false_as_texts(self) -> None:
        with pytest.raises(Invalid, match="has no baseline to check against"):
            check.QUALITY.intend(act(Answers(), self.ARGUMENTS, self.own(SkipCheck="False")))
        own = self.own(SkipCheck="true", RegisterNewBaseline="false")
        assert check.QUALITY.intend(act(Answers(), self.ARGUMENTS, own))["used"] == {}
        assert self.looked([{}], FailOnViolation="false").status == "Succeeded"
        with pytest.raises(Invalid, match="'perhaps' of SkipCheck is not of type Boolean"):
            check.QUALITY.intend(act(Answers(), self.ARGUMENTS, self.own(SkipCheck="perhaps")))


def test_lineage_refers_to_what_it_has_made() -> None:
    associated: list[Mapping[str, Any]] = []
    port = Answers(
        CreateAction=already_there,
        DescribeAction=lambda r: {"ActionArn": f"arn:{r['ActionName']}"},
        ListArtifacts=lambda r: {"ArtifactSummaries": []},
        CreateArtifact=lambda r: {"ArtifactArn": f"arn:{r['ArtifactName']}"},
        AddAssociation=lambda r: associated.append(r) or {},
    )
    arguments = {
        "Actions": [{"ActionName": "act"}],
        "Artifacts": [{"ArtifactName": "data", "Source": {"SourceUri": "s3://b/d"}}],
        "Associations": [
            {
                "Source": {"Name": "data", "Type": "Artifact"},
                "Destination": {"Name": "act", "Type": "Action"},
                "AssociationType": "ContributedTo",
            }
        ],
    }
    outcome = LineageStep().start(act(port, arguments, repeated=True))
    assert isinstance(outcome, Outcome)
    assert outcome.output["ArtifactArns"] == {"data": "arn:data"}
    assert associated == [{"SourceArn": "arn:data", "DestinationArn": "arn:act", "AssociationType": "ContributedTo"}]
    arguments["Associations"][0]["Source"] = {"Name": "other", "Type": "Artifact"}
    with pytest.raises(CallError, match="this step makes no Artifact 'other'"):
        LineageStep().start(act(port, arguments, repeated=True))
