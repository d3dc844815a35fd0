"""What the statements about tables and databases do, and how the objects of a table are read."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.analytics import catalog
from selfmaker.analytics.catalog import DATABASE, TABLE, Table
from selfmaker.analytics.ddl import Statement, sql_type
from selfmaker.errors import AlreadyExists, Conflict, Invalid, NotFound
from selfmaker.store.resources import Resource, Resources


def perform(resources: Resources, region: str, statement: Statement) -> list[str]:
    """The lines that the statement answers. Raises Invalid."""
    database, name = statement.database, statement.name
    match statement.act:
        case "create":
            return _create(resources, region, statement)
        case "drop":
            try:
                resources.delete(TABLE, region, f"{database}.{name}")
            except NotFound:
                if not statement.soft:
                    raise _no_table(statement) from None
            return []
        case "show_tables":
            wanted = [re.sub(r"([?\[])", r"[\1]", part) for part in name.lower().split("|")]  # only * is Hive's
            names = (str(row.document["Name"]) for row in tables_in(resources, region, database))
            return sorted(one for one in names if any(fnmatchcase(one, part) for part in wanted))
        case "show_databases":
            return databases(resources, region)
        case "create_database":
            return _create_database(resources, region, statement)
        case "drop_database":
            return _drop_database(resources, region, statement)
    table = found(resources, region, statement)
    if statement.act == "add_partition":
        _check_partitions(table, statement.columns)
    if statement.act in ("repair", "add_partition"):
        return []
    if statement.act == "show_create":
        return _definition(table)
    return [f"{column:<20}\t{kind:<20}\t{'':<20}" for column, kind in (*table.columns, *table.partitions)]


def columns_of(act: str) -> list[list[str]]:
    """The columns of what a statement answers, as Athena calls them."""
    names = {
        "show_tables": ["tab_name"],
        "show_databases": ["database_name"],
        "show_partitions": ["partition"],
        "show_create": ["createtab_stmt"],
        "describe": ["col_name", "data_type", "comment"],
    }
    return [[name, "string"] for name in names.get(act, [])]


def databases(resources: Resources, region: str) -> list[str]:
    """All there are, those that are always there included."""
    own = {row.name for row in resources.list(DATABASE, region)}
    used = {row.document["DatabaseName"] for row in resources.list(TABLE, region)}
    return sorted({*catalog.BUILT_IN, *own, *used})


def tables_in(resources: Resources, region: str, database: str) -> list[Resource]:
    return [row for row in resources.list(TABLE, region) if row.document["DatabaseName"] == database.lower()]


def has_table(resources: Resources, region: str, statement: Statement) -> bool:
    try:
        resources.get(TABLE, region, f"{statement.database}.{statement.name}")
    except NotFound:
        return False
    return True


def register(resources: Resources, region: str, table: Table) -> None:
    """Make a table known. Raises Invalid."""
    try:
        resources.within(lambda connection: catalog.add(connection, region, table))
    except Conflict as error:
        raise Invalid(f"TABLE_ALREADY_EXISTS: {error.message}") from None


def inserted(table: Table, statement: Statement) -> dict[str, Any]:
    """The columns that an INSERT fills: name, SQL type, and which column of the query. Raises Invalid."""
    if "parquet" not in table.serde.lower():
        raise Invalid(f"NOT_SUPPORTED: INSERT INTO {table.database}.{table.name}, which is not stored as PARQUET")
    there = [*table.columns, *table.partitions]
    names = list(statement.columns) or [name.lower() for name, _ in there]
    unknown = [name for name in names if name not in {column.lower() for column, _ in there}]
    if unknown:
        raise Invalid(f"COLUMN_NOT_FOUND: Insert column name does not exist in target table: {unknown[0]}")
    places = {name: place for place, name in enumerate(names)}
    columns = [[name, sql_type(kind), places.get(name.lower())] for name, kind in there]
    return {"columns": columns, "partitions": [name for name, _ in table.partitions]}


def reader_of(table: Table) -> tuple[str, dict[str, str]]:
    """DuckDB's function that reads the table's objects, and its options. Raises Invalid for a form that none reads."""
    serde, properties = table.serde.lower(), dict(table.serde_parameters or {})
    if "parquet" in serde:
        return "read_parquet", {"union_by_name": "true"}
    if "json" in serde:
        columns = ", ".join(f"{_text(name)}: 'VARCHAR'" for name, _ in table.columns)
        return "read_json", {"format": "'newline_delimited'", "columns": f"{{{columns}}}"}
    if "opencsv" not in serde and "lazysimple" not in serde:
        raise Invalid(f"HIVE_UNKNOWN_ERROR: tables with the SerDe {table.serde} cannot be read here")
    columns = ", ".join(f"{_text(name)}: 'VARCHAR'" for name, _ in table.columns)
    lazy = "lazysimple" in serde
    delimiter = properties.get("separatorChar") or properties.get("field.delim") or ("\x01" if lazy else ",")
    quote = "" if lazy else properties.get("quoteChar", '"')
    options = {
        "columns": f"{{{columns}}}",
        "delim": _text(delimiter),
        "quote": _text(quote),
        "escape": _text("" if lazy else properties.get("escapeChar", quote) if quote == '"' else ""),
        "header": "false",
        "auto_detect": "false",
        "null_padding": "true",
        "skip": str(int((table.parameters or {}).get("skip.header.line.count", "0") or 0)),
    }
    return "read_csv", options


def _create(resources: Resources, region: str, statement: Statement) -> list[str]:
    table = statement.table
    assert table is not None
    if statement.database not in databases(resources, region):
        raise Invalid(f"SCHEMA_NOT_FOUND: the database {statement.database} does not exist")

    def work(connection: Connection) -> None:
        catalog.add(connection, region, table)

    try:
        resources.within(work)
    except Conflict:
        if not statement.soft:
            raise Invalid(
                "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
                f"AlreadyExistsException(message:Table {statement.name} already exists)"
            ) from None
    return []


def _create_database(resources: Resources, region: str, statement: Statement) -> list[str]:
    now, name = clock.now(), statement.database
    document: dict[str, Any] = {"Name": name}
    row = Resource(DATABASE, region, name, f"glue:{region}:database/{name}", "Active", now, now, document, {})
    try:
        if name in catalog.BUILT_IN:
            raise AlreadyExists(name)
        resources.create(row)
    except AlreadyExists:
        if not statement.soft:
            raise Invalid(f"AlreadyExistsException: the database {name} already exists") from None
    return []


def _drop_database(resources: Resources, region: str, statement: Statement) -> list[str]:
    name = statement.database
    tables = tables_in(resources, region, name)
    if tables and not statement.cascade:
        raise Invalid(f"InvalidOperationException: the database {name} is not empty. One or more tables exist.")
    for table in tables:
        resources.delete(TABLE, region, table.name)
    try:
        resources.delete(DATABASE, region, name)
    except NotFound:
        if not statement.soft:
            raise Invalid(f"SCHEMA_NOT_FOUND: the database {name} does not exist") from None
    return []


def found(resources: Resources, region: str, statement: Statement) -> Table:
    try:
        return catalog.table_of(resources.get(TABLE, region, f"{statement.database}.{statement.name}"))
    except NotFound:
        raise _no_table(statement) from None


def _check_partitions(table: Table, locations: tuple[str, ...]) -> None:
    """Raises Invalid for a partition elsewhere: those below the table's location are known by their folders."""
    base = table.location.rstrip("/") + "/"
    elsewhere = [uri for uri in locations if not uri.startswith(base) or "=" not in uri.removeprefix(base)]
    if elsewhere or not table.partitions:
        raise Invalid(f"NOT_SUPPORTED: partitions must be folders name=value below {base}, not {elsewhere}")


