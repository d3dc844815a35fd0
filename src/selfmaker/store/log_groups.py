"""Log groups: a row each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Integer,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from selfmaker import clock
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.store.database import Database
from selfmaker.store.prepared import Prepared
from selfmaker.store.schema import metadata

log_groups = Table(
    "log_groups",
    metadata,
    Column("region", String(32), primary_key=True),
    Column("name", String(512), primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("retention_days", Integer),
    Column("document", JSON, nullable=False),
)
_FIND = Prepared(
    select(log_groups).where(log_groups.c.region == bindparam("in_region"), log_groups.c.name == bindparam("called"))
)

Also = Callable[[Connection], object]
"""Work to do in the same transaction."""


@dataclass(frozen=True)
class LogGroup:
    """One row; ``document`` is the request that created it, ``retention_days`` None for ever."""

    region: str
    name: str
    created_ms: int
    retention_days: int | None
    document: dict[str, Any]


class LogGroups:
    """Thread safe; what a writing method did is on disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, region: str, name: str, document: dict[str, Any], also: Also | None = None) -> None:
        """Raises AlreadyExists."""

        def work(connection: Connection) -> None:
            if find(connection, region, name) is not None:
                raise AlreadyExists(f"log group {name}")
            add(connection, region, name, document)
            if also:
                also(connection)

        self._database.write(work)

    def get(self, region: str, name: str) -> LogGroup:
        """Raises NotFound."""
        return self._database.read(lambda c: get(c, region, name))

    def list(self, region: str, *, prefix: str = "", containing: str = "", after: str = "") -> Iterator[LogGroup]:
        """Those whose name starts with ``prefix``, holds ``containing`` and comes behind ``after``, by name."""
        t = log_groups.c
        query = select(log_groups).where(t.region == region, t.name >= prefix, t.name > after).order_by(t.name)
        rows = self._database.read(lambda c: c.execute(query).all())
        named = (LogGroup(**row._mapping) for row in rows)
        return (group for group in named if group.name.startswith(prefix) and containing in group.name)

    def set_retention(self, region: str, name: str, days: int | None) -> None:
        """``days`` None: keep for ever. Raises NotFound."""
        change = update(log_groups).where(log_groups.c.region == region, log_groups.c.name == name)
        if not self._database.write(lambda c: c.execute(change.values(retention_days=days)).rowcount):
            raise NotFound(f"log group {name}")

    def add_to_document(self, region: str, name: str, members: dict[str, Any]) -> None:
        """Set ``members`` of a group's document. Raises NotFound."""

        def work(connection: Connection) -> None:
            changed = {**get(connection, region, name).document, **members}
            which = update(log_groups).where(log_groups.c.region == region, log_groups.c.name == name)
            connection.execute(which.values(document=changed))

        self._database.write(work)


def find(connection: Connection, region: str, name: str) -> LogGroup | None:
    row = _FIND.first_named(connection, {"in_region": region, "called": name})
    return LogGroup(**row) if row else None


def get(connection: Connection, region: str, name: str) -> LogGroup:
    """Raises NotFound."""
    group = find(connection, region, name)
    if group is None:
        raise NotFound(f"log group {name}")
    return group


def add(connection: Connection, region: str, name: str, document: dict[str, Any]) -> None:
    values = {"region": region, "name": name, "created_ms": clock.now_ms(), "document": document}
    connection.execute(insert(log_groups).values(values))


def drop(connection: Connection, region: str, name: str) -> None:
    connection.execute(delete(log_groups).where(log_groups.c.region == region, log_groups.c.name == name))
