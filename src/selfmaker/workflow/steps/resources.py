"""Steps that make a resource: Model, RegisterModel, EndpointConfig and Endpoint."""

from collections.abc import Mapping
from typing import Any

from selfmaker import clock, ids
from selfmaker.workflow.port import CallError
from selfmaker.workflow.steps.base import FAILED, SUCCEEDED, Act, Begun, Outcome, Plain
from selfmaker.workflow.steps.jobs import tags

_TOKEN_LIFE = 7 * 3600.0  # seconds for which a request with a ClientToken surely makes nothing twice (AWS: 8 hours)


class CreationStep(Plain):
    """A resource that is there at once: Model and EndpointConfig."""

    def __init__(self, what: str, cache_members: tuple[str, ...] | None = None) -> None:
        self._noun = what
        self._member = self.name_member = f"{what}Name"
        self.cache_members = cache_members

    def start(self, act: Act) -> Begun | Outcome:
        name = act.intent["name"]
        request = {**act.arguments, self._member: name, "Tags": tags(act, act.arguments.get("Tags") or [])}
        if self._noun == "Model":
            request.setdefault("ExecutionRoleArn", act.execution.document["role"])
        try:
            act.call(f"Create{self._noun}", request)
        except CallError:
            if not self._made_before(act):
                raise
        described = act.call(f"Describe{self._noun}", {self._member: name})
        return Outcome(SUCCEEDED, described, {self._noun: {"Arn": described[f"{self._noun}Arn"]}})

    def _made_before(self, act: Act) -> bool:
        """Whether an earlier, interrupted start of this very step made the resource."""
        try:
            arn = act.call(f"Describe{self._noun}", {self._member: act.intent["name"]})[f"{self._noun}Arn"]
        except CallError:
            return False
        return _is_ours(act, arn)


class RegistrationStep(Plain):
    """A new version of a model package, complete once its status is Completed."""

    def intend(self, act: Act) -> Mapping[str, Any]:
        arguments = act.arguments
        if "ModelPackageGroupName" not in arguments and "ModelPackageName" not in arguments:
            arguments = {**arguments, "ModelPackageName": act.intent["name"]}
        return {"client_token": ids.unique_id(), "arguments": arguments}

    def start(self, act: Act) -> Begun | Outcome:
        late = act.intent.get("repeated") and clock.now() - act.intent["started"] > _TOKEN_LIFE
        arn = self._made_before(act) if late else None
        if arn is None:
            request = {"ClientToken": act.intent["client_token"], **act.arguments}
            request["MetadataProperties"] = _origin(act)
            if "ModelPackageGroupName" in request:  # a version has its group's tags
                _ensure_group(act, str(request["ModelPackageGroupName"]))
            else:
                request["Tags"] = tags(act, act.arguments.get("Tags") or [])
            arn = act.call("CreateModelPackage", request)["ModelPackageArn"]
        return _registered(act, arn) or Begun({"RegisterModel": {"Arn": arn}})

    def look(self, act: Act) -> Outcome | None:
        return _registered(act, act.intent["metadata"]["RegisterModel"]["Arn"])

    def _made_before(self, act: Act) -> str | None:
        """The package that an earlier, interrupted start made, so long ago that its token is forgotten: versions have
        no names by which to know them."""
        group = act.arguments.get("ModelPackageGroupName")
        request = {"ModelPackageGroupName": group, "SortBy": "CreationTime", "SortOrder": "Descending"}
        try:
            found = act.call("ListModelPackages", {k: v for k, v in request.items() if v is not None})
        except CallError as error:
            if error.status >= 500:
                raise
            return None  # the start was cut off before there was a group
        for summary in found["ModelPackageSummaryList"]:
            if summary["CreationTime"] < act.intent["started"]:
                break
            described = act.call("DescribeModelPackage", {"ModelPackageName": summary["ModelPackageArn"]})
            same = described.get("InferenceSpecification") == act.arguments.get("InferenceSpecification")
            if same and described.get("MetadataProperties") == _origin(act):
                return str(summary["ModelPackageArn"])
        return None


