"""A pipeline's definition in the language of version 2020-12-01, taken apart."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Any

from selfmaker.errors import Invalid
from selfmaker.workflow.expressions import Reference, references

VERSION = "2020-12-01"
CONDITION, FAIL = "Condition", "Fail"
COMPLETED, ANY = "Completed", "Any"
TRIGGERS = (COMPLETED, "Failed", "Stopped", ANY)

_DEEPEST = 64  # objects within objects; deeper ones would only exhaust the stack


@dataclass(frozen=True)
class Step:
    """One step, wherever it stands. ``place`` is its path in the definition; ``parent`` is the condition step in
    whose ``branch`` (True for IfSteps) it stands, if it stands in one."""

    name: str
    type: str
    raw: Mapping[str, Any]
    place: str
    parent: str | None = None
    branch: bool = True

    @property
    def arguments(self) -> Mapping[str, Any]:
        return self.raw.get("Arguments") or {}

    @property
    def dependencies(self) -> tuple[tuple[str, str], ...]:
        """DependsOn as (name of a step, the outcome of it that lets this one start); a name alone means Completed."""
        entries = self.raw.get("DependsOn") or ()
        named = ({"Step": entry} if isinstance(entry, str) else entry for entry in entries)
        return tuple((entry["Step"], entry.get("Trigger", COMPLETED)) for entry in named)

    @cached_property
    def triggers(self) -> Mapping[str, str]:
        """By the name of a step in DependsOn, the outcome of it that lets this one start, one of TRIGGERS."""
        return dict(self.dependencies)

    @cached_property
    def own(self) -> Mapping[str, Any]:
        """All members but the steps of its branches, which have references of their own."""
        if self.type != CONDITION:
            return self.raw
        return {**self.raw, "Arguments": {"Conditions": self.arguments.get("Conditions")}}

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """Raises Invalid for a malformed one."""
        return tuple(references(self.own, self.place))

    @cached_property
    def needs(self) -> frozenset[str]:
        """The steps that must have ended before this one starts, with success unless ``triggers`` says otherwise."""
        named = {r.name for r in self.references if r.root == "Steps"}
        return frozenset(named | set(self.triggers) | ({self.parent} if self.parent else set()))


@dataclass(frozen=True)
class Definition:
    """``steps`` are all steps, those of branches included, in the order of the definition."""

    raw: Mapping[str, Any]
    steps: tuple[Step, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Step]:
        return {step.name: step for step in self.steps}

    @cached_property
    def sorted_steps(self) -> tuple[Step, ...]:
        """Each step after all that it needs. Raises graphlib.CycleError."""
        graph = {step.name: step.needs & self.by_name.keys() for step in self.steps}
        return tuple(self.by_name[name] for name in TopologicalSorter(graph).static_order())

    def heeds_stop(self, name: str) -> bool:
        """Whether a step has the run condition that this one was stopped."""
        return any(step.triggers.get(name) == "Stopped" for step in self.steps)

    @property
    def parameters(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(self.raw.get("Parameters") or ())

    @property
    def experiment(self) -> Mapping[str, Any]:
        return self.raw.get("PipelineExperimentConfig") or {}


def parse(text: str) -> Definition:
    """Raises Invalid for what is no definition at all; whether it makes sense is for ``lint`` to say."""
    try:
        raw = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"Unable to parse pipeline definition: it is not valid JSON ({error})") from None
    _check_depth(raw)
    if not isinstance(raw, dict):
        raise Invalid("Unable to parse pipeline definition: it must be a JSON object")
    for member in ("Parameters", "Steps"):
        if raw.get(member) is not None and not isinstance(raw[member], list):
            raise Invalid(f"Unable to parse pipeline definition: {member} must be a list")
    if not isinstance(raw.get("PipelineExperimentConfig", {}), (dict, type(None))):
        raise Invalid("Unable to parse pipeline definition: PipelineExperimentConfig must be an object")
    return Definition(raw, tuple(_steps(raw.get("Steps") or [], "Steps", None, True)))


def _steps(items: Any, place: str, parent: str | None, branch: bool) -> Iterator[Step]:
    if not isinstance(items, list):
        raise Invalid(f"Unable to parse pipeline definition: {place} must be a list")
    for index, item in enumerate(items):
        here = f"{place}[{index}]"
        step = _step(item, here, parent, branch)
        yield step
        if step.type == CONDITION:
            for member in ("IfSteps", "ElseSteps"):
                inner = step.arguments.get(member) or []
                yield from _steps(inner, f"{here}.Arguments.{member}", step.name, member == "IfSteps")


def _step(item: Any, here: str, parent: str | None, branch: bool) -> Step:
    if not isinstance(item, dict):
        raise Invalid(f"Unable to parse pipeline definition: {here} must be an object")
    for member, kind, word in (
        ("Name", str, "a text"),
        ("Type", str, "a text"),
        ("Arguments", dict, "an object"),
        ("DependsOn", list, "a list"),
    ):
        if item.get(member) is not None and not isinstance(item[member], kind):
            raise Invalid(f"Unable to parse pipeline definition: {here}.{member} must be {word}")
        if member in ("Name", "Type") and not item.get(member):
            raise Invalid(f"Unable to parse pipeline definition: {here}.{member} is required")
    if not all(isinstance(entry, str) or _is_run_condition(entry) for entry in item.get("DependsOn") or ()):
        wanted = "must be a list of names of steps, or of objects with Step and Trigger"
        raise Invalid(f"Unable to parse pipeline definition: {here}.DependsOn {wanted}")
    return Step(item["Name"], item["Type"], item, here, parent, branch)


def _is_run_condition(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("Step"), str) and entry.keys() <= {"Step", "Trigger"}


def _check_depth(raw: Any) -> None:
    layer = [raw]
    for _ in range(_DEEPEST):
        layer = [
            item
            for container in layer
            if isinstance(container, (dict, list))
            for item in (container.values() if isinstance(container, dict) else container)
        ]
    if layer:
        raise Invalid("Unable to parse pipeline definition: it is nested too deeply")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")
