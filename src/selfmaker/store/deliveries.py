"""Events on their way to the targets of rules: one row for each event and target, until it has arrived.

A row is written before the event counts as offered, and goes once the target has taken it: at least once, whatever
ends the server between the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Column, Connection, Float, Index, Integer, String, Table, delete, insert, select, update

from selfmaker.store.schema import metadata

deliveries = Table(
    "deliveries",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("region", String(32), nullable=False),
    Column("rule", String(2048), nullable=False),
    Column("target", JSON, nullable=False),
    Column("event", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Column("due", Float, nullable=False),
    Index(None, "due"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class Delivery:
    """``rule`` is the rule's ARN, ``target`` as PutTargets gave it; ``due`` is when to try next, in seconds."""

    region: str
    rule: str
    target: Mapping[str, Any]
    event: Mapping[str, Any]
    created: float
    due: float
    attempts: int = 0
    sequence: int = 0


def add(connection: Connection, new: Sequence[Delivery]) -> None:
    rows = [{k: v for k, v in vars(delivery).items() if k != "sequence"} for delivery in new]
    if rows:
        connection.execute(insert(deliveries), rows)


def due(connection: Connection, now: float, limit: int) -> list[Delivery]:
    """What is to be tried now, the longest waiting first."""
    query = select(deliveries).where(deliveries.c.due <= now).order_by(deliveries.c.due, deliveries.c.sequence)
    return [Delivery(**row._mapping) for row in connection.execute(query.limit(limit)).all()]


def is_due(connection: Connection, sequence: int, now: float) -> bool:
    """Whether it still waits, and not for later: what one has read may have been sent meanwhile."""
    query = select(deliveries.c.sequence).where(deliveries.c.sequence == sequence, deliveries.c.due <= now)
    return connection.execute(query).first() is not None


def postpone(connection: Connection, sequence: int, until: float) -> None:
    """One attempt failed; try again at ``until``."""
    changed = update(deliveries).where(deliveries.c.sequence == sequence)
    connection.execute(changed.values(attempts=deliveries.c.attempts + 1, due=until))


def remove(connection: Connection, sequence: int) -> None:
    """It has arrived, or will never."""
    connection.execute(delete(deliveries).where(deliveries.c.sequence == sequence))
