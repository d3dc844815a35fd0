"""Databases and tables: which objects a table is made of, and what their columns are. Rows of ``resources``.

A table's document is Glue's TableInput, with the database's name beside it. Names are in lower case, as in Glue.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.errors import Conflict, NotFound
from selfmaker.store import resources
from selfmaker.store.resources import Change, Resource

TABLE, DATABASE = "GlueTable", "GlueDatabase"
BUILT_IN = ("default", "sagemaker_featurestore")

PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"


@dataclass(frozen=True)
class Table:
    """``columns`` and ``partitions`` are (name, Hive type); ``serde`` is the class that reads the objects below
    ``location``, with its parameters."""

    database: str
    name: str
    location: str
    columns: tuple[tuple[str, str], ...]
    partitions: tuple[tuple[str, str], ...] = ()
    serde: str = PARQUET
    serde_parameters: Mapping[str, str] | None = None
    parameters: Mapping[str, str] | None = None

    @property
    def key(self) -> str:
        return f"{self.database}.{self.name}".lower()


def document_of(table: Table) -> dict[str, Any]:
    """Glue's TableInput."""
    return {
        "DatabaseName": table.database.lower(),
        "Name": table.name.lower(),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", **(table.parameters or {})},
        "PartitionKeys": [{"Name": name, "Type": kind} for name, kind in table.partitions],
        "StorageDescriptor": {
            "Columns": [{"Name": name.lower(), "Type": kind} for name, kind in table.columns],
            "Location": table.location,
            "SerdeInfo": {"SerializationLibrary": table.serde, "Parameters": dict(table.serde_parameters or {})},
        },
    }


def table_of(row: Resource) -> Table:
    """The table that a row describes."""
    document = row.document
    storage = document.get("StorageDescriptor", {})
    serde = storage.get("SerdeInfo", {})
    return Table(
        database=document["DatabaseName"],
        name=document["Name"],
        location=storage.get("Location", ""),
        columns=_pairs(storage.get("Columns", [])),
        partitions=_pairs(document.get("PartitionKeys", [])),
        serde=serde.get("SerializationLibrary", PARQUET),
        serde_parameters=serde.get("Parameters", {}),
        parameters=document.get("Parameters", {}),
    )


def add(connection: Connection, region: str, table: Table) -> None:
    """Raises Conflict when the database has a table of that name."""
    add_document(connection, region, table.database, table.name, document_of(table))


def add_document(connection: Connection, region: str, database: str, name: str, document: dict[str, Any]) -> None:
    """As ``add``, of a TableInput."""
    now, key = clock.now(), f"{database}.{name}".lower()
    arn = f"glue:{region}:table/{key}"  # of no use to anybody but the index
    if resources.exists(connection, TABLE, region, key):
        raise Conflict(f"there is a table {name} in the database {database}")
    resources.create(connection, Resource(TABLE, region, key, arn, "Active", now, now, document, {}))


def replace(connection: Connection, region: str, table: Table) -> None:
    """Give a table that is there new columns; one that is gone stays gone."""
    try:
        resources.modify(connection, TABLE, region, table.key, Change(document=document_of(table)))
    except NotFound:
        return


def _pairs(columns: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((column["Name"], column.get("Type", "string")) for column in columns)
