"""For an operation, requests of which each breaks one constraint of the model and no other."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from shapes import least, python_pattern, scalar

from selfmaker.aws.validation import LEFT_TO_OPERATIONS

_LONGEST = 300_000
_MOST_ITEMS = 1200
_DEEPEST = 5
_SCALARS = ("integer", "long", "float", "double", "short", "byte")
_NO_MATCH = ("\x01", "!!", " ", "é", "\n", "-", "/", "_", "0", "a", "A/")
_WRONG = {"structure": "x", "list": {"a": 1}, "map": ["x"], "string": {"a": 1}, "boolean": "x", "timestamp": {"a": 1},
          "blob": {"a": 1}, **dict.fromkeys(_SCALARS, "x")}  # fmt: skip

Wrap = Callable[[Any], Any]


@dataclass(frozen=True)
class Broken:
    """``request`` breaks the constraint ``kind`` of the member ``field``, wherever that stands."""

    kind: str
    field: str
    request: Any


def chosen(shape: Any, most: int) -> list[Broken]:
    """At most ``most`` of an input's breakages, the same each time, with something of every kind."""
    kinds: dict[str, list[Broken]] = {}
    for broken in breakages(shape):
        kinds.setdefault(broken.kind, []).append(broken)
    shuffle = random.Random(shape.name)
    for group in kinds.values():
        shuffle.shuffle(group)
    picked: list[Broken] = []
    while len(picked) < most and any(kinds.values()):
        picked += [group.pop() for group in kinds.values() if group]
    return picked[:most]


def breakages(shape: Any) -> Iterator[Broken]:
    """All breakages of a request."""
    yield from _structure(shape, least(shape), lambda value: value, ())


def _structure(shape: Any, valid: Any, wrap: Wrap, above: tuple[str, ...]) -> Iterator[Broken]:
    if len(above) > _DEEPEST or shape.name in above or getattr(shape, "is_document_type", False):
        return
    for name in shape.required_members:
        yield Broken("required", name, wrap({key: value for key, value in valid.items() if key != name}))
    base = {} if getattr(shape, "is_tagged_union", False) else valid
    for name, member in shape.members.items():

        def inner(value: Any, name: str = name) -> Any:
            return wrap({**base, name: value})

        yield from _value(member, name, inner, (*above, shape.name))


def _value(shape: Any, name: str, wrap: Wrap, above: tuple[str, ...]) -> Iterator[Broken]:
    kind = shape.type_name
    if shape.serialization.get("streaming") or kind not in _WRONG:
        return
    if not shape.serialization.get("jsonvalue"):
        yield Broken("type", name, wrap(_WRONG[kind]))
    if kind == "structure":
        yield from _structure(shape, least(shape, name), wrap, above)
    elif kind == "list":
        yield from _list(shape, name, wrap, above)
    elif kind == "map":
        yield from _map(shape, name, wrap, above)
    else:
        for broken, value in _scalars(shape, name):
            yield Broken(broken, name, wrap(value))


def _list(shape: Any, name: str, wrap: Wrap, above: tuple[str, ...]) -> Iterator[Broken]:
    low, high = int(shape.metadata.get("min", 0)), int(shape.metadata.get("max", _MOST_ITEMS))
    item = least(shape.member, name)
    if item == {} and shape.member.type_name == "structure":  # a form cannot say that
        first, of = next(iter(shape.member.members.items()))
        item = {first: least(of, first)}
    if low > 0:
        yield Broken("min", name, wrap([item] * (low - 1)))
    if high < _MOST_ITEMS:
        yield Broken("max", name, wrap([item] * (high + 1)))
    yield from _value(shape.member, name, lambda value: wrap([value, *[item] * (low - 1)]), above)


def _map(shape: Any, name: str, wrap: Wrap, above: tuple[str, ...]) -> Iterator[Broken]:
    key, value = scalar(shape.key), least(shape.value, name)
    for broken, bad in _scalars(shape.key, name):
        yield Broken(broken, name, wrap({bad: value}))
    high = int(shape.metadata.get("max", _MOST_ITEMS))
    if high < _MOST_ITEMS and int(shape.key.metadata.get("max", 99)) > 5 and not shape.key.enum:
        yield Broken("max", name, wrap({f"k{number}": value for number in range(high + 1)}))
    yield from _value(shape.value, name, lambda inner: wrap({key: inner}), above)


def _scalars(shape: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Values that break a scalar's own constraints, each with the name of the constraint."""
    rules, kind = shape.metadata, shape.type_name
    valid = scalar(shape, name)
    if kind in _SCALARS:
        if "min" in rules:
            yield "min", type(valid)(float(rules["min"]) - 1)
        if "max" in rules and abs(float(rules["max"])) < 1 << 30:
            yield "max", type(valid)(float(rules["max"]) + 1)
    elif kind in ("string", "blob"):
        one = "a" if kind == "string" else b"a"
        if int(rules.get("min", 0)) > 0:
            yield "min", (valid[:1] * (int(rules["min"]) - 1)) or one * (int(rules["min"]) - 1)
        if int(rules.get("max", _LONGEST)) < _LONGEST:
            yield "max", one * (int(rules["max"]) + 1)
        if kind == "string" and "pattern" in rules:
            yield from _no_match(rules)
        if kind == "string" and shape.enum and shape.name not in LEFT_TO_OPERATIONS:
            yield "enum", "NOT_A_CHOICE"


def _no_match(rules: Any) -> Iterator[tuple[str, str]]:
    """A string of the right length that the pattern doesn't match, if there is one."""
    pattern = re.compile(python_pattern(rules["pattern"]))
    low, high = max(1, int(rules.get("min", 1))), int(rules.get("max", _LONGEST))
    for candidate in _NO_MATCH:
        bad = candidate * -(-low // len(candidate))
        if len(bad) <= high and not pattern.fullmatch(bad) and not re.search(r"\\p", rules["pattern"]):
            yield "pattern", bad
            return
