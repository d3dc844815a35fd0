"""The parts of a running server, found by their type.

``wiring`` fills one of these; operations ask it for the part that they need: ``call.use(JobEngine)``.
"""

from typing import TypeVar

T = TypeVar("T")


class Services:
    """Instances, at most one of each type. Filled once at start, read-only afterwards; safe from any thread."""

    def __init__(self, *parts: object) -> None:
        self._parts: dict[type, object] = {type(part): part for part in parts}

    def add(self, part: object) -> None:
        """Register ``part`` under its own type."""
        self._parts[type(part)] = part

    def use(self, kind: type[T]) -> T:
        """The instance of exactly ``kind``; a KeyError is a defect in the wiring."""
        part = self._parts[kind]
        assert isinstance(part, kind)
        return part
