"""The filter language of Search: which documents an expression admits.

The rules are those of the API reference of ``Search`` (SearchExpression, NestedFilters, Filter): names are paths
with dots, a path through a list means any of its elements, map keys may contain dots themselves.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from selfmaker.errors import Invalid

Expression = Mapping[str, Any]


def check(expression: Expression) -> None:
    """Raises Invalid for a filter whose value is missing, or is no time where only a time makes sense."""
    nested = [condition for each in expression.get("NestedFilters", ()) for condition in each["Filters"]]
    for condition in (*expression.get("Filters", ()), *nested):
        name, operator = condition["Name"], condition.get("Operator", "Equals")
        if operator in ("Exists", "NotExists"):
            continue
        if "Value" not in condition:
            raise Invalid(f"Filter on {name}: operator {operator} needs a Value.")
        if name.endswith("Time") and operator in _ORDERING and _number(condition["Value"]) is None:
            raise Invalid(f"Filter on {name}: {condition['Value']!r} is not a time, such as 2020-02-27T20:44:32Z.")
    for each in expression.get("SubExpressions", ()):
        check(each)


def admits(expression: Expression, document: Mapping[str, Any]) -> bool:
    """Whether ``document`` satisfies ``expression``, which ``check`` has found good."""
    verdicts = [
        *(_filter_holds(f, document) for f in expression.get("Filters", ())),
        *(_nested_holds(n, document) for n in expression.get("NestedFilters", ())),
        *(admits(e, document) for e in expression.get("SubExpressions", ())),
    ]
    if not verdicts:
        return True
    return any(verdicts) if expression.get("Operator") == "Or" else all(verdicts)


def values_at(document: Any, path: str) -> Iterator[Any]:
    """Every value that ``path`` leads to."""
    if isinstance(document, list):
        for element in document:
            yield from values_at(element, path)
    elif path == "":
        yield document
    elif isinstance(document, Mapping):
        for key, value in document.items():
            if path == key:
                yield from value if isinstance(value, list) else [value]
            elif path.startswith(key + "."):
                yield from values_at(value, path[len(key) + 1 :])


def with_tag_paths(document: dict[str, Any]) -> dict[str, Any]:
    """``Tags.<key>`` is a path of Search's, beside the list that the output has."""
    for tag in document["Tags"]:
        document[f"Tags.{tag['Key']}"] = tag["Value"]
    return document


def _nested_holds(nested: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """All filters hold for one and the same element of the list that the nested property names."""
    prefix = nested["NestedPropertyName"]
    filters = [{**f, "Name": f["Name"].removeprefix(prefix + ".")} for f in nested["Filters"]]
    return any(all(_filter_holds(f, element) for f in filters) for element in values_at(document, prefix))


def _filter_holds(condition: Mapping[str, Any], document: Any) -> bool:
    name, operator = condition["Name"], condition.get("Operator", "Equals")
    values = [value for value in values_at(document, name) if value is not None]
    if operator in ("Exists", "NotExists"):
        return bool(values) is (operator == "Exists")
    wanted = condition["Value"]
    if operator == "NotEquals":
        return not any(_equal(value, wanted) for value in values)
    test = _TESTS[operator]
    return any(test(value, wanted) for value in values)


def _equal(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return str(value).lower() == wanted.lower()
    if isinstance(value, (int, float)):
        return _number(wanted) == float(value)
    return str(value) == wanted


def _compare(value: Any, wanted: str) -> int | None:
    """-1, 0 or 1, or None where the two can't be put in order."""
    left, right = _number(value), _number(wanted)
    if left is None or right is None:
        if not isinstance(value, str):
            return None
        return (value > wanted) - (value < wanted)
    return (left > right) - (left < right)


def _number(value: Any) -> float | None:
    """A number, or a time as seconds since the epoch."""
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d", value):
        return None
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


_ORDERING = ("GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo")
_TESTS: Mapping[str, Callable[[Any, str], bool]] = {
    "Equals": _equal,
    "GreaterThan": lambda value, wanted: _compare(value, wanted) == 1,
    "GreaterThanOrEqualTo": lambda value, wanted: _compare(value, wanted) in (0, 1),
    "LessThan": lambda value, wanted: _compare(value, wanted) == -1,
    "LessThanOrEqualTo": lambda value, wanted: _compare(value, wanted) in (0, -1),
    "Contains": lambda value, wanted: wanted.lower() in str(value).lower(),
    "In": lambda value, wanted: str(value) in [part.strip() for part in wanted.split(",")],
}
