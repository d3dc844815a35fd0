"""Values of modelled shapes: the least that satisfies every constraint, made without a look at our own validation."""

import math
import re
import sys
import time
from typing import Any

if sys.version_info >= (3, 11):
    import re._parser as grammar  # the standard library's own reading of a pattern
else:
    import sre_parse as grammar

_UNICODE = {r"\p{L}": "a-zA-Z", r"\p{Z}": " ", r"\p{N}": "0-9", r"\p{M}": "", r"\p{S}": "$+", r"\p{P}": "._-"}


def least(shape: Any, name: str = "", seen: tuple[str, ...] = ()) -> Any:
    """A value with nothing but what is required. ``name`` is the member's: some must mean something to be taken."""
    kind = shape.type_name
    if kind == "structure":
        inner = (*seen, shape.name)
        if getattr(shape, "is_tagged_union", False):
            for member, of in shape.members.items():
                if of.name not in inner:
                    return {member: least(of, member, inner)}
            return {}
        return {member: least(shape.members[member], member, inner) for member in shape.required_members}
    if kind == "list":
        return [least(shape.member, name, seen) for _ in range(_bound(shape, "min", 0))]
    if kind == "map":
        keys = [text(shape.key) + (str(i) if i else "") for i in range(_bound(shape, "min", 0))]
        return {key: least(shape.value, name, seen) for key in keys}
    return scalar(shape, name)


def scalar(shape: Any, name: str = "") -> Any:
    """A valid number, string, boolean, time or blob."""
    kind = shape.type_name
    if kind in ("string", "character"):
        return text(shape, name)
    if kind in ("integer", "long", "float", "double", "short", "byte"):
        low, high = shape.metadata.get("min", 1), shape.metadata.get("max", math.inf)
        value = min(max(1, float(low)), float(high))
        return value if kind in ("float", "double") else int(value)
    if kind == "boolean":
        return False
    if kind == "timestamp":
        return float(int(time.time()))
    if kind == "blob":
        return b"x" * max(1, _bound(shape, "min", 1))
    raise AssertionError(kind)


def text(shape: Any, name: str = "") -> str:
    """A valid string."""
    if shape.enum:
        return str(shape.enum[0])
    low, high = _bound(shape, "min", 1), _bound(shape, "max", 1 << 20)
    pattern = shape.metadata.get("pattern")
    meant = _meant(name)
    if meant is not None and low <= len(meant) <= high:
        return meant
    if pattern is None:
        return "x" * max(low, 1)
    for repeat in (0, 1, 2, 4, 8, 16, 32, 64, 128, low, high):
        made = _matching(grammar.parse(python_pattern(pattern)), repeat)
        if low <= len(made) <= high:
            return made
    raise AssertionError(f"no string found for {pattern!r} of {low} to {high} characters")


def python_pattern(pattern: str) -> str:
    """A model's pattern as Python reads it, Unicode classes cut down to some of their characters."""
    for name, characters in _UNICODE.items():
        pattern = pattern.replace(name, characters)
    pattern = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010ffff")
    pattern = re.sub(r"\$\{\d+,\d+\}", "", pattern)  # a slip of AWS's: a length in the place of the end
    pattern = re.sub(r"\\u\{([0-9A-Fa-f]+)\}", lambda found: f"\\U{int(found[1], 16):08x}", pattern)
    return re.sub(r"\\p\{\w+\}", "a-z", pattern).replace(r"\z", r"\Z")


def _meant(name: str) -> str | None:
    low = name.lower()
    if low.endswith("rolearn") or low == "policysourcearn":
        return "arn:aws:iam::123456789012:role/SageMakerRole"
    if low in ("assumerolepolicydocument",):
        return '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*"}]}'
    if low == "policydocument":
        return '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    if low.endswith("s3uri") or low.endswith("s3outputpath") or low.endswith("modeldataurl"):
        return "s3://fuzz-bucket/x"
    return "s3:GetObject" if low == "actionnames" else None


def _bound(shape: Any, which: str, default: int) -> int:
    return int(shape.metadata.get(which, default))


def _matching(tree: Any, repeat: int) -> str:
    return "".join(_piece(op, argument, repeat) for op, argument in tree)


def _piece(op: Any, argument: Any, repeat: int) -> str:
    kind = str(op)
    if kind == "LITERAL":
        return chr(argument)
    if kind == "NOT_LITERAL":
        return "a" if chr(argument) != "a" else "b"
    if kind == "ANY":
        return "x"
    if kind == "IN":
        return _member(argument)
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        low, high, inner = argument
        return "".join(_matching(inner, repeat) for _ in range(min(max(low, repeat), int(high), 200)))
    if kind == "SUBPATTERN":
        return _matching(argument[-1], repeat)
    if kind == "BRANCH":
        return _matching(max(argument[1], key=len) if repeat else argument[1][0], repeat)
    return ""  # anchors and look-around


def _member(items: Any) -> str:
    negated = str(items[0][0]) == "NEGATE"
    if negated:
        excluded = re.compile(f"[{_class(items[1:])}]")
        return next(c for c in "ax0 -~" if not excluded.match(c))
    for op, argument in items:
        if str(op) == "RANGE":
            low, high = argument
            return next((chr(c) for c in (ord("a"), ord("A"), ord("0")) if low <= c <= high), chr(max(low, 0x21)))
    for op, argument in items:
        if str(op) == "CATEGORY":
            return {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " "}.get(str(argument), "a")
    return chr(items[0][1])


def _class(items: Any) -> str:
    out = []
    for op, argument in items:
        if str(op) == "RANGE":
            out.append(f"\\U{argument[0]:08x}-\\U{argument[1]:08x}")
        elif str(op) == "LITERAL":
            out.append(f"\\U{argument:08x}")
        elif str(op) == "CATEGORY":
            out.append({"CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w"}[str(argument)])
    return "".join(out)