class EndpointStep(Plain):
    """An endpoint that is created, or updated where it is there already, and in service at the end."""

    name_member = "EndpointName"

    def intend(self, act: Act) -> Mapping[str, Any]:
        return {"before": _described(act, act.intent["name"]) is not None}

    def start(self, act: Act) -> Begun | Outcome:
        name, arguments = act.intent["name"], act.arguments
        known = {"EndpointName": name, "EndpointConfigName": arguments.get("EndpointConfigName")}
        if act.intent["before"]:
            deployment = {k: arguments[k] for k in ("DeploymentConfig",) if k in arguments}
            described = (_described(act, name) or {}) if act.intent.get("repeated") else {}
            updated = described.get("EndpointConfigName") == arguments.get("EndpointConfigName")
            if not (described and (updated or described.get("EndpointStatus") == "Updating")):
                act.call("UpdateEndpoint", {**known, **deployment})
        elif not (act.intent.get("repeated") and _described(act, name) is not None):
            own = tags(act, arguments.get("Tags") or [])
            act.call("CreateEndpoint", {**arguments, **known, "Tags": own})
        arn = act.call("DescribeEndpoint", {"EndpointName": name})["EndpointArn"]
        return Begun({"Endpoint": {"Arn": arn}})

    def look(self, act: Act) -> Outcome | None:
        described = act.call("DescribeEndpoint", {"EndpointName": act.intent["name"]})
        metadata = {"Endpoint": {"Arn": described["EndpointArn"]}}
        if described["EndpointStatus"] == "InService":
            wanted = act.arguments.get("EndpointConfigName")
            if described.get("EndpointConfigName") == wanted:
                return Outcome(SUCCEEDED, described, metadata)
            reason = str(described.get("FailureReason") or f"the endpoint was not updated to {wanted}")
            return Outcome(FAILED, described, metadata, reason)
        if described["EndpointStatus"] in ("Failed", "UpdateRollbackFailed", "OutOfService"):
            reason = str(described.get("FailureReason") or f"the endpoint is {described['EndpointStatus']}")
            return Outcome(FAILED, described, metadata, reason)
        return None


def _ensure_group(act: Act, name: str) -> None:
    """The group of a new version is made with the first one."""
    if name.startswith("arn:"):
        return
    try:
        act.call("DescribeModelPackageGroup", {"ModelPackageGroupName": name})
    except CallError as error:
        if error.status >= 500:
            raise
        try:
            act.call("CreateModelPackageGroup", {"ModelPackageGroupName": name, "Tags": tags(act, [])})
        except CallError as taken:
            if "already exists" not in taken.message:  # another step was quicker
                raise


def _registered(act: Act, arn: str) -> Outcome | None:
    described = act.call("DescribeModelPackage", {"ModelPackageName": arn})
    status, metadata = described.get("ModelPackageStatus"), {"RegisterModel": {"Arn": arn}}
    if status == "Completed":
        return Outcome(SUCCEEDED, described, metadata)
    if status == "Failed":
        return Outcome(FAILED, described, metadata, f"the model package {arn} failed")
    return None


def _origin(act: Act) -> dict[str, Any]:
    return {"GeneratedBy": act.execution.arn, **(act.arguments.get("MetadataProperties") or {})}


def _described(act: Act, endpoint: str) -> dict[str, Any] | None:
    try:
        return act.call("DescribeEndpoint", {"EndpointName": endpoint})
    except CallError:
        return None


def _is_ours(act: Act, arn: str) -> bool:
    found = {tag["Key"]: tag["Value"] for tag in act.call("ListTags", {"ResourceArn": arn}).get("Tags", [])}
    return (
        found.get("sagemaker:pipeline-execution-arn") == act.execution.arn
        and found.get("sagemaker:pipeline-step-name") == act.step.name
    )


MODEL = CreationStep("Model")
ENDPOINT_CONFIG = CreationStep("EndpointConfig")
REGISTRATION = RegistrationStep()
ENDPOINT = EndpointStep()
