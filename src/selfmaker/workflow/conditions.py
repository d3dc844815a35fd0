"""Conditions, once the expressions in them have been resolved."""

from collections.abc import Callable, Mapping
from typing import Any

from selfmaker.errors import Invalid

TYPES = ("Equals", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo", "In", "Not", "Or")


def all_hold(conditions: list[Mapping[str, Any]]) -> bool:
    """Raises Invalid where values cannot be compared."""
    return all(holds(condition) for condition in conditions)


def holds(condition: Mapping[str, Any]) -> bool:
    """Raises Invalid where values cannot be compared."""
    kind = condition["Type"]
    if kind == "Or":
        return any(holds(inner) for inner in condition["Conditions"])
    if kind == "Not":
        return not holds(negated(condition))
    if kind == "In":
        return any(equal(condition["QueryValue"], value) for value in condition["Values"])
    return _COMPARISONS[kind](condition["LeftValue"], condition["RightValue"])


def negated(condition: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a Not denies; older SDKs call it Expression."""
    inner: Mapping[str, Any] = condition["Condition"] if "Condition" in condition else condition["Expression"]
    return inner


def equal(left: Any, right: Any) -> bool:
    """A text equals a number or a truth value that it writes: parameters and files disagree on that."""
    if isinstance(left, bool) or isinstance(right, bool):
        return _truth(left) is not None and _truth(left) == _truth(right)
    if isinstance(left, (int, float)) or isinstance(right, (int, float)):
        return _number(left) is not None and _number(left) == _number(right)
    return bool(left == right)


def _ordered(left: Any, right: Any, compare: Callable[[Any, Any], bool]) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return compare(left, right)
    numbers = _number(left), _number(right)
    if None in numbers:
        raise Invalid(f"{left!r} and {right!r} cannot be compared: both must be numbers, or both texts")
    return compare(*numbers)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": equal,
    "GreaterThan": lambda left, right: _ordered(left, right, lambda a, b: a > b),
    "GreaterThanOrEqualTo": lambda left, right: _ordered(left, right, lambda a, b: a >= b),
    "LessThan": lambda left, right: _ordered(left, right, lambda a, b: a < b),
    "LessThanOrEqualTo": lambda left, right: _ordered(left, right, lambda a, b: a <= b),
}
