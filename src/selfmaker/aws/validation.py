"""Requests against the model: everything that botocore's own validator checks and the rest (lengths, ranges, patterns,
enums), all violations at once, in the words in which AWS's services report them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.model import Shape
from selfmaker.aws.patterns import Pattern, compiled

_SHOWN = 1024
_MOST = 20
_NUMBERS = frozenset(("integer", "long", "float", "double", "short", "byte"))
_CONTAINERS = frozenset(("structure", "list", "map"))
LEFT_TO_OPERATIONS = ("QueueAttributeName",)  # enums for whose breach the service has an error of its own


@dataclass(frozen=True)
class Violation:
    """One broken constraint. ``path`` is the member in AWS's spelling: ``inputDataConfig.1.member.channelName``."""

    path: str
    value: str
    constraint: str

    def __str__(self) -> str:
        return f"Value {self.value} at '{self.path}' failed to satisfy constraint: {self.constraint}"


@dataclass(frozen=True)
class _Rules:
    """The constraints of one shape, ready to be checked."""

    lowest: float | None
    highest: float | None
    pattern: Pattern | None
    allowed: frozenset[str] | None
    choices: str


_Path = tuple[Any, str]  # the place above, and the step from there; made into text only where it is needed


def check(shape: Shape | None, value: dict[str, Any]) -> list[Violation]:
    """All violations (some tens at most) of a request, outermost first."""
    found: list[Violation] = []
    if shape is not None:
        _structure(shape, value, None, found)
    return found


def failure(violations: Sequence[Violation], code: str = "ValidationException") -> AwsError:
    """The error that reports them."""
    count = len(violations)
    noun = "error" if count == 1 else "errors"
    return AwsError(code, f"{count} validation {noun} detected: " + "; ".join(str(v) for v in violations))


def _structure(shape: Shape, value: dict[str, Any], path: _Path | None, found: list[Violation]) -> None:
    if shape.is_document_type:
        return
    for name in shape.required_members:
        if value.get(name) is None:
            found.append(Violation(_text((path, _lower(name))), "null", "Member must not be null"))
    if shape.is_tagged_union and len(value) != 1 and path:
        found.append(Violation(_text(path), _shown(shape, value), "Member must have exactly one member set"))
    checked = _checked_members(shape)
    for name, item in value.items():
        member = checked.get(name)
        if member is not None and item is not None and len(found) < _MOST:
            _value(member[0], item, (path, member[1]), found)


def _value(shape: Shape, value: Any, path: _Path, found: list[Violation]) -> None:
    kind = shape.type_name
    broken = _broken(shape, value)
    if broken:
        shown = _shown(shape, value)
        found.extend(Violation(_text(path), shown, constraint) for constraint in broken)
    if kind == "structure":
        _structure(shape, value, path, found)
    elif kind == "list":
        _list(shape, value, path, found)
    elif kind == "map":
        _map(shape, value, path, found)


def _list(shape: Shape, value: list[Any], path: _Path, found: list[Violation]) -> None:
    member = shape.member
    if member.type_name in _CONTAINERS:
        for index, item in enumerate(value, 1):
            if len(found) >= _MOST:
                return
            here = (path, f"{index}.member")
            if item is None:
                found.append(Violation(_text(here), "null", "Member must not be null"))
            else:
                _value(member, item, here, found)
    elif any(item is None or _broken(member, item) for item in value):
        constraint = f"Member must satisfy constraint: [{_all_rules(member)}]"
        found.append(Violation(_text(path), _shown(shape, value), constraint))


def _map(shape: Shape, value: dict[str, Any], path: _Path, found: list[Violation]) -> None:
    if any(_broken(shape.key, key) for key in value):
        constraint = f"Map keys must satisfy constraint: [{_all_rules(shape.key)}]"
        found.append(Violation(_text(path), _shown(shape, value), constraint))
    member = shape.value
    if member.type_name in _CONTAINERS:
        for key, item in value.items():
            if len(found) >= _MOST:
                return
            if item is not None:
                _value(member, item, (path, f"{key}.member"), found)
    elif any(item is None or _broken(member, item) for item in value.values()):
        constraint = f"Map value must satisfy constraint: [{_all_rules(member)}]"
        found.append(Violation(_text(path), _shown(shape, value), constraint))


