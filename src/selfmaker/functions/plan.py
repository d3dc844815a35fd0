"""What a function is to the engine, and what a call of it ends in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FunctionPlan:
    """``key`` is the same for calls that may share a process: function, version and revision. ``code`` is the folder
    with the user's files; ``variables`` are the process's environment; times are in seconds, memory in MB;
    ``most`` is how many calls may be under way at once."""

    key: str
    name: str
    region: str
    runtime: str
    handler: str
    code: Path
    timeout: float
    memory: int
    log_group: str
    version: str
    variables: Mapping[str, str] = field(default_factory=dict)
    most: int | None = None

    def with_variables(self, variables: Mapping[str, str]) -> "FunctionPlan":
        return replace(self, variables={**self.variables, **variables})


@dataclass(frozen=True)
class Invocation:
    """One call: ``event`` is JSON; ``arn`` the function as the caller named it."""

    request_id: str
    arn: str
    event: bytes
    client_context: Any = None


@dataclass(frozen=True)
class Outcome:
    """``payload`` is the result, or the error's document when ``failed``. ``log``: the last 4 KB of what was said."""

    payload: bytes
    failed: bool
    log: bytes
