"""Paths into documents: ``A.B[0].C['key']``, as properties of steps and JsonGet name them."""

import re
from collections.abc import Mapping
from typing import Any

from selfmaker.errors import Invalid

Path = tuple[str | int, ...]

_PART = re.compile(r"""\.?([^.\[\]'"]+)|\[(-?\d+)\]|\[\s*'((?:[^'\\]|\\.)*)'\s*\]|\[\s*"((?:[^"\\]|\\.)*)"\s*\]""")


def parse(text: str) -> Path:
    """The steps of a path; a leading ``$`` is the document itself. Raises Invalid."""
    rest = text.removeprefix("$")
    parts: list[str | int] = []
    place = 0
    while place < len(rest):
        found = _PART.match(rest, place)
        if found is None:
            raise Invalid(f"{text!r} is not a path: it makes no sense from {rest[place:]!r} on")
        name, index, single, double = found.groups()
        if index is not None:
            parts.append(int(index))
        else:
            parts.append(
                name if name is not None else re.sub(r"\\(.)", r"\1", single if single is not None else double)
            )
        place = found.end()
    return tuple(parts)


def written(path: Path) -> str:
    """The path as text."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def find(document: Any, path: Path) -> Any:
    """What is at ``path``. A list of named things is entered by name, too: ``Outputs['train']``. Raises Invalid where
    there is nothing."""
    value = document
    for number, part in enumerate(path):
        found, value = _enter(value, part)
        if not found:
            raise Invalid(f"there is no {written(path[: number + 1])}")
    return value


def _enter(value: Any, part: str | int) -> tuple[bool, Any]:
    if isinstance(value, Mapping):
        key = str(part)
        return key in value, value.get(key)
    if isinstance(value, list):
        if isinstance(part, int) or part.isdecimal():
            index = int(part)
            inside = -len(value) <= index < len(value)
            return inside, value[index] if inside else None
        named = [item for item in value if isinstance(item, Mapping) and part in _names(item)]
        return bool(named), named[0] if named else None
    return False, None


def _names(item: Mapping[str, Any]) -> list[Any]:
    """OutputName, ChannelName, InputName, MetricName...: what a thing in a list may be called by."""
    return [value for key, value in item.items() if key.endswith("Name") or key == "Name"]
