"""The grammar of a definition's parts: each function yields (path, what is wrong)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from selfmaker.errors import Invalid
from selfmaker.workflow import conditions, expressions, parameters, paths, retry

Wrong = tuple[str, str]

_PARAMETER_NAME = re.compile(r"[A-Za-z0-9\-_]{1,256}")


def expression_problems(value: Any, place: str) -> Iterator[Wrong]:
    function = expressions.function_of(value)
    if function == expressions.GET:
        try:
            expressions.reference(value[function], place)
        except Invalid as error:
            yield place, error.message.removeprefix(f"{place}: ")
        return
    if function is not None:
        yield from ((place, wrong) for wrong in _arguments_of(function, value[function]))
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from expression_problems(item, f"{place}[{key}]" if isinstance(key, int) else f"{place}.{key}")


def _arguments_of(function: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{function} must hold an object"
    elif function == expressions.JOIN:
        if not isinstance(value.get("Values"), list):
            yield "Std:Join needs Values, a list"
        if not isinstance(value.get("On", ""), str):
            yield "Std:Join: On must be a text"
    elif ("PropertyFile" in value) == ("S3Uri" in value):
        yield "Std:JsonGet needs either PropertyFile or S3Uri"
    else:
        path = value.get("Path")
        try:
            if expressions.function_of(path) is None:
                paths.parse(path if isinstance(path, str) else "[")
        except Invalid:
            yield f"Std:JsonGet: Path {path!r} is no path"


def parameter_problems(declared: Any) -> Iterator[Wrong]:
    if not isinstance(declared, dict):
        yield "", "must be an object"
        return
    name, kind = declared.get("Name"), declared.get("Type")
    if not isinstance(name, str) or not _PARAMETER_NAME.fullmatch(name):
        yield ".Name", f"{name!r} must be 1 to 256 letters, digits, hyphens or underscores"
    if not isinstance(kind, str) or kind not in parameters.READERS:
        yield ".Type", f"{kind!r} of parameter {name} is not one of {', '.join(parameters.READERS)}"
        return
    default, allowed = declared.get("DefaultValue"), declared.get("EnumValues")
    if default is not None and not parameters.is_of(kind, default):
        yield ".DefaultValue", f"{default!r} of parameter {name} is not of type {kind}"
    if allowed is None:
        return
    if not isinstance(allowed, list) or not all(parameters.is_of(kind, value) for value in allowed):
        yield ".EnumValues", f"of parameter {name} must be a list of values of type {kind}"
    elif default is not None and allowed and default not in allowed:
        yield ".DefaultValue", f"{default!r} of parameter {name} is not one of {allowed}"


def condition_problems(condition: Any, place: str) -> Iterator[Wrong]:
    if not isinstance(condition, dict):
        yield place, "must be an object"
        return
    kind = condition.get("Type")
    if kind not in conditions.TYPES:
        yield f"{place}.Type", f"{kind!r} is not one of {', '.join(conditions.TYPES)}"
    elif kind == "Or":
        inner = condition.get("Conditions")
        if not isinstance(inner, list):
            yield f"{place}.Conditions", "must be a list"
            return
        for index, item in enumerate(inner):
            yield from condition_problems(item, f"{place}.Conditions[{index}]")
    elif kind == "Not":
        if "Condition" not in condition and "Expression" not in condition:
            yield f"{place}.Condition", "is required"
            return
        yield from condition_problems(conditions.negated(condition), f"{place}.Condition")
    else:
        members = ("QueryValue", "Values") if kind == "In" else ("LeftValue", "RightValue")
        for member in members:
            if member not in condition:
                yield f"{place}.{member}", "is required"
        if kind == "In" and not isinstance(condition.get("Values", []), list):
            yield f"{place}.Values", "must be a list"


def policy_problems(policy: Any) -> Iterator[Wrong]:
    if not isinstance(policy, dict):
        yield "", "must be an object"
        return
    types = policy.get("ExceptionType")
    if not isinstance(types, list) or not types or not set(map(str, types)) <= set(retry.EXCEPTION_TYPES):
        yield ".ExceptionType", f"must be a list of some of {', '.join(retry.EXCEPTION_TYPES)}"
    if ("MaxAttempts" in policy) == ("ExpireAfterMin" in policy):
        yield "", "needs either MaxAttempts or ExpireAfterMin"
    bounds = (
        ("MaxAttempts", 1, retry.MOST_ATTEMPTS),
        ("ExpireAfterMin", 0, retry.LONGEST_MINUTES),
        ("IntervalSeconds", 0, 86400),
        ("BackoffRate", 0, 1000),
    )
    for member, least, most in bounds:
        value = policy.get(member, least)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            yield f".{member}", f"{value!r} must be a number from {least} to {most}"
