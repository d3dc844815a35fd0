"""The statements that make and remove tables and databases, in Hive's words. Everything else is DuckDB's."""

import re
from dataclasses import dataclass

from selfmaker.analytics.catalog import PARQUET, Table
from selfmaker.errors import Invalid

_NAME = r"(?:`[^`]+`|\"[^\"]+\"|[\w$-]+)"
_WHOLE = rf"(?P<name>{_NAME}(?:\.{_NAME})?(?:\.{_NAME})?)"
_FLAGS = re.IGNORECASE | re.DOTALL
_CREATE = re.compile(rf"\s*CREATE\s+EXTERNAL\s+TABLE\s+(?P<soft>IF\s+NOT\s+EXISTS\s+)?{_WHOLE}\s*\(", _FLAGS)
_DROP = re.compile(rf"\s*DROP\s+TABLE\s+(?P<soft>IF\s+EXISTS\s+)?{_WHOLE}\s*;?\s*", _FLAGS)
_REPAIR = re.compile(rf"\s*MSCK\s+REPAIR\s+TABLE\s+{_WHOLE}\s*;?\s*", _FLAGS)
_CREATE_DATABASE = re.compile(
    rf"\s*CREATE\s+(?:DATABASE|SCHEMA)\s+(?P<soft>IF\s+NOT\s+EXISTS\s+)?{_WHOLE}(?:\s+(?:COMMENT|LOCATION)\s+'[^']*')*\s*;?\s*",
    _FLAGS,
)
_DROP_DATABASE = re.compile(
    rf"\s*DROP\s+(?:DATABASE|SCHEMA)\s+(?P<soft>IF\s+EXISTS\s+)?{_WHOLE}\s*(?P<all>CASCADE)?\s*;?\s*", _FLAGS
)
_SHOW_TABLES = re.compile(
    rf"\s*SHOW\s+TABLES(?:\s+(?:IN|FROM)\s+{_WHOLE})?(?:\s+(?:LIKE\s+)?'(?P<pattern>[^']*)')?\s*;?\s*", _FLAGS
)
_ADD_PARTITION = re.compile(rf"\s*ALTER\s+TABLE\s+{_WHOLE}\s+ADD\s+(?:IF\s+NOT\s+EXISTS\s+)?PARTITION\b.+", _FLAGS)
_SHOW_DATABASES = re.compile(r"\s*SHOW\s+(?:DATABASES|SCHEMAS)\s*;?\s*", _FLAGS)
_SHOW_PARTITIONS = re.compile(rf"\s*SHOW\s+PARTITIONS\s+{_WHOLE}\s*;?\s*", _FLAGS)
_SHOW_CREATE = re.compile(rf"\s*SHOW\s+CREATE\s+TABLE\s+{_WHOLE}\s*;?\s*", _FLAGS)
_DESCRIBE = re.compile(rf"\s*(?:DESCRIBE|DESC|SHOW\s+COLUMNS\s+(?:IN|FROM))\s+{_WHOLE}\s*;?\s*", _FLAGS)
_CREATE_AS = re.compile(
    rf"\s*CREATE\s+TABLE\s+(?P<soft>IF\s+NOT\s+EXISTS\s+)?{_WHOLE}\s*(?P<with>WITH\s*\((?:[^()']|'[^']*'|\([^()]*\))*\))?"
    r"\s+AS\s+(?P<query>.+)",
    _FLAGS,
)
_INSERT = re.compile(
    rf"\s*INSERT\s+INTO\s+{_WHOLE}\s*(?:\(\s*(?P<columns>{_NAME}(?:\s*,\s*{_NAME})*)\s*\)\s*)?"
    r"(?P<query>(?:SELECT\b|VALUES\b|WITH\b|\().+)",
    _FLAGS,
)
_UNLOAD = re.compile(
    r"\s*UNLOAD\s*\((?P<query>.+)\)\s*TO\s*'(?P<uri>[^']+)'\s*(?P<with>WITH\s*\((?:[^()']|'[^']*')*\))?\s*;?\s*", _FLAGS
)
_SETTING = re.compile(r"(\w+)\s*=\s*(?:'([^']*)'|([\w.]+))")
_LOCATION = re.compile(r"\bLOCATION\s+'(?P<uri>[^']+)'", _FLAGS)
_SERDE = re.compile(r"\bSERDE\s+'(?P<serde>[^']+)'", _FLAGS)
_PROPERTY = re.compile(r"""(['"])(?P<key>(?:\\.|(?!\1).)*)\1\s*=\s*(['"])(?P<value>(?:\\.|(?!\3).)*)\3""", re.DOTALL)
_DELIMITER = re.compile(r"\bFIELDS\s+TERMINATED\s+BY\s+'(?P<text>[^']+)'", _FLAGS)

LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
_STORED = {"PARQUET": PARQUET, "TEXTFILE": LAZY, "JSONFILE": "org.openx.data.jsonserde.JsonSerDe"}


@dataclass(frozen=True)
class Statement:
    """What is to be done: ``act`` is create, drop, repair, create_database, drop_database, show_tables (like ``name``),
    show_databases, show_partitions, show_create, add_partition (at the locations in ``columns``) or describe; or
    create_as, insert or unload, which store the result of ``query`` below ``location`` or in the table, by
    ``partitions``, in ``columns`` (none: all of the table). ``soft``: no error when there is nothing to do."""

    act: str
    database: str = ""
    name: str = ""
    soft: bool = False
    table: Table | None = None
    cascade: bool = False
    query: str = ""
    location: str = ""
    partitions: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def parse(sql: str, database: str) -> Statement | None:
    """None for a statement that is none of these. Raises Invalid. ``database`` is what unqualified names mean."""
    sql = re.sub(r"^[ \t]*--[^\n]*\n", "", sql, flags=re.MULTILINE)
    if found := _CREATE.match(sql):
        where, name = _split(found["name"], database)
        return Statement("create", where, name, bool(found["soft"]), _table(sql, found.end() - 1, where, name))
    if found := _CREATE_AS.fullmatch(sql):
        where, name = _split(found["name"], database)
        place, by = _settings(found["with"]).get("external_location", ""), _partitioned_by(found["with"])
        query = found["query"]
        return Statement("create_as", where, name, bool(found["soft"]), query=query, location=place, partitions=by)
    if found := _UNLOAD.fullmatch(sql):
        _settings(found["with"])
        by = _partitioned_by(found["with"])
        return Statement("unload", query=found["query"], location=found["uri"], partitions=by)
    if found := _INSERT.fullmatch(sql):
        where, name = _split(found["name"], database)
        columns = tuple(_bare(column).lower() for column in re.findall(_NAME, found["columns"] or ""))
        return Statement("insert", where, name, query=found["query"], columns=columns)
    of_a_table = {
        "drop": _DROP,
        "repair": _REPAIR,
        "describe": _DESCRIBE,
        "show_partitions": _SHOW_PARTITIONS,
        "show_create": _SHOW_CREATE,
    }
    for act, pattern in of_a_table.items():
        if found := pattern.fullmatch(sql):
            where, name = _split(found["name"], database)
            return Statement(act, where, name, bool(found.groupdict().get("soft")))
    for act, pattern in (("create_database", _CREATE_DATABASE), ("drop_database", _DROP_DATABASE)):
        if found := pattern.fullmatch(sql):
            cascade = bool(found.groupdict().get("all"))
            return Statement(act, _plain(found["name"]), soft=bool(found["soft"]), cascade=cascade)
    if found := _SHOW_TABLES.fullmatch(sql):
        where = _plain(found["name"]) if found["name"] else database
        return Statement("show_tables", where, found["pattern"] or "*")
    if found := _ADD_PARTITION.fullmatch(sql):
        where, name = _split(found["name"], database)
        return Statement("add_partition", where, name, columns=tuple(_LOCATION.findall(sql)))
    return Statement("show_databases") if _SHOW_DATABASES.fullmatch(sql) else None


def _settings(text: str | None) -> dict[str, str]:
    """What stands in the parentheses of a WITH. Raises Invalid for what is not done here."""
    found = {name.lower(): quoted or plain for name, quoted, plain in _SETTING.findall(text or "")}
    form = found.get("format", "PARQUET").upper()
    if form != "PARQUET":
        raise Invalid(f"NOT_SUPPORTED: results are stored as PARQUET, not as {form}")
    if re.search(r"\bbucketed_by\b", text or "", _FLAGS):
        raise Invalid("NOT_SUPPORTED: bucketed_by")
    return found


