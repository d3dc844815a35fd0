"""Lineage steps: actions, artifacts and contexts, and associations between them."""

from collections.abc import Mapping
from typing import Any

from selfmaker.workflow.port import CallError
from selfmaker.workflow.steps.base import SUCCEEDED, Act, Begun, Outcome, Plain


class LineageStep(Plain):
    """All is made within the start; what an interrupted start has made is found by its name."""

    blocking = True

    def start(self, act: Act) -> Begun | Outcome:
        made: dict[tuple[str, str], str] = {}
        for noun in ("Action", "Artifact", "Context"):
            for request in act.arguments.get(f"{noun}s") or []:
                made[noun, str(request.get(f"{noun}Name", len(made)))] = _ensure(act, noun, request)
        associations = [_associate(act, made, given) for given in act.arguments.get("Associations") or []]
        told: dict[str, Any] = {"Associations": associations}
        for noun in ("Action", "Artifact", "Context"):
            told[f"{noun}Arns"] = {name: arn for (kind, name), arn in made.items() if kind == noun}
        return Outcome(SUCCEEDED, told, {"Lineage": {key: value for key, value in told.items() if value}})


def _ensure(act: Act, noun: str, request: Mapping[str, Any]) -> str:
    arn = f"{noun}Arn"
    if noun == "Artifact" and act.intent.get("repeated"):
        source = {"SourceUri": request["Source"]["SourceUri"], "CreatedAfter": act.intent["started"] - 1}
        for summary in act.call("ListArtifacts", source)["ArtifactSummaries"]:
            if summary.get("ArtifactName") == request.get("ArtifactName"):
                return str(summary[arn])
    try:
        return str(act.call(f"Create{noun}", request)[arn])
    except CallError as error:
        if noun == "Artifact" or not act.intent.get("repeated") or "already exists" not in error.message:
            raise
        return str(act.call(f"Describe{noun}", {f"{noun}Name": request[f"{noun}Name"]})[arn])


def _associate(act: Act, made: Mapping[tuple[str, str], str], given: Mapping[str, Any]) -> dict[str, str]:
    request = {}
    for end in ("Source", "Destination"):
        named = given[end]
        arn = named.get("Arn") or made.get((str(named.get("Type")), str(named.get("Name"))))
        if arn is None:
            wrong = f"{end}: this step makes no {named.get('Type')} {named.get('Name')!r}"
            raise CallError("sagemaker:AddAssociation", "ValidationException", wrong)
        request[f"{end}Arn"] = str(arn)
    kind = {"AssociationType": given["AssociationType"]} if given.get("AssociationType") else {}
    try:
        act.call("AddAssociation", {**request, **kind})
    except CallError as error:
        if not act.intent.get("repeated") or "already exists" not in error.message:
            raise
    return request
