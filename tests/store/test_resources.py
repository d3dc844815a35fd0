"""Resources found by what their documents say."""

from pathlib import Path

import pytest

from selfmaker.store import resources
from selfmaker.store.database import Database
from selfmaker.store.migrate import bring_up_to_date
from selfmaker.store.resources import Resource


@pytest.fixture
def database(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    bring_up_to_date(database)
    yield database
    database.close()


def put(database: Database, name: str, created: float = 0.0, kind: str = "Kind", **document: object) -> None:
    row = Resource(kind, "here", name, f"arn:{kind}:{name}", "Created", created, created, document, {})
    database.write(lambda c: resources.create(c, row))


def test_having_a_text_at_a_path(database: Database):
    put(database, "b", 2, Source={"Uri": "s3://x"})
    put(database, "a", 1, Source={"Uri": "s3://x"})
    put(database, "c", 3, Source={"Uri": "s3://y"})
    put(database, "d", 4)
    put(database, "e", 5, kind="Other", Source={"Uri": "s3://x"})

    def names(path: tuple[str, ...], value: str) -> list[str]:
        return [row.name for row in database.read(lambda c: resources.having(c, "Kind", "here", path, value))]

    assert names(("Source", "Uri"), "s3://x") == ["a", "b"]
    assert names(("Source", "Uri"), "s3://") == []
    assert names(("Source", "Uri"), 'it"s \\ odd') == []


def test_members_of_every_document(database: Database):
    put(database, "a", Source="x", Kind="k")
    put(database, "b", Source="y")
    found = database.read(lambda c: resources.members(c, "Kind", "here", "Source", "Kind"))
    assert sorted(found) == [("x", "k"), ("y", None)]
