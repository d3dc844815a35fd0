"""Tags by ARN."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Column, Connection, String, Table, bindparam, delete, insert, select

from selfmaker.store.database import Database
from selfmaker.store.prepared import Prepared
from selfmaker.store.schema import metadata

tags = Table(
    "tags",
    metadata,
    Column("arn", String(2048), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("value", String(512), nullable=False),
)
_OF = Prepared(select(tags.c.key, tags.c.value).where(tags.c.arn == bindparam("of_arn")).order_by(tags.c.key))
_ADD = Prepared(insert(tags))
_REMOVE = Prepared(delete(tags).where(tags.c.arn == bindparam("of_arn"), tags.c.key == bindparam("called")))


class Tags:
    """Thread safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, arn: str) -> dict[str, str]:
        """Key to value, by key."""
        return self._database.read(lambda c: of(c, arn))

    def of_all(self, arns: Sequence[str]) -> dict[str, dict[str, str]]:
        """The tags of many resources in one query; resources without tags are absent."""
        wanted = set(arns)
        found: dict[str, dict[str, str]] = {}
        rows = self._database.read(lambda c: c.execute(select(tags).order_by(tags.c.arn, tags.c.key)).all())
        for row in rows:
            if row.arn in wanted:
                found.setdefault(row.arn, {})[row.key] = row.value
        return found

    def add(self, arn: str, values: Mapping[str, str]) -> dict[str, str]:
        """Set ``values`` and return all tags that the resource then has."""
        return self._database.write(lambda c: add(c, arn, values))

    def remove(self, arn: str, keys: Sequence[str]) -> None:
        """Remove ``keys``; absent ones are no error."""
        self._database.write(lambda c: c.execute(delete(tags).where(tags.c.arn == arn, tags.c.key.in_(keys))))


def of(connection: Connection, arn: str) -> dict[str, str]:
    return dict(_OF.all(connection, {"of_arn": arn}))


def add(connection: Connection, arn: str, values: Mapping[str, str]) -> dict[str, str]:
    for key, value in values.items():
        _REMOVE.run(connection, {"of_arn": arn, "called": key})
        _ADD.run(connection, {"arn": arn, "key": key, "value": value})
    return of(connection, arn)


def forget(connection: Connection, arn: str) -> None:
    """Drop all tags of a resource that is gone."""
    connection.execute(delete(tags).where(tags.c.arn == arn))
