"""The walk through a definition: from what has become of each step to what may start now. Pure.

A step may start once all that it needs has succeeded. What needs a step that failed, was stopped or will never run
never runs itself; other branches go on. A condition's outcome rules out the steps of the other branch. A run condition
(a Trigger in DependsOn) makes a step wait for another's failure, for its being stopped, or for any end of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from selfmaker.workflow.definition import ANY, COMPLETED, Definition, Step

IN_FLIGHT = ("Starting", "Executing", "Stopping")


@dataclass(frozen=True)
class Standing:
    """What has become of a step that has started; ``outcome`` of a condition that has been decided."""

    status: str
    outcome: bool | None = None


@dataclass(frozen=True)
class Next:
    """Steps to start now, in the order of the definition; ``over`` when nothing runs and nothing ever will."""

    ready: tuple[str, ...]
    over: bool


def look(
    definition: Definition,
    standing: Mapping[str, Standing],
    *,
    selected: frozenset[str] | None = None,
    most: int | None = None,
    halted: bool = False,
) -> Next:
    """``selected`` are the only steps to run, if not all; ``most`` how many may run at a time; ``halted`` when nothing
    may start any more."""
    running = sum(1 for state in standing.values() if state.status in IN_FLIGHT)
    if halted:
        return Next((), running == 0)
    verdicts: dict[str, bool | None] = {}
    for step in definition.sorted_steps:
        chosen = selected is None or step.name in selected
        verdicts[step.name] = _verdict(step, standing, selected, verdicts) if chosen else False
    ready = [s.name for s in definition.steps if s.name not in standing and verdicts[s.name]]
    if most is not None:
        ready = ready[: max(0, most - running)]
    return Next(tuple(ready), not ready and running == 0)


def _verdict(
    step: Step,
    standing: Mapping[str, Standing],
    selected: frozenset[str] | None,
    verdicts: Mapping[str, bool | None],
) -> bool | None:
    """Whether a step that has not started may start: True now, None later, False never. ``verdicts`` has those of all
    that it needs."""
    verdict: bool | None = True
    for name in step.needs:
        if selected is not None and name not in selected:
            continue
        state = standing.get(name)
        if state is None:
            met = False if verdicts[name] is False else None
        elif state.status in IN_FLIGHT:
            met = None
        else:
            met = _lets_start(step, name, state)
        if met is False:
            return False
        if met is None:
            verdict = None
    return verdict


def _lets_start(step: Step, name: str, state: Standing) -> bool:
    """Whether that end of another step is the one that the step waits for."""
    if name == step.parent:
        return state.status == "Succeeded" and state.outcome == step.branch
    trigger = step.triggers.get(name, COMPLETED)
    return trigger == ANY or state.status == ("Succeeded" if trigger == COMPLETED else trigger)


def ending(definition: Definition, standing: Mapping[str, Standing]) -> str:
    """How an execution ends once over: not Failed where each failure let a step with a run condition start."""
    lost = {name for name, state in standing.items() if state.status != "Succeeded"}
    taken_up = {
        name
        for step in definition.steps
        if step.name in standing
        for name, trigger in step.triggers.items()
        if trigger != COMPLETED
    }
    if not lost:
        return "Succeeded"
    return "Failed" if lost - taken_up else "CompletedWithFailures"