def _definition(table: Table) -> list[str]:
    """The statement that makes the table."""
    lines = [f"CREATE EXTERNAL TABLE `{table.database}.{table.name}`(", *_listed(table.columns)]
    if table.partitions:
        lines += ["PARTITIONED BY ( ", *_listed(table.partitions)]
    lines += ["ROW FORMAT SERDE ", f"  '{table.serde}' "]
    if table.serde_parameters:
        lines += ["WITH SERDEPROPERTIES ( ", *_set(table.serde_parameters)]
    lines += ["LOCATION", f"  '{table.location}'"]
    return [*lines, "TBLPROPERTIES (", *_set(table.parameters)] if table.parameters else lines


def _listed(columns: tuple[tuple[str, str], ...]) -> list[str]:
    lines = [f"  `{name}` {kind}, " for name, kind in columns]
    return [*lines[:-1], lines[-1].removesuffix(", ") + ")"]


def _set(properties: Mapping[str, str]) -> list[str]:
    lines = [f"  {_text(key)}={_text(value)}, " for key, value in properties.items()]
    return [*lines[:-1], lines[-1].removesuffix(", ") + ")"]


def _no_table(statement: Statement) -> Invalid:
    return Invalid(f"TABLE_NOT_FOUND: Table {statement.database}.{statement.name} does not exist")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
