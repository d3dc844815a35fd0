"""Statements for the hot paths: compiled once, then handed straight to the database's driver.

SQLAlchemy's own execution costs some 35 us of CPU for a statement that SQLite answers in 4, and several times that
where the server's threads stand in each other's way. What is given up is its conversion of values: columns are of the
driver's own types (text, numbers, bytes), JSON or Boolean.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Boolean, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.types import TypeEngine

Values = Mapping[str, Any]
Convert = Callable[[Any], Any]

_CONVERTED = (JSON, Boolean)


class Prepared:
    """One statement with ``bindparam``s. Joins the connection's transaction where one has begun. Thread safe. Raises
    what SQLAlchemy raises."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._ready: dict[str, _Ready] = {}

    def first(self, connection: Connection, values: Values) -> tuple[Any, ...] | None:
        """Run it; the first row, or None."""
        with self._ran(connection, values) as (cursor, ready):
            found = cursor.fetchone()
            return None if found is None else ready.row(found)

    def all(self, connection: Connection, values: Values) -> list[tuple[Any, ...]]:
        """Run it; all rows."""
        with self._ran(connection, values) as (cursor, ready):
            return [ready.row(found) for found in cursor.fetchall()]

    def first_named(self, connection: Connection, values: Values) -> dict[str, Any] | None:
        """As ``first``, by the columns' names."""
        with self._ran(connection, values) as (cursor, ready):
            found = cursor.fetchone()
            return None if found is None else dict(zip(ready.columns, ready.row(found), strict=True))

    def all_named(self, connection: Connection, values: Values) -> list[dict[str, Any]]:
        """As ``all``, by the columns' names."""
        with self._ran(connection, values) as (cursor, ready):
            return [dict(zip(ready.columns, ready.row(found), strict=True)) for found in cursor.fetchall()]

    def run(self, connection: Connection, values: Values) -> int:
        """Run it, within a transaction of the connection's; how many rows it changed."""
        with self._ran(connection, values) as (cursor, _):
            count: int = cursor.rowcount
            return count

    @contextmanager
    def _ran(self, connection: Connection, values: Values) -> "Iterator[tuple[Any, _Ready]]":
        dialect = connection.dialect
        ready = self._ready.get(dialect.name)
        if ready is None:
            ready = self._ready[dialect.name] = _Ready.of(self._statement, dialect)
        given = ready.given(values)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(ready.text, given)
            yield cursor, ready
        except dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(ready.text, None, error, dialect.loaded_dbapi.Error, dialect=dialect) from error
        finally:
            cursor.close()


@dataclass(frozen=True)
class _Ready:
    """A statement for one kind of database: ``names`` of its parameters in their order, None where they are given by
    name; ``fixed`` are those that the statement has itself."""

    text: str
    names: tuple[str, ...] | None
    fixed: Values
    to_driver: Mapping[str, Convert]
    columns: tuple[str, ...]
    from_driver: tuple[tuple[int, Convert], ...]

    @classmethod
    def of(cls, statement: ClauseElement, dialect: Any) -> "_Ready":
        compiled: Any = statement.compile(dialect=dialect)
        columns = list(getattr(statement, "exported_columns", ()))
        given = {name: _converter(bind.type, dialect, "bind_processor") for name, bind in compiled.binds.items()}
        found = [_converter(column.type, dialect, "result_processor", None) for column in columns]
        return cls(
            text=str(compiled),
            names=tuple(compiled.positiontup) if compiled.positional else None,
            fixed=compiled.params,
            to_driver={name: convert for name, convert in given.items() if convert is not None},
            columns=tuple(getattr(column, "name", "") for column in columns),
            from_driver=tuple((place, convert) for place, convert in enumerate(found) if convert is not None),
        )

    def given(self, values: Values) -> Any:
        if self.to_driver:
            values = {name: self.to_driver[name](v) if name in self.to_driver else v for name, v in values.items()}
        if self.names is None:
            return {**self.fixed, **values}
        return [values[name] if name in values else self.fixed[name] for name in self.names]

    def row(self, found: Any) -> tuple[Any, ...]:
        if not self.from_driver:
            return found  # type: ignore[no-any-return]
        row = list(found)
        for place, convert in self.from_driver:
            row[place] = convert(row[place])
        return tuple(row)


def _converter(kind: TypeEngine[Any], dialect: Any, which: str, *more: Any) -> Convert | None:
    if not isinstance(kind, _CONVERTED):
        return None
    convert: Convert | None = getattr(kind.dialect_impl(dialect), which)(dialect, *more)
    return convert
