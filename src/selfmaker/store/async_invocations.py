"""Asynchronous invocations that were accepted and are not answered yet: a queue for each endpoint, in their order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Column, Float, Index, Integer, String, Table, delete, func, insert, select

from selfmaker.store.database import Database
from selfmaker.store.schema import metadata

async_invocations = Table(
    "async_invocations",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("region", String(32), nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("created", Float, nullable=False),
    Column("document", JSON, nullable=False),
    Index(None, "region", "endpoint", "sequence"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class AsyncInvocation:
    """One accepted invocation. ``document`` is the request with where its answer goes; ``created`` in epoch seconds."""

    sequence: int
    region: str
    endpoint: str
    created: float
    document: Mapping[str, Any]


class AsyncInvocations:
    """Thread safe; every write is durable when the call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, region: str, endpoint: str, created: float, document: Mapping[str, Any]) -> None:
        row = {"region": region, "endpoint": endpoint, "created": created, "document": dict(document)}
        self._database.write(lambda c: c.execute(insert(async_invocations).values(row)))

    def waiting(self, region: str, endpoint: str, after: int, limit: int) -> list[AsyncInvocation]:
        """The oldest of an endpoint's invocations that came after the one of that number."""
        table = async_invocations.c
        query = (
            select(async_invocations)
            .where(table.region == region, table.endpoint == endpoint, table.sequence > after)
            .order_by(table.sequence)
            .limit(limit)
        )
        rows = self._database.read(lambda c: c.execute(query).all())
        return [AsyncInvocation(row.sequence, row.region, row.endpoint, row.created, row.document) for row in rows]

    def count(self, region: str, endpoint: str) -> int:
        table = async_invocations.c
        query = select(func.count()).where(table.region == region, table.endpoint == endpoint)
        return int(self._database.read(lambda c: c.execute(query).scalar_one()))

    def remove(self, sequence: int) -> None:
        """It is answered. Nothing happens when it is not there."""
        gone = delete(async_invocations).where(async_invocations.c.sequence == sequence)
        self._database.write(lambda c: c.execute(gone))

    def forget(self, region: str, endpoint: str) -> None:
        """The endpoint is deleted, and so is what it had still to answer."""
        table = async_invocations.c
        gone = delete(async_invocations).where(table.region == region, table.endpoint == endpoint)
        self._database.write(lambda c: c.execute(gone))
