"""Brings a database to the schema of this version, before anything else uses it.

A new database gets its tables at once; one of an earlier version is led through Alembic's revisions in
``migrations/versions``. A test holds that both ways end in the same schema.
"""

from pathlib import Path

from sqlalchemy import Column, Connection, String, Table, insert, inspect, select

from selfmaker.errors import Conflict
from selfmaker.store import (
    async_invocations,
    credentials,
    deliveries,
    executions,
    feature_records,
    jobs,
    log_groups,
    log_streams,
    metrics,
    objects,
    outbox,
    queues,
    resources,
    tags,
    trial_metrics,
)
from selfmaker.store.database import Database
from selfmaker.store.schema import metadata

HEAD = "0002"  # the newest revision; a test compares it with the files

# Each declares its tables on the common metadata.
TABLE_MODULES = (
    async_invocations,
    credentials,
    deliveries,
    feature_records,
    executions,
    jobs,
    log_groups,
    log_streams,
    metrics,
    objects,
    outbox,
    queues,
    resources,
    tags,
    trial_metrics,
)

version_table = Table("alembic_version", metadata, Column("version_num", String(32), primary_key=True))


def bring_up_to_date(database: Database) -> None:
    """Create or migrate the tables. Raises Conflict for a database written by a newer selfmaker."""
    version = database.read(_version)
    if version is None:
        database.write(_create)
    elif version != HEAD:
        database.write(lambda connection: _migrate(connection, version))


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(version_table.name):
        return None
    return connection.execute(select(version_table.c.version_num)).scalar_one_or_none()


def _create(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(insert(version_table).values(version_num=HEAD))


def _migrate(connection: Connection, version: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version not in known:
        raise Conflict(f"the database is at revision {version}, which this selfmaker does not know; upgrade selfmaker")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
