"""Caching of steps: what makes two runs of a step the same work.

The members that count are those that AWS lists for each type of step
(https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html); what is at the places they name is not
looked at.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from selfmaker.workflow import durations


def enabled(step: Mapping[str, Any]) -> bool:
    return bool((step.get("CacheConfig") or {}).get("Enabled"))


def oldest(step: Mapping[str, Any], now: float) -> float:
    """When a run must have ended, at the earliest, to count."""
    expiry = (step.get("CacheConfig") or {}).get("ExpireAfter")
    return now - durations.seconds(expiry) if expiry else 0.0


def key(kind: str, work: Mapping[str, Any], members: Sequence[str]) -> str:
    """Equal for equal work of steps of a type. A dotted member is one within a structure, ``*`` all arguments."""
    picked = {member: _at(work, member) for member in members}
    text = json.dumps([kind, picked], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _at(work: Mapping[str, Any], member: str) -> Any:
    value: Any = work
    for part in member.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
