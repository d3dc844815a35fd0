"""``InstancePreferences`` of a job: types of instances in the order of preference. This machine has room for any of
them, so the first is selected."""

from collections.abc import Mapping
from typing import Any

from selfmaker.sagemaker.checks import invalid

_EXCLUDED = ("InstanceType", "InstanceGroups", "InstancePlacementConfig")


def with_selection(resources: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``resources`` and, where it states preferences, the selection that Describe shows. ``where`` is the name of the
    request's member. Raises ValidationException as AwsError."""
    for member in ("SelectedInstanceType", "SelectedInstanceCount"):
        if member in resources:
            raise invalid(f"{where}.{member} is read-only: it is not accepted in a request.")
    preferences = resources.get("InstancePreferences")
    if not preferences:
        return dict(resources)
    _check(resources, preferences, where)
    first = preferences[0]
    count = first.get("InstanceCount", resources.get("InstanceCount"))
    return {**resources, "SelectedInstanceType": first["InstanceType"], "SelectedInstanceCount": count}


def instance_type(resources: Mapping[str, Any]) -> str | None:
    """The type that was asked for, or selected; None where there are only groups."""
    return resources.get("InstanceType") or resources.get("SelectedInstanceType")


def instance_count(resources: Mapping[str, Any]) -> int | None:
    """The number of instances that was asked for, or that of the selected preference."""
    count: int | None = resources.get("SelectedInstanceCount", resources.get("InstanceCount"))
    return count


def _check(resources: Mapping[str, Any], preferences: list[dict[str, Any]], where: str) -> None:
    for member in _EXCLUDED:
        if member in resources:
            raise invalid(f"{where}: InstancePreferences excludes {member}.")
    types = [preference["InstanceType"] for preference in preferences]
    twice = next((kind for kind in types if types.count(kind) > 1), None)
    if twice is not None:
        raise invalid(f"{where}.InstancePreferences: {twice} appears more than once.")
    counted = {"InstanceCount" in preference for preference in preferences}
    if len(counted) > 1 or counted == {"InstanceCount" in resources}:
        raise invalid(
            f"{where}: InstanceCount must be given either in every one of InstancePreferences or beside them, once."
        )
    if any(preference.get("InstanceCount", 1) < 1 for preference in preferences):
        raise invalid(f"{where}.InstancePreferences: InstanceCount must be at least 1.")