def _text(path: _Path | None) -> str:
    steps: list[str] = []
    while path is not None:
        steps.append(path[1])
        path = path[0]
    return ".".join(reversed(steps))


@cache
def _checked_members(shape: Shape) -> dict[str, tuple[Shape, str]]:
    """The members whose values, or what is in them, may break something, and their names in a path."""
    return {
        name: (member, _lower(name))
        for name, member in shape.members.items()
        if member.type_name in _CONTAINERS or _rules(member) is not None
    }


def _broken(shape: Shape, value: Any) -> list[str]:
    """The constraints of ``shape`` itself that ``value`` breaks."""
    rules = _rules(shape)
    if rules is None:
        return []
    kind = shape.type_name
    size = value if kind in _NUMBERS else _size(value)
    broken: list[str] = []
    if size is not None and not (
        (rules.lowest is None or size >= rules.lowest) and (rules.highest is None or size <= rules.highest)
    ):
        describe = _range if kind in _NUMBERS else _length
        broken.append(describe(rules, low=rules.lowest is not None and not size >= rules.lowest))
    if kind == "string" and isinstance(value, str):
        if rules.pattern is not None and not rules.pattern.fits(value):
            broken.append(f"Member must satisfy regular expression pattern: {rules.pattern.text}")
        if rules.allowed is not None and value not in rules.allowed:
            broken.append(f"Member must satisfy enum value set: {rules.choices}")
    return broken


def _size(value: Any) -> int | None:
    """Characters (UTF-16 units, as Java counts), bytes or entries; None for a body that is still coming in."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-16-le", "surrogatepass")) // 2
    return len(value) if isinstance(value, (bytes, list, dict)) else None


def _range(rules: _Rules, *, low: bool) -> str:
    word, bound = ("greater", rules.lowest) if low else ("less", rules.highest)
    return (
        f"Member must have value {word} than or equal to {bound:g}"
        if isinstance(bound, float)
        else (f"Member must have value {word} than or equal to {bound}")
    )


def _length(rules: _Rules, *, low: bool) -> str:
    word, bound = ("greater", rules.lowest) if low else ("less", rules.highest)
    return f"Member must have length {word} than or equal to {bound}"


def _all_rules(shape: Shape) -> str:
    """Every constraint of an element's shape, as AWS lists them when one of many elements breaks one."""
    rules = _rules(shape)
    if rules is None:
        return "Member must not be null"
    describe = _range if shape.type_name in _NUMBERS else _length
    lines = []
    if rules.highest is not None:
        lines.append(describe(rules, low=False))
    if rules.lowest is not None:
        lines.append(describe(rules, low=True))
    if rules.pattern is not None:
        lines.append(f"Member must satisfy regular expression pattern: {rules.pattern.text}")
    if rules.allowed is not None:
        lines.append(f"Member must satisfy enum value set: {rules.choices}")
    return ", ".join(lines)


@cache
def _rules(shape: Shape) -> _Rules | None:
    metadata = shape.metadata
    lowest, highest = _bound(metadata.get("min")), _bound(metadata.get("max"))
    pattern = metadata.get("pattern")
    enum = None if shape.name in LEFT_TO_OPERATIONS else getattr(shape, "enum", None) or None
    if lowest is None and highest is None and pattern is None and enum is None:
        return None
    return _Rules(
        lowest,
        highest,
        compiled(pattern) if pattern is not None else None,
        frozenset(enum) if enum else None,
        f"[{', '.join(enum)}]" if enum else "",
    )


def _bound(value: Any) -> float | None:
    if value is None or isinstance(value, (int, float)):
        return value
    number = float(value)
    return int(number) if number.is_integer() else number


def _shown(shape: Shape, value: Any) -> str:
    """A value as AWS's messages print it: in quotes, structures and lists in Java's form."""
    if shape.metadata.get("sensitive"):
        return "'*** Sensitive Data Redacted ***'"
    text = _java(value)
    return f"'{text[:_SHOWN]}...'" if len(text) > _SHOWN else f"'{text}'"


def _java(value: Any, depth: int = 0) -> str:
    if depth > 8:
        return "..."
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_java(item, depth + 1)}" for key, item in list(value.items())[:64]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_java(item, depth + 1) for item in value[:64]) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return str(value)


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
