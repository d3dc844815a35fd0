"""Conditions on the members of a JSON object: ``$.a.b[0] = "x*" && ($.n > 3 || $.c IS NULL)``."""

import re
from collections.abc import Callable, Iterator
from fnmatch import translate
from typing import Any

from selfmaker.errors import Invalid

Condition = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<selector>\$(?:\.[\w-]+|\.?\[(?:\d+|\*|"[^"]*"|'[^']*')\])*)
      | (?P<operator>&&|\|\||!=|>=|<=|=|>|<|\(|\))
      | "(?P<quoted>(?:[^"\\]|\\.)*)"
      | %(?P<regular>(?:[^%\\]|\\.)+)%
      | (?P<word>[^\s()=<>!&|"]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_STEP = re.compile(r"""\.([\w-]+)|\[["']([^"']*)["']\]|\[(\d+|\*)\]""")
_DEEPEST = 40
_MISSING = object()


def parse(text: str) -> Condition:
    """Raises Invalid."""
    return _Parser(text).whole()


def regular(expression: str) -> re.Pattern[str]:
    """A regular expression between percent signs; AWS knows no groups in it. Raises Invalid."""
    if re.search(r"(?<!\\)[()]", expression):
        raise Invalid(f"Invalid filter pattern: parentheses are not supported in %{expression}%")
    try:
        return re.compile(expression.replace("\\%", "%"))
    except (re.error, OverflowError):
        raise Invalid(f"Invalid filter pattern: %{expression}% is not a regular expression") from None


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise self._invalid()
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._at = 0

    def whole(self) -> Condition:
        condition = self._either(0)
        if self._at < len(self._tokens):
            raise self._invalid()
        return condition

    def _either(self, depth: int) -> Condition:
        if depth > _DEEPEST:
            raise self._invalid()
        parts = [self._both(depth)]
        while self._take("operator", "||"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else lambda value: any(part(value) for part in parts)

    def _both(self, depth: int) -> Condition:
        parts = [self._one(depth)]
        while self._take("operator", "&&"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda value: all(part(value) for part in parts)

    def _one(self, depth: int) -> Condition:
        if self._take("operator", "("):
            condition = self._either(depth + 1)
            if not self._take("operator", ")"):
                raise self._invalid()
            return condition
        kind, selector = self._next()
        if kind != "selector":
            raise self._invalid()
        steps = [(m[1] or m[2] or m[3] or "") for m in _STEP.finditer(selector)]
        test = self._test()
        return lambda value: any(test(found) for found in _found(value, steps))

    def _test(self) -> Condition:
        kind, operator = self._next()
        if kind == "word":
            second = self._next()[1] if operator in ("IS", "NOT") else ""
            word = f"{operator} {second}"
            if word not in _WORDS:
                raise self._invalid()
            return _WORDS[word]
        if kind != "operator" or operator not in _COMPARISONS:
            raise self._invalid()
        kind, literal = self._next()
        if operator in ("=", "!="):
            equal = _equal(kind, literal)
            return equal if operator == "=" else lambda value: value is not _MISSING and not equal(value)
        compare, number = _COMPARISONS[operator], _number(literal)
        if kind != "word" or number is None:
            raise self._invalid()
        return lambda value: _is_number(value) and compare(value, number)

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise self._invalid()
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, kind: str, text: str) -> bool:
        taken = self._at < len(self._tokens) and self._tokens[self._at] == (kind, text)
        self._at += taken
        return taken

    def _invalid(self) -> Invalid:
        return Invalid(f"Invalid filter pattern: {self._text.strip()}")


_WORDS: dict[str, Condition] = {
    "IS NULL": lambda value: value is None,
    "IS TRUE": lambda value: value is True,
    "IS FALSE": lambda value: value is False,
    "NOT EXISTS": lambda value: value is _MISSING,
    "IS EXISTS": lambda value: value is not _MISSING,
}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def _equal(kind: str, literal: str) -> Condition:
    if kind == "regular":
        expression = regular(literal)
        return lambda value: isinstance(value, (str, int, float)) and expression.search(_text(value)) is not None
    if kind not in ("word", "quoted"):
        raise Invalid(f"Invalid filter pattern: {literal} is no value")
    number = _number(literal) if kind == "word" else None
    plain = re.sub(r"\\(.)", r"\1", literal) if kind == "quoted" else literal
    wild = re.compile(translate(re.sub(r"([?\[])", r"[\1]", plain))) if "*" in plain else None

    def equal(value: Any) -> bool:
        if number is not None and _is_number(value):
            return bool(value == number)
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            return False
        text = _text(value)
        return wild.match(text) is not None if wild else text == plain

    return equal


def _text(value: Any) -> str:
    """Numbers as they were most likely written."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _found(value: Any, steps: list[str]) -> Iterator[Any]:
    """The values that a selector leads to; one that says it is missing when there is none."""
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(value, list) and step == "*":
        for item in value:
            yield from _found(item, rest)
    elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        yield from _found(value[int(step)], rest)
    elif isinstance(value, dict) and step in value:
        yield from _found(value[step], rest)
    else:
        yield _MISSING
