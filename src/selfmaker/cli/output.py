"""Tables for people and JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click

from selfmaker import clock


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """To a terminal fitted to its width; to a pipe each row is one line, whole."""
    import sys

    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    terminal = sys.stdout.isatty()
    Console(highlight=False, markup=False, width=None if terminal else 100_000).print(table)


def moments(rows: Iterable[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """``rows`` with the members ``names`` (seconds since the epoch) written as AWS writes a time."""
    return [{k: clock.iso8601(v) if k in names and v is not None else v for k, v in row.items()} for row in rows]


def age(since: float) -> str:
    """How long ago: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    return duration(clock.now() - since)


def duration(seconds: float) -> str:
    """A length of time in its largest sensible unit."""
    seconds = max(seconds, 0)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s" if seconds >= 10 else f"{seconds:.1f} s"