def _partitioned_by(text: str | None) -> tuple[str, ...]:
    found = re.search(r"\bpartitioned_by\s*=\s*ARRAY\s*\[([^\]]*)\]", text or "", _FLAGS)
    return tuple(name.lower() for name in re.findall(r"'([^']*)'", found[1])) if found else ()


def sql_type(hive: str) -> str:
    """A Hive type in DuckDB's words."""
    kind = hive.strip().lower()
    if kind.startswith("array<"):
        return sql_type(kind[6:-1]) + "[]"
    if kind.startswith(("struct<", "map<")):
        return "JSON"
    if kind.startswith(("decimal", "char", "varchar")):
        return kind.upper()
    known = {"string": "VARCHAR", "int": "INTEGER", "binary": "BLOB"}
    if not re.fullmatch(r"[a-z]+", kind):
        raise Invalid(f"SYNTAX_ERROR: the type {hive!r} is not known")
    return known.get(kind, kind.upper())


def _table(sql: str, start: int, database: str, name: str) -> Table:
    columns, end = _columns(sql, start)
    partitions: tuple[tuple[str, str], ...] = ()
    rest = sql[end:]
    if found := re.search(r"\bPARTITIONED\s+BY\s*\(", rest, _FLAGS):
        partitions, _ = _columns(rest, found.end() - 1)
    location = _LOCATION.search(rest)
    if location is None:
        raise Invalid("SYNTAX_ERROR: CREATE EXTERNAL TABLE needs a LOCATION")
    serde = _SERDE.search(rest)
    stored = re.search(r"\bSTORED\s+AS\s+(\w+)", rest, _FLAGS)
    library = serde["serde"] if serde else _STORED.get(stored[1].upper() if stored else "TEXTFILE", LAZY)
    properties = _properties(rest, "SERDEPROPERTIES")
    if delimiter := _DELIMITER.search(rest):
        properties["field.delim"] = delimiter["text"].encode().decode("unicode_escape")
    return Table(
        database, name, location["uri"], columns, partitions, library, properties, _properties(rest, "TBLPROPERTIES")
    )


def _columns(sql: str, start: int) -> tuple[tuple[tuple[str, str], ...], int]:
    """The (name, type) pairs in the parentheses at ``start``, and where they end."""
    depth, quote, begun = 0, "", start + 1
    columns: list[tuple[str, str]] = []
    for position in range(start, len(sql)):
        letter = sql[position]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"`":
            quote = letter
        else:
            depth += (letter in "(<") - (letter in ")>")
            if depth == 0 or (letter == "," and depth == 1):
                columns.append(_column(sql[begun:position]))
                begun = position + 1
            if depth == 0:
                return tuple(columns), position + 1
    raise Invalid("SYNTAX_ERROR: the list of columns does not end")


def _column(text: str) -> tuple[str, str]:
    found = re.match(rf"({_NAME})(.*)", text.strip(), _FLAGS)
    kind = re.split(r"\bCOMMENT\b", found[2], maxsplit=1, flags=re.IGNORECASE)[0].strip() if found is not None else ""
    if found is None or not kind:
        raise Invalid("SYNTAX_ERROR: a column needs a name and a type")
    return _bare(found[1]), kind.lower()


def _properties(sql: str, word: str) -> dict[str, str]:
    found = re.search(rf"\b{word}\s*\(", sql, _FLAGS)
    if found is None:
        return {}
    properties: dict[str, str] = {}
    position = found.end()
    while match := _PROPERTY.match(sql, re.compile(r"[\s,]*").match(sql, position).end()):  # type: ignore[union-attr]
        properties[match["key"]] = match["value"].replace("\\\\", "\\")
        position = match.end()
    return properties


def _split(name: str, database: str) -> tuple[str, str]:
    parts = [part for quoted in re.findall(_NAME, name) for part in _bare(quoted).split(".")]
    return (parts[-2] if len(parts) > 1 else database).lower(), parts[-1].lower()


def _plain(name: str) -> str:
    return _bare(re.findall(_NAME, name)[-1]).lower()


def _bare(name: str) -> str:
    return name.strip('`"')
