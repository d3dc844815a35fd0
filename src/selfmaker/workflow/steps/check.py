"""QualityCheck and ClarifyCheck: a processing job works out a baseline, and checks it against an earlier one.

The job is the one of the Arguments, on AWS's images for monitoring and Clarify. For a check it also gets the earlier
baseline, as a monitoring job does: as inputs below /opt/ml/processing/baseline, named by the variables
``baseline_statistics`` and ``baseline_constraints``. It answers with constraint_violations.json among its outputs.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from selfmaker.errors import Invalid, NotFound
from selfmaker.workflow.parameters import typed
from selfmaker.workflow.port import CallError
from selfmaker.workflow.steps.base import FAILED, SUCCEEDED, Act, Begun, Outcome, Plain
from selfmaker.workflow.steps.jobs import PROCESSING

_FOLDER = "/opt/ml/processing/baseline"
_VIOLATIONS = "constraint_violations.json"

# CheckType -> the member of DriftCheckBaselines, and in it those with statistics and constraints.
_BASELINES: Mapping[str, tuple[str, str | None, str]] = {
    "DATA_QUALITY": ("ModelDataQuality", "Statistics", "Constraints"),
    "MODEL_QUALITY": ("ModelQuality", "Statistics", "Constraints"),
    "DATA_BIAS": ("Bias", None, "PreTrainingConstraints"),
    "MODEL_BIAS": ("Bias", None, "PostTrainingConstraints"),
    "MODEL_EXPLAINABILITY": ("Explainability", None, "Constraints"),
}


class CheckStep(Plain):
    """``metadata`` is the step's type, under which its results are told; ``files`` the names of the results."""

    name_member = "ProcessingJobName"
    noun = "ProcessingJob"

    def __init__(self, metadata: str, constraints: str, statistics: str | None) -> None:
        self._metadata = metadata
        self._words = metadata.removesuffix("Check")
        self._constraints, self._statistics = constraints, statistics
        configuration = ("CheckType", "SkipCheck", "RegisterNewBaseline", "ModelPackageGroupName")
        supplied = ("SuppliedBaselineConstraints", "SuppliedBaselineStatistics")
        job = ("AppSpecification", "Environment", "ProcessingInputs")
        self.cache_members = (*configuration, *supplied, *job)

    def intend(self, act: Act) -> Mapping[str, Any]:
        """Raises Invalid where a check is asked for and there is nothing to check against."""
        baseline = _baseline(act)
        checks, renews = not _says(act.own, "SkipCheck"), _says(act.own, "RegisterNewBaseline")
        _says(act.own, "FailOnViolation")
        needed = ("Constraints", "Statistics") if self._statistics else ("Constraints",)
        if checks and not all(baseline.get(name) for name in needed):
            raise Invalid(
                f"the step {act.step.name} has no baseline to check against: neither is one supplied, nor has the "
                f"newest approved package of the group {act.own.get('ModelPackageGroupName')} one. Set SkipCheck to "
                "true until there is."
            )
        uri = _output_uri(act)
        calculated = {"Constraints": f"{uri}/{self._constraints}"}
        if self._statistics:
            calculated["Statistics"] = f"{uri}/{self._statistics}"
        used = calculated if renews else baseline
        request = _with_named_model(act, _with_baseline(act, baseline if checks else {}))
        return {"request": request, "calculated": calculated, "used": used}

    def start(self, act: Act) -> Begun | Outcome:
        _name_model(act)
        result = PROCESSING.start(_as_job(act))
        return result if isinstance(result, Outcome) else Begun(self._told(act, result.metadata))

    def look(self, act: Act) -> Outcome | None:
        outcome = PROCESSING.look(_as_job(act))
        if outcome is None:
            return None
        told = self._told(act, outcome.metadata)
        if outcome.status != SUCCEEDED:
            return replace(outcome, output={}, metadata=told)
        report = self._report(act)
        if report:
            told[self._metadata]["ViolationReport"] = report
        output = {f"CalculatedBaseline{name}": uri for name, uri in act.intent["calculated"].items()}
        output |= {f"BaselineUsedForDriftCheck{name}": uri for name, uri in act.intent["used"].items()}
        if report and _says(act.own, "FailOnViolation", default=True):
            reason = f"ClientError: {self._words} check failed. See violation report {report}"
            return Outcome(FAILED, output, told, reason)
        return Outcome(SUCCEEDED, output, told)

    def stop(self, act: Act) -> None:
        PROCESSING.stop(_as_job(act))

    def _report(self, act: Act) -> str:
        """Where the report of violations is; "" without any, as for a step that checks nothing."""
        if _says(act.own, "SkipCheck"):
            return ""
        uri = f"{_output_uri(act)}/{_VIOLATIONS}"
        try:
            return uri if json.loads(act.port.read(uri)).get("violations") else ""
        except (NotFound, ValueError, AttributeError):
            return ""

    def _told(self, act: Act, job: Mapping[str, Any]) -> dict[str, Any]:
        intent, own = act.intent, act.own
        members = {
            "CheckType": own["CheckType"],
            "ModelPackageGroupName": own.get("ModelPackageGroupName"),
            "CheckJobArn": job.get("ProcessingJob", {}).get("Arn"),
            "SkipCheck": _says(own, "SkipCheck"),
            "RegisterNewBaseline": _says(own, "RegisterNewBaseline"),
            **{f"CalculatedBaseline{name}": uri for name, uri in intent["calculated"].items()},
            **{f"BaselineUsedForDriftCheck{name}": uri for name, uri in intent["used"].items()},
        }
        return {self._metadata: {key: value for key, value in members.items() if value is not None}}


