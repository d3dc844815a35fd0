"""The part of JSONPath that DataProcessing's filters know.

``$`` the root; ``.name``, ``['name']`` and ``['a','b']`` members; ``[0]``, ``[0,-1]``, ``[1:]`` and ``[0,5:]``
elements, negative ones from the end; ``*`` all members or elements. ``.['name']`` is read as ``['name']``.

A path of single names and indexes selects one value. Several names of one object select an object with these members;
several indexes, a slice or ``*`` select a list.
"""

import re
from collections.abc import Callable
from typing import Any

from selfmaker.errors import Invalid

WHOLE = "$"

_NAME = re.compile(r"[^.\[\]'\"*,:()?@\s]+")
_QUOTED = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")\s*")
_INDEX = re.compile(r"\s*(-?\d+)\s*")
_SLICE = re.compile(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*")

Step = Callable[[Any], Any]


class NothingThere(Invalid):
    """The path names what the value has not; the message says which part."""


class JsonPath:
    """A path, read once. Raises Invalid, with the place, for a text that is no path of this kind."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.whole = text.strip() == WHOLE
        self._steps: list[tuple[Step, bool]] = []
        self._position = 0
        if not text.strip().startswith("$"):
            raise Invalid(f"the path {text!r} does not begin with $")
        self._position = text.index("$") + 1
        while self._position < len(text.rstrip()):
            self._steps.append(self._step())

    def select(self, value: Any) -> Any:
        """What the path selects of ``value``. Raises NothingThere."""
        return _follow(value, self._steps)

    def _step(self) -> tuple[Step, bool]:
        """The next step, and whether it selects many values."""
        text, at = self.text, self._position
        if text.startswith("..", at):
            raise self._wrong("'..' is not supported")
        if text[at] == ".":
            self._position = at = at + 1
            if text.startswith("*", at):
                self._position = at + 1
                return _everything, True
            if not text.startswith("[", at):
                found = _NAME.match(text, at)
                if not found:
                    raise self._wrong("a name is expected")
                self._position = found.end()
                return _member(found[0]), False
        if not text.startswith("[", at):
            raise self._wrong("'.' or '[' is expected")
        end = _closing(text, at)
        if end < 0:
            raise self._wrong("']' is missing")
        inside = text[at + 1 : end]
        step = self._bracket(inside)
        self._position = end + 1
        return step

    def _bracket(self, inside: str) -> tuple[Step, bool]:
        if inside.strip() == "*":
            return _everything, True
        names, rest = [], inside
        while found := _QUOTED.match(rest):
            name = found[1] if found[1] is not None else found[2]
            names.append(re.sub(r"\\(.)", r"\1", name))
            rest = rest[found.end() :]
            if not rest:
                return (_member(names[0]) if len(names) == 1 else _members(tuple(names))), False
            if not rest.startswith(","):
                raise self._wrong("',' or ']' is expected after a name")
            rest = rest[1:]
        if names or not inside.strip():
            raise self._wrong("a name or an index is expected")
        places: list[int | slice] = [self._place(part) for part in inside.split(",")]
        if len(places) == 1 and isinstance(places[0], int):
            return _element(places[0]), False
        return _elements(tuple(places)), True

    def _place(self, text: str) -> int | slice:
        if found := _INDEX.fullmatch(text):
            return int(found[1])
        if found := _SLICE.fullmatch(text):
            return slice(*(int(part) if part else None for part in found.groups()))
        raise self._wrong(f"{text.strip()!r} is neither an index nor a range nor a name in quotes")

    def _wrong(self, why: str) -> Invalid:
        return Invalid(f"the path {self.text!r} cannot be read at position {self._position + 1}: {why}")


def _closing(text: str, start: int) -> int:
    """The bracket that closes the one at ``start``; brackets within quotes are text."""
    quote = ""
    for at in range(start + 1, len(text)):
        if quote:
            quote = "" if text[at] == quote and text[at - 1] != "\\" else quote
        elif text[at] in "'\"":
            quote = text[at]
        elif text[at] == "]":
            return at
    return -1


def _follow(value: Any, steps: list[tuple[Step, bool]]) -> Any:
    for number, (step, many) in enumerate(steps):
        value = step(value)
        if many:
            rest = steps[number + 1 :]
            if not rest:
                return value
            found = [_follow(one, rest) for one in value]
            return [inner for one in found for inner in one] if any(later for _, later in rest) else found
    return value


def _member(name: str) -> Step:
    def step(value: Any) -> Any:
        if not isinstance(value, dict) or name not in value:
            raise NothingThere(f"there is no member {name!r}")
        return value[name]

    return step


def _members(names: tuple[str, ...]) -> Step:
    def step(value: Any) -> Any:
        if not isinstance(value, dict):
            raise NothingThere(f"there is no member {names[0]!r}")
        for name in names:
            if name not in value:
                raise NothingThere(f"there is no member {name!r}")
        return {name: value[name] for name in names}

    return step


def _element(index: int) -> Step:
    def step(value: Any) -> Any:
        if not isinstance(value, list) or not -len(value) <= index < len(value):
            raise _outside(index, value)
        return value[index]

    return step


def _elements(places: tuple[int | slice, ...]) -> Step:
    def step(value: Any) -> Any:
        if not isinstance(value, list):
            raise _outside(places[0], value)
        found: list[Any] = []
        for place in places:
            if isinstance(place, slice):
                part = value[place]
                if not part and place.start is not None and not -len(value) <= place.start < len(value):
                    raise _outside(place, value)
                found += part
            elif -len(value) <= place < len(value):
                found.append(value[place])
            else:
                raise _outside(place, value)
        return found

    return step


def _everything(value: Any) -> Any:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return list(value)
    raise NothingThere("'*' needs an object or a list")


def _outside(place: int | slice, value: Any) -> NothingThere:
    if not isinstance(value, list):
        return NothingThere(f"index {_shown(place)} needs a list")
    return NothingThere(f"index {_shown(place)} is outside the {len(value)} elements")


def _shown(place: int | slice) -> str:
    if isinstance(place, int):
        return str(place)
    return f"{'' if place.start is None else place.start}:{'' if place.stop is None else place.stop}"
