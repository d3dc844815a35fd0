"""Feature records: the latest of each identifier (the online store), and those on their way to the offline store.

``group`` is a group's own identifier, which a later group of the same name does not share. What arrives for both stores
is written in one transaction, so that an acknowledged record is in both, however the server ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from selfmaker.store.schema import metadata

feature_records = Table(
    "feature_records",
    metadata,
    Column("group", String(32), primary_key=True),
    Column("identifier", String, primary_key=True),
    Column("time", Float, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("expires", Float, nullable=True),
    Column("values", JSON, nullable=False),
)

feature_arrivals = Table(
    "feature_arrivals",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("group", String(32), nullable=False),
    Column("batch", String(32), nullable=True),
    Column("written", Float, nullable=False),
    Column("time", Float, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("values", JSON, nullable=False),
    Index(None, "group", "batch"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class Record:
    """``values`` by feature's name, as text or lists of it; ``time`` is the event's, ``expires`` when the record goes,
    both in seconds since the epoch. A deleted record is a marker that keeps older ones out."""

    group: str
    identifier: str
    time: float
    values: Mapping[str, Any]
    deleted: bool = False
    expires: float | None = None


@dataclass(frozen=True)
class Arrival:
    """A record on its way to the offline store, with the time at which it came."""

    group: str
    written: float
    time: float
    deleted: bool
    values: Mapping[str, Any]
    sequence: int = 0
    batch: str | None = None


def find(connection: Connection, group: str, identifier: str) -> Record | None:
    """The record or the marker, whether it has expired or not."""
    t = feature_records.c
    row = connection.execute(select(feature_records).where(t.group == group, t.identifier == identifier)).first()
    return Record(**row._mapping) if row is not None else None


def put(connection: Connection, record: Record) -> None:
    """In the place of what was there."""
    remove(connection, record.group, record.identifier)
    connection.execute(insert(feature_records).values(**{**vars(record), "values": dict(record.values)}))


def remove(connection: Connection, group: str, identifier: str) -> None:
    t = feature_records.c
    connection.execute(delete(feature_records).where(t.group == group, t.identifier == identifier))


def identifiers(
    connection: Connection, group: str, now: float, after: str, limit: int, deleted: bool = False
) -> list[str]:
    """The identifiers behind ``after`` in their order; markers' too when ``deleted``."""
    t = feature_records.c
    query = select(t.identifier).where(t.group == group, t.identifier > after)
    query = query.where((t.expires.is_(None)) | (t.expires > now))
    if not deleted:
        query = query.where(~t.deleted)
    return list(connection.execute(query.order_by(t.identifier).limit(limit)).scalars())


def size(connection: Connection, group: str) -> int:
    """Roughly how many bytes the online store holds of a group."""
    t = feature_records.c
    query = select(func.sum(func.length(t["values"]) + func.length(t.identifier))).where(t.group == group)
    return int(connection.execute(query).scalar() or 0)


def expire(connection: Connection, now: float) -> None:
    """Remove what has expired."""
    connection.execute(delete(feature_records).where(feature_records.c.expires <= now))


def forget(connection: Connection, group: str) -> None:
    """Everything of a group that is gone."""
    connection.execute(delete(feature_records).where(feature_records.c.group == group))
    connection.execute(delete(feature_arrivals).where(feature_arrivals.c.group == group))


def arrive(connection: Connection, arrival: Arrival) -> None:
    values = {k: v for k, v in vars(arrival).items() if k not in ("sequence", "values")}
    connection.execute(insert(feature_arrivals).values(**values, values=dict(arrival.values)))


def claim(connection: Connection, group: str, batch: str, limit: int) -> str | None:
    """Make the oldest arrivals of a group a batch, unless one was begun before: then it is that one. None for none.

    A batch never changes, so that what is made of it can be made again with the same result.
    """
    t = feature_arrivals.c
    begun = connection.execute(select(t.batch).where(t.group == group, t.batch.is_not(None)).limit(1)).scalar()
    if begun is not None:
        return str(begun)
    rows = select(t.sequence).where(t.group == group).order_by(t.sequence).limit(limit).subquery()
    chosen = update(feature_arrivals).where(t.sequence.in_(select(rows.c.sequence))).values(batch=batch)
    return batch if connection.execute(chosen).rowcount else None


def of_batch(connection: Connection, batch: str) -> list[Arrival]:
    """In the order in which they came."""
    t = feature_arrivals.c
    rows = connection.execute(select(feature_arrivals).where(t.batch == batch).order_by(t.sequence)).all()
    return [Arrival(**row._mapping) for row in rows]


def settled(connection: Connection, batch: str) -> None:
    """A batch is in the offline store."""
    connection.execute(delete(feature_arrivals).where(feature_arrivals.c.batch == batch))


def groups_with_arrivals(connection: Connection) -> Sequence[str]:
    """The groups that have something to bring to the offline store."""
    return list(connection.execute(select(feature_arrivals.c.group).distinct()).scalars())
