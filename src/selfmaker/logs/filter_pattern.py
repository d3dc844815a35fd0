"""CloudWatch Logs' filter patterns: terms, JSON conditions and conditions on space-separated columns.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import json
import re
from collections.abc import Callable
from typing import Any

from selfmaker.errors import Invalid
from selfmaker.logs.conditions import Condition, parse, regular

Matches = Callable[[str], bool]

_TERM = re.compile(r'([-?]?)(?:"((?:[^"\\]|\\.)*)"|%((?:[^%\\]|\\.)+)%|([^\s"]+))(?=\s|$)', re.DOTALL)
_COLUMN = re.compile(r'\[[^\]]*\]|"[^"]*"|\S+')
_SEPARATOR = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')


def compiled(pattern: str) -> Matches:
    """Says of a message whether it matches. Raises Invalid."""
    pattern = pattern.strip()
    if not pattern:
        return lambda text: True
    if pattern.startswith("{"):
        return _json(pattern)
    if pattern.startswith("[") and pattern.endswith("]"):
        return _columns(pattern)
    return _terms(pattern)


def _terms(pattern: str) -> Matches:
    """All plain terms, none of those after ``-``, any of those after ``?``; beside others ``?`` terms don't count."""
    wanted: dict[str, list[Matches]] = {"": [], "-": [], "?": []}
    position = 0
    while position < len(pattern):
        match = _TERM.match(pattern, position)
        if match is None:
            raise _invalid(pattern)
        sign, quoted, expression, bare = match.groups()
        if expression is not None:
            wanted[sign].append(_searching(regular(expression)))
        else:
            wanted[sign].append(_holding(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare))
        position = match.end()
        while position < len(pattern) and pattern[position].isspace():
            position += 1
    required, excluded, any_of = wanted[""], wanted["-"], wanted["?"]
    if not required and not excluded:
        return lambda text: any(term(text) for term in any_of)
    return lambda text: all(term(text) for term in required) and not any(term(text) for term in excluded)


def _holding(term: str) -> Matches:
    return lambda text: term in text


def _searching(expression: re.Pattern[str]) -> Matches:
    return lambda text: expression.search(text) is not None


def _json(pattern: str) -> Matches:
    if not pattern.endswith("}"):
        raise _invalid(pattern)
    condition = parse(pattern[1:-1])

    def matches(text: str) -> bool:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return False
        return isinstance(value, dict) and condition(value)

    return matches


def _columns(pattern: str) -> Matches:
    """``[ip, user, status = 4*, ...]``: a message must have as many columns, but for where ``...`` stands."""
    columns: list[Condition | None] = []
    for part in _SEPARATOR.split(pattern[1:-1]):
        name = part.strip()
        if name == "...":
            columns.append(None)
        elif re.fullmatch(r"\w*", name):
            columns.append(lambda value: True)
        else:
            columns.append(parse(re.sub(r"\b\w+(?=\s*(?:!=|>=|<=|=|>|<))", "$.column", name)))
    if columns.count(None) > 1:
        raise _invalid(pattern)
    return lambda text: _fits(columns, [_unwrapped(column) for column in _COLUMN.findall(text)])


def _fits(columns: list[Condition | None], values: list[str]) -> bool:
    if None in columns:
        at = columns.index(None)
        head, tail = columns[:at], columns[at + 1 :]
        if len(values) < len(head) + len(tail):
            return False
        columns, values = head + tail, values[:at] + values[len(values) - len(tail) :]
    if len(columns) != len(values):
        return False
    pairs = zip(columns, values, strict=True)
    return all(condition is not None and condition({"column": _typed(value)}) for condition, value in pairs)


def _unwrapped(column: str) -> str:
    return column[1:-1] if column[:1] in '["' and len(column) > 1 else column


def _typed(value: str) -> Any:
    try:
        return float(value)
    except ValueError:
        return value


def _invalid(pattern: str) -> Invalid:
    return Invalid(f"Invalid filter pattern: {pattern}")
