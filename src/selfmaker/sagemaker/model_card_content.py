"""What a model card says, as far as SageMaker itself reads it."""

import json
from typing import Any

from selfmaker.sagemaker.checks import invalid

Content = dict[str, Any]

# What stays of the content where only metadata are asked for.
_METADATA = (
    ("model_overview", "model_id"),
    ("model_overview", "model_name"),
    ("intended_uses", "risk_rating"),
    ("model_package_details", "model_package_group_name"),
    ("model_package_details", "model_package_arn"),
)


def content_of(text: str, member: str) -> Content:
    """Raises ValidationException, naming the member, for anything but a JSON object."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise invalid(f"{member} is not a valid JSON object.")
    return content


def metadata(content: Content) -> Content:
    kept: Content = {}
    for section, member in _METADATA:
        value = _value(content, section, member)
        if value is not None:
            kept.setdefault(section, {})[member] = value
    return kept


def summary_members(content: Content) -> Content:
    """What Search shows of the content beside it, and finds cards by."""
    package = _value(content, "model_package_details", "model_package_arn")
    members = {
        "ModelId": package or _value(content, "model_overview", "model_id"),
        "RiskRating": _value(content, "intended_uses", "risk_rating"),
        "ModelPackageGroupName": _value(content, "model_package_details", "model_package_group_name"),
    }
    return {name: value for name, value in members.items() if isinstance(value, str)}


def _value(content: Content, section: str, member: str) -> Any:
    part = content.get(section)
    return part.get(member) if isinstance(part, dict) else None
