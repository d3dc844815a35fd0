"""Statements for the hot paths: compiled once, then handed straight to the database's driver.

SQLAlchemy's own execution costs some 35 us of CPU for a statement that SQLite answers in 4. What is given up is its
conversion of values, so the columns involved must be of the driver's own types (text, numbers, bytes).
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.expression import ClauseElement

Values = Mapping[str, Any]


class Prepared:
    """One statement with ``bindparam``s. Thread safe."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, Values]] = {}

    def first(self, connection: Connection, values: Values) -> tuple[Any, ...] | None:
        """Run it; the first row, or None. Joins the connection's transaction where one has begun."""
        cursor = connection.connection.cursor()
        try:
            cursor.execute(*self._ready(connection, values))
            found: tuple[Any, ...] | None = cursor.fetchone()
            return found
        finally:
            cursor.close()

    def all(self, connection: Connection, values: Values) -> list[tuple[Any, ...]]:
        """Run it; all rows."""
        cursor = connection.connection.cursor()
        try:
            cursor.execute(*self._ready(connection, values))
            return list(cursor.fetchall())
        finally:
            cursor.close()

    def run(self, connection: Connection, values: Values) -> int:
        """Run it; how many rows it changed. Within a transaction of the connection's."""
        cursor = connection.connection.cursor()
        try:
            cursor.execute(*self._ready(connection, values))
            count: int = cursor.rowcount
            return count
        finally:
            cursor.close()

    def _ready(self, connection: Connection, values: Values) -> tuple[str, Any]:
        known = self._compiled.get(connection.dialect.name)
        if known is None:
            compiled: Any = self._statement.compile(dialect=connection.dialect)
            names = tuple(compiled.positiontup) if compiled.positional else None
            known = self._compiled[connection.dialect.name] = (str(compiled), names, compiled.params)
        text, names, fixed = known
        if names is None:
            return text, {**fixed, **values}
        return text, [values[name] if name in values else fixed[name] for name in names]
