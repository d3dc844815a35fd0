"""Steps that put a model on an endpoint that is there: InferenceComponent."""

from collections.abc import Mapping
from typing import Any

from selfmaker.workflow.port import CallError
from selfmaker.workflow.steps.base import FAILED, SUCCEEDED, Act, Begun, Outcome, Plain
from selfmaker.workflow.steps.jobs import tags

_CHANGED = ("Specification", "Specifications", "RuntimeConfig", "DeploymentConfig")


class InferenceComponentStep(Plain):
    """An inference component that is created, or updated where it is there already, and in service at the end."""

    name_member = "InferenceComponentName"

    def intend(self, act: Act) -> Mapping[str, Any]:
        return {"before": _described(act) is not None}

    def start(self, act: Act) -> Begun | Outcome:
        name, arguments = {"InferenceComponentName": act.intent["name"]}, act.arguments
        known = _described(act) if act.intent.get("repeated") else None
        if act.intent["before"]:
            if (known or {}).get("InferenceComponentStatus") != "Updating":
                changes = {member: arguments[member] for member in _CHANGED if member in arguments}
                act.call("UpdateInferenceComponent", {**changes, **name})
        elif known is None:
            own = tags(act, arguments.get("Tags") or [])
            act.call("CreateInferenceComponent", {**arguments, **name, "Tags": own})
        return Begun({"InferenceComponent": {"Arn": _describe(act)["InferenceComponentArn"]}})

    def look(self, act: Act) -> Outcome | None:
        described = _describe(act)
        metadata = {"InferenceComponent": {"Arn": described["InferenceComponentArn"]}}
        reason = str(described.get("FailureReason") or "")
        if described["InferenceComponentStatus"] == "InService" and not reason:
            return Outcome(SUCCEEDED, described, metadata)
        if described["InferenceComponentStatus"] in ("InService", "Failed"):  # after an update that was taken back, too
            return Outcome(FAILED, described, metadata, reason or "the inference component failed")
        return None


def _describe(act: Act) -> dict[str, Any]:
    return act.call("DescribeInferenceComponent", {"InferenceComponentName": act.intent["name"]})


def _described(act: Act) -> dict[str, Any] | None:
    try:
        return _describe(act)
    except CallError:
        return None


INFERENCE_COMPONENT = InferenceComponentStep()
