"""What a type of step is to the engine."""

import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from selfmaker.store.executions import Execution
from selfmaker.workflow.definition import Step
from selfmaker.workflow.port import Port

Document = dict[str, Any]

SUCCEEDED, FAILED, STOPPED = "Succeeded", "Failed", "Stopped"

LONGEST_NAME = 63  # of a job
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Act:
    """One attempt at one step: all that a type of step needs to start, watch or stop it.

    ``intent`` is what was written down before the start: ``arguments``, the Arguments with every expression resolved,
    ``own``, the step's other members likewise, and what the type itself added in ``intend``.
    """

    step: Step
    execution: Execution
    port: Port
    intent: Mapping[str, Any]

    def call(self, operation: str, request: Mapping[str, Any], service: str = "sagemaker") -> Document:
        """Raises CallError."""
        return self.port.call(service, operation, request, self.execution.region)

    @property
    def arguments(self) -> Mapping[str, Any]:
        arguments: Mapping[str, Any] = self.intent["arguments"]
        return arguments

    @property
    def own(self) -> Mapping[str, Any]:
        own: Mapping[str, Any] = self.intent["own"]
        return own


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. ``output`` is what references to the step's properties find, ``metadata`` goes into
    ListPipelineExecutionSteps; ``exception`` is the type by which retry policies know the failure; ``answer`` the
    client's token of the answer that a callback got."""

    status: str
    output: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""
    exception: str | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Begun:
    """An attempt that goes on. ``metadata`` as in Outcome."""

    metadata: Mapping[str, Any] = field(default_factory=dict)


class StepType(Protocol):
    """One type of step. Its acts may be repeated for the same attempt, for a server may die between any two.

    ``cache_members`` is what makes two runs the same work, None for a type without caching; ``name_member`` the member
    of the Arguments that holds the name of what is made, "" for none; ``noun`` the kind of job whose end the engine is
    told of, "" where the step must be looked at; ``longest`` the most characters of a name. An ``instant`` step ends
    within ``start`` and calls nobody; a ``blocking`` one ends within ``start`` too, which may take minutes.
    """

    @property
    def cache_members(self) -> tuple[str, ...] | None: ...
    @property
    def name_member(self) -> str: ...
    @property
    def noun(self) -> str: ...
    @property
    def longest(self) -> int: ...
    @property
    def instant(self) -> bool: ...
    @property
    def blocking(self) -> bool: ...

    def intend(self, act: Act) -> Mapping[str, Any]:
        """What to add to the intent, which has a ``name`` already: tokens that the attempt will use. Nothing happens
        yet. Raises Invalid for arguments that make no sense."""

    def start(self, act: Act) -> Begun | Outcome:
        """Raises CallError. What an earlier, interrupted start (``repeated`` in the intent) has made is taken over."""

    def look(self, act: Act) -> Outcome | None:
        """The outcome of an attempt that has begun, None while it goes on. Raises CallError."""

    def stop(self, act: Act) -> None:
        """Ask it to end; ``look`` tells when it has. Raises CallError."""


class Plain:
    """What most types of steps are; they override what they are not."""

    cache_members: tuple[str, ...] | None = None
    name_member = ""
    noun = ""
    longest = LONGEST_NAME
    instant = False
    blocking = False

    def intend(self, act: Act) -> Mapping[str, Any]:
        return {}

    def look(self, act: Act) -> Outcome | None:
        return None

    def stop(self, act: Act) -> None:
        """Nothing that could be stopped goes on."""


def job_name(execution: str, step: str, prefix: str = "", longest: int = LONGEST_NAME) -> str:
    """A job's name as pipelines choose them: ``pipelines-<execution>-<step>-<random>``, or with a prefix of the
    user's own ``<prefix>-<execution>-<random>``."""
    tail = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    room = longest - len(tail) - 1
    if prefix:
        head = f"{plain(prefix)[: room - len(execution) - 1].strip('-')}-{execution}"
    else:
        head = plain(f"pipelines-{execution}-{step}" if longest == LONGEST_NAME else f"{execution}-{step}")
    return f"{head[:room].strip('-')}-{tail}"


def plain(text: str) -> str:
    """Only what names of jobs and trial components may have, no two hyphens in a row; steps may have underscores."""
    return re.sub(r"-{2,}", "-", re.sub(r"[^a-zA-Z0-9-]", "-", text)).strip("-")
