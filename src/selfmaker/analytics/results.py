"""Athena's CSV: each value in quotes, and nothing at all for NULL."""

import re
from collections.abc import Iterable, Iterator

_VALUE = re.compile(r'"((?:[^"]|"")*)"|([^",\n]*)')


def rows(lines: Iterable[str]) -> Iterator[list[str | None]]:
    """The rows of a result; None is NULL. ``lines`` may end within a value: then the value goes on."""
    whole = ""
    for line in lines:
        whole += line
        if whole.count('"') % 2 == 0:
            yield _row(whole.removesuffix("\n"))
            whole = ""


def _row(text: str) -> list[str | None]:
    values: list[str | None] = []
    position = 0
    while True:
        found = _VALUE.match(text, position)
        assert found is not None  # the second alternative matches nothing at all
        values.append(found[1].replace('""', '"') if found[1] is not None else found[2] or None)
        position = found.end() + 1
        if found.end() >= len(text):
            return values
