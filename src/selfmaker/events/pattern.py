"""Event patterns: which events a rule means. ``check`` what users write, ``matches`` what happened.

A pattern has the shape of the events that it matches. At its leaves stand lists of alternatives: values, or one of the
comparisons below. Where an event has a list, one fitting member is enough.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from selfmaker.errors import Invalid

Compare = Callable[[Any, Any], bool]

_ABSENT = object()
_DEEPEST = 40
_NUMERIC: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_LARGEST_NUMBER = 5e9


def check(pattern: Any) -> None:
    """Raises Invalid with the reason why this is no pattern."""
    if not isinstance(pattern, Mapping) or not pattern:
        raise Invalid("Filter is not an object, or is empty")
    _check_object(pattern, 0)


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Whether a checked pattern fits an event."""
    for name, wanted in pattern.items():
        if name == "$or" and isinstance(wanted, list) and all(isinstance(item, Mapping) for item in wanted):
            if not any(matches(choice, event) for choice in wanted):
                return False
        elif not _fits(wanted, event.get(name, _ABSENT) if isinstance(event, Mapping) else _ABSENT):
            return False
    return True


def _fits(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, Mapping):
        candidates = found if isinstance(found, list) else [{} if found is _ABSENT else found]
        return any(isinstance(item, Mapping) and matches(wanted, item) for item in candidates)
    values = found if isinstance(found, list) and found else [_ABSENT if found == [] else found]
    return any(_one_fits(choice, value) for choice in wanted for value in values)


def _one_fits(choice: Any, value: Any) -> bool:
    if isinstance(choice, Mapping):
        ((word, operand),) = choice.items()
        if word == "exists":
            return bool(operand) == (value is not _ABSENT and not isinstance(value, Mapping))
        return value is not _ABSENT and not isinstance(value, Mapping) and _COMPARISONS[word](operand, value)
    return value is not _ABSENT and _equal(choice, value)


def _equal(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool) or wanted is None or value is None:
        return wanted is value
    if isinstance(wanted, (int, float)) and isinstance(value, (int, float)):
        return wanted == value
    return isinstance(wanted, str) and isinstance(value, str) and wanted == value


def _text(test: Callable[[str, str], bool]) -> Compare:
    """A comparison of texts; the operand may be ``{"equals-ignore-case": text}``."""

    def compare(operand: Any, value: Any) -> bool:
        if not isinstance(value, str):
            return False
        if isinstance(operand, Mapping):
            return test(value.casefold(), str(operand["equals-ignore-case"]).casefold())
        return test(value, operand)

    return compare


def _wildcard(operand: str, value: Any) -> bool:
    """Piece by piece from the left, which takes no longer than the text is, however many stars there are."""
    if not isinstance(value, str):
        return False
    first, *others = _pieces(operand)
    if not others:
        return value == first
    *middle, last = others
    if not value.startswith(first) or len(value) < len(first) + len(last) or not value.endswith(last):
        return False
    position, end = len(first), len(value) - len(last)
    for piece in middle:
        position = value.find(piece, position, end)
        if position < 0:
            return False
        position += len(piece)
    return True


def _pieces(wildcard: str) -> list[str]:
    """What stands between the stars; a backslash makes a star or a backslash of its own."""
    pieces = [""]
    for part in re.findall(r"\\.|\*|[^\\*]+", wildcard, re.DOTALL):
        if part == "*":
            pieces.append("")
        else:
            pieces[-1] += part[1:] if part[0] == "\\" else part
    return pieces


def _anything_but(operand: Any, value: Any) -> bool:
    if isinstance(operand, Mapping):
        ((word, told),) = operand.items()
        return isinstance(value, str) and not any(_COMPARISONS[word](text, value) for text in _listed(told))
    return not any(_equal(item, value) for item in _listed(operand))


def _numeric(operand: list[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    pairs = zip(operand[::2], operand[1::2], strict=True)
    return all(_NUMERIC[word](value, number) for word, number in pairs)


def _cidr(operand: str, value: Any) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(operand, strict=False)
    except ValueError:
        return False


_COMPARISONS: dict[str, Compare] = {
    "prefix": _text(str.startswith),
    "suffix": _text(str.endswith),
    "equals-ignore-case": _text(lambda value, text: value.casefold() == text.casefold()),
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}


# --- checking


def _check_object(pattern: Mapping[str, Any], depth: int) -> None:
    if depth > _DEEPEST:
        raise Invalid("The pattern is nested too deeply")
    for name, wanted in pattern.items():
        if name == "$or" and isinstance(wanted, list) and all(isinstance(item, Mapping) for item in wanted):
            if len(wanted) < 2:
                raise Invalid("There must have at least 2 Objects in $or relationship")
            for choice in wanted:
                _check_object(choice, depth + 1)
        elif isinstance(wanted, Mapping):
            if not wanted:
                raise Invalid(f"Empty objects are not allowed: {name!r}")
            _check_object(wanted, depth + 1)
        elif isinstance(wanted, list):
            if not wanted:
                raise Invalid(f"Empty arrays are not allowed: {name!r}")
            for choice in wanted:
                _check_choice(name, choice)
        else:
            raise Invalid(f'"{name}" must be an object or an array')


def _check_choice(name: str, choice: Any) -> None:
    if isinstance(choice, list):
        raise Invalid(f"Match value must be String, number, true, false, or null: {name!r}")
    if not isinstance(choice, Mapping):
        return
    if len(choice) != 1:
        raise Invalid(f"Only one key allowed in match expression: {name!r}")
    ((word, operand),) = choice.items()
    if word not in _CHECKS:
        raise Invalid(f"Unrecognized match type {word}")
    if not _CHECKS[word](operand):
        raise Invalid(f"{word} has a value that it cannot have: {name!r}")


def _is_text(operand: Any) -> bool:
    return isinstance(operand, str)


def _is_text_whatever_case(operand: Any) -> bool:
    if isinstance(operand, Mapping):
        return set(operand) == {"equals-ignore-case"} and _is_text(operand["equals-ignore-case"])
    return _is_text(operand)


def _is_anything_but(operand: Any) -> bool:
    if isinstance(operand, Mapping):
        if len(operand) != 1 or next(iter(operand)) not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
            return False
        told = _listed(next(iter(operand.values())))
        return bool(told) and all(_is_text_whatever_case(text) for text in told)
    told = _listed(operand)
    return bool(told) and all(isinstance(item, (str, int, float)) and not isinstance(item, bool) for item in told)


def _is_numeric(operand: Any) -> bool:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        return False
    words, numbers = operand[::2], operand[1::2]
    fine = all(_is_number(number) and abs(number) <= _LARGEST_NUMBER for number in numbers)
    if len(words) == 2:  # a range, from below to above
        return fine and words[0] in (">", ">=") and words[1] in ("<", "<=") and numbers[0] < numbers[1]
    return fine and words[0] in _NUMERIC


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_wildcard(operand: Any) -> bool:
    return isinstance(operand, str) and "**" not in operand and not re.search(r"(?<!\\)(\\\\)*\\([^*\\]|$)", operand)


def _is_cidr(operand: Any) -> bool:
    try:
        ipaddress.ip_network(operand, strict=False)
    except ValueError:
        return False
    return isinstance(operand, str)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "exists": lambda operand: isinstance(operand, bool),
    "prefix": _is_text_whatever_case,
    "suffix": _is_text_whatever_case,
    "equals-ignore-case": _is_text,
    "wildcard": _is_wildcard,
    "anything-but": _is_anything_but,
    "numeric": _is_numeric,
    "cidr": _is_cidr,
}
