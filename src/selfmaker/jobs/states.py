"""The states of a job of any kind, and the record of how it went through them.

    QUEUED -> PREPARING -> LOADING -> RUNNING -> FINISHING -> COMPLETED | FAILED | STOPPED

A job may be stopped from every state but the last three. Only those are final: a final state never changes.
"""

from typing import Any, TypedDict

QUEUED = "Queued"  # waits for free slots
PREPARING = "Preparing"  # its folder and inputs are laid out, by the server
LOADING = "Loading"  # its supervisor builds the environment
RUNNING = "Running"  # the user's processes run
FINISHING = "Finishing"  # artifacts are packed and published
COMPLETED = "Completed"
FAILED = "Failed"
STOPPED = "Stopped"

ACTIVE = (PREPARING, LOADING, RUNNING, FINISHING)
FINAL = (COMPLETED, FAILED, STOPPED)
_ORDER = (QUEUED, *ACTIVE)


class Transition(TypedDict, total=False):
    """One stretch of a job's life: ``status`` is a state above or a remark such as ``Stopping``; times in seconds."""

    status: str
    message: str
    start: float
    end: float


def before(state: str, other: str) -> bool:
    """Whether ``state`` comes earlier in a job's life than ``other``; final states come last."""
    rank = {name: index for index, name in enumerate(_ORDER)}
    return rank.get(state, len(_ORDER)) < rank.get(other, len(_ORDER))


def moved(progress: dict[str, Any], status: str, at: float, message: str = "") -> dict[str, Any]:
    """``progress`` with a new transition; the one that lasted until now is closed. The list only grows."""
    transitions = [dict(t) for t in progress.get("transitions", [])]
    if transitions and "end" not in transitions[-1]:
        transitions[-1]["end"] = max(at, transitions[-1]["start"])
    entry: dict[str, Any] = {"status": status, "start": at}
    if message:
        entry["message"] = message
    if status in FINAL:
        entry["end"] = at
    return {**progress, "transitions": [*transitions, entry]}
