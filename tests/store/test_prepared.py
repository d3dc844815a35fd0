"""Statements that go straight to the driver: what is in a row is the same as by SQLAlchemy's own way."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import JSON, Boolean, Column, Float, Integer, MetaData, String, Table, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from selfmaker.store.database import Database
from selfmaker.store.prepared import Prepared

things = Table(
    "things",
    MetaData(),
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("name", String(64), unique=True),
    Column("good", Boolean, nullable=False),
    Column("weight", Float),
    Column("document", JSON, nullable=False),
)
OWN = ("name", "good", "weight", "document")
ADD = Prepared(insert(things).values({name: bindparam(name) for name in OWN}).returning(things.c.number))
GET = Prepared(select(things).where(things.c.name == bindparam("called")))
CHANGE = Prepared(update(things).where(things.c.name == bindparam("called")).values(document=bindparam("document")))
ROW = {"name": "a", "good": False, "weight": 1.5, "document": {"ü": [1, None, "\U0001f600"]}}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'test.db'}")
    things.create(opened.engine)
    yield opened
    opened.close()


def test_a_row_is_the_same_by_both_ways(database: Database) -> None:
    assert database.write(lambda c: ADD.first(c, ROW)) == (1,)
    database.write(lambda c: c.execute(insert(things), {**ROW, "name": "b"}))
    for name, number in (("a", 1), ("b", 2)):
        expected = {"number": number, **ROW, "name": name}
        found = database.read(lambda c, name=name: GET.first_named(c, {"called": name}))
        assert found == expected
        assert found["good"] is False
        assert database.read(lambda c, name=name: GET.all(c, {"called": name})) == [tuple(expected.values())]
        query = select(things).where(things.c.name == name)
        by_sqlalchemy = database.read(lambda c, query=query: c.execute(query).one())
        assert dict(by_sqlalchemy._mapping) == expected


def test_no_row(database: Database) -> None:
    assert database.read(lambda c: GET.first(c, {"called": "none"})) is None
    assert database.read(lambda c: GET.first_named(c, {"called": "none"})) is None
    assert database.read(lambda c: GET.all_named(c, {"called": "none"})) == []


def test_how_many_rows_changed(database: Database) -> None:
    database.write(lambda c: ADD.first(c, ROW))
    assert database.write(lambda c: CHANGE.run(c, {"called": "a", "document": [True]})) == 1
    assert database.write(lambda c: CHANGE.run(c, {"called": "none", "document": {}})) == 0
    assert database.read(lambda c: GET.all_named(c, {"called": "a"}))[0]["document"] == [True]


def test_errors_are_sqlalchemys_and_leave_nothing(database: Database) -> None:
    database.write(lambda c: ADD.first(c, ROW))

    def twice(connection: object) -> None:
        ADD.first(connection, {**ROW, "name": "b"})  # type: ignore[arg-type]
        ADD.first(connection, ROW)  # type: ignore[arg-type]

    with pytest.raises(IntegrityError, match="UNIQUE"):
        database.write(twice)
    assert database.read(lambda c: GET.first(c, {"called": "b"})) is None
