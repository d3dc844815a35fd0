"""The one table that every bench fills: a row per measured case, ours beside a peer measured in the same run."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One measured case.

    ``ours`` and ``peer`` are medians in ``unit``; ``peer`` is None where nothing stands beside us. ``ratio`` says
    how we compare, as it will be read ("2.5x faster"), ``goal`` what we set out for and whether it is met.
    """

    bench: str
    case: str
    ours: float
    peer: float | None
    unit: str
    ratio: str
    goal: str


def number(value: float | None) -> str:
    """Three figures that count, thousands with commas; a dash for what was not measured."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def print_table(rows: Sequence[Row], title: str = "") -> None:
    """Print all rows as one table, in order, a line between benches."""
    table = Table(title=title or None, title_justify="left")
    for heading, justify in (
        ("bench", "left"),
        ("case", "left"),
        ("selfmaker", "right"),
        ("beside", "right"),
        ("unit", "left"),
        ("ratio", "right"),
        ("goal", "left"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for index, row in enumerate(rows):
        last_of_bench = index + 1 < len(rows) and rows[index + 1].bench != row.bench
        cells = (row.bench, row.case, number(row.ours), number(row.peer), row.unit, row.ratio, row.goal)
        table.add_row(*cells, end_section=last_of_bench)
    Console(width=140).print(table)
