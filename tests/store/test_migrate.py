from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from selfmaker.errors import Conflict
from selfmaker.store import migrate
from selfmaker.store.database import Database
from selfmaker.store.schema import metadata


@pytest.fixture
def database(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    yield database
    database.close()


def differences(connection: Connection) -> list[object]:
    return compare_metadata(MigrationContext.configure(connection), metadata)


def test_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]


def test_a_new_database_has_the_schema_and_its_version(database: Database) -> None:
    migrate.bring_up_to_date(database)
    migrate.bring_up_to_date(database)
    version = database.read(lambda c: c.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
    assert version == migrate.HEAD
    assert database.read(differences) == []


def test_the_revisions_lead_to_the_same_schema(database: Database) -> None:
    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))

    def upgrade(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    database.write(upgrade)
    assert database.read(differences) == []


def test_a_database_of_the_future_is_refused(database: Database) -> None:
    migrate.bring_up_to_date(database)
    database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = 'ffff'")))
    with pytest.raises(Conflict, match="ffff"):
        migrate.bring_up_to_date(database)