def _as_job(act: Act) -> Act:
    return replace(act, intent={**act.intent, "arguments": act.intent["request"]})


def _baseline(act: Act) -> dict[str, str]:
    """The baseline to check against: the one supplied, else that of the group's newest approved package."""
    found = _registered(act) if act.own.get("ModelPackageGroupName") else {}
    for name in ("Constraints", "Statistics"):
        if act.own.get(f"SuppliedBaseline{name}"):
            found[name] = str(act.own[f"SuppliedBaseline{name}"])
    return found


def _registered(act: Act) -> dict[str, str]:
    request = {
        "ModelPackageGroupName": act.own["ModelPackageGroupName"],
        "ModelApprovalStatus": "Approved",
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": 1,
    }
    try:
        summaries = act.call("ListModelPackages", request)["ModelPackageSummaryList"]
        if not summaries:
            return {}
        described = act.call("DescribeModelPackage", {"ModelPackageName": summaries[0]["ModelPackageArn"]})
    except CallError as error:
        if error.status >= 500:
            raise
        return {}  # the group is not there yet
    member, statistics, constraints = _BASELINES[act.own["CheckType"]]
    kept = (described.get("DriftCheckBaselines") or {}).get(member) or {}
    found = {"Constraints": kept.get(constraints), "Statistics": kept.get(statistics) if statistics else None}
    return {name: source["S3Uri"] for name, source in found.items() if source}


def _with_baseline(act: Act, baseline: Mapping[str, str]) -> dict[str, Any]:
    """The job's request with the baseline among its inputs."""
    arguments = dict(act.arguments)
    for name, uri in baseline.items():
        word = name.lower()
        folder = f"{_FOLDER}/{word}"
        source = {
            "S3Uri": uri,
            "LocalPath": folder,
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
            "S3CompressionType": "None",
        }
        given = {"InputName": f"baseline_{word}", "AppManaged": False, "S3Input": source}
        arguments["ProcessingInputs"] = [*(arguments.get("ProcessingInputs") or []), given]
        variable = {f"baseline_{word}": f"{folder}/{uri.rpartition('/')[2]}"}
        arguments["Environment"] = {**(arguments.get("Environment") or {}), **variable}
    return arguments


def _output_uri(act: Act) -> str:
    """Where the job's results go. Raises Invalid when it has no output."""
    outputs = (act.arguments.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    if not outputs:
        raise Invalid(f"the step {act.step.name} has no output: ProcessingOutputConfig.Outputs is empty")
    return str(outputs[0]["S3Output"]["S3Uri"]).rstrip("/")


def _with_named_model(act: Act, request: dict[str, Any]) -> dict[str, Any]:
    """The job's request with an analysis configuration of its own, where the model's name is known only now."""
    if not act.own.get("ModelName"):
        return request
    inputs = [_own_configuration(act, given) for given in request.get("ProcessingInputs") or []]
    return {**request, "ProcessingInputs": inputs}


def _own_configuration(act: Act, given: Mapping[str, Any]) -> Mapping[str, Any]:
    if given.get("InputName") != "analysis_config":
        return given
    folder, _, file = str(given["S3Input"]["S3Uri"]).rpartition("/")
    return {**given, "S3Input": {**given["S3Input"], "S3Uri": f"{folder}/{act.execution.id}/{act.step.name}/{file}"}}


def _name_model(act: Act) -> None:
    """Write the job's own analysis configuration: the step's, with the model's name. May be repeated."""
    if not act.own.get("ModelName"):
        return
    for given in act.arguments.get("ProcessingInputs") or []:
        own = _own_configuration(act, given)
        if own is given:
            continue
        uri = str(given["S3Input"]["S3Uri"])
        try:
            configuration = dict(json.loads(act.port.read(uri)))
            predictor = {**configuration.get("predictor", {}), "model_name": str(act.own["ModelName"])}
        except (NotFound, ValueError, TypeError):
            raise CallError("s3:GetObject", "NoSuchKey", f"there is no analysis configuration at {uri}") from None
        configuration["predictor"] = predictor
        act.port.write(own["S3Input"]["S3Uri"], json.dumps(configuration).encode())


def _says(own: Mapping[str, Any], member: str, *, default: bool = False) -> bool:
    """What a member says that a parameter may write as a text. Raises Invalid for what is neither true nor false."""
    value = own.get(member)
    return default if value is None else bool(typed(member, "Boolean", value))


QUALITY = CheckStep("QualityCheck", "constraints.json", "statistics.json")
CLARIFY = CheckStep("ClarifyCheck", "analysis.json", None)
