"""Answers one SQL query over files. Stand-alone, Python 3.8 or later, with DuckDB.

The first argument is a folder. ``request.json`` has the ``sql``, the ``database`` it is asked in, all ``databases``,
and ``tables``: their names, ``files`` in the folder with their ``reader`` and its ``options``, ``columns`` (name, SQL
type) and ``partitions`` (the same), which are in the files' paths. The result goes to ``result.csv``, a header, and
``rows.csv``, in Athena's form; with ``store`` to Parquet files. ``result.json`` has its columns. What went wrong is the
last line that the program prints.

DuckDB understands most of what Athena does; where it does not, SQLGlot says the query in DuckDB's words.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

import duckdb  # type: ignore[import-not-found]

# Functions of Athena's that DuckDB has under another name or with other arguments.
MACROS = (
    "from_unixtime(x) AS TIMESTAMPTZ '1970-01-01 00:00:00+00' + to_microseconds(CAST(round(x * 1000000) AS BIGINT))",
    "from_iso8601_timestamp(x) AS CAST(x AS TIMESTAMPTZ)",
    "from_iso8601_date(x) AS CAST(x AS DATE)",
    "to_iso8601(x) AS strftime(x, '%Y-%m-%dT%H:%M:%S.%gZ')",
    "to_unixtime(x) AS epoch(x)",
    "to_timestamp(x) AS TIMESTAMPTZ '1970-01-01 00:00:00+00' + to_microseconds(CAST(round(x * 1000000) AS BIGINT)), "
    "(x, form) AS CAST(x AS TIMESTAMP)",
    "date_add(unit, n, x) AS x + n * CASE lower(unit) WHEN 'millisecond' THEN INTERVAL 1 MILLISECOND "
    "WHEN 'second' THEN INTERVAL 1 SECOND WHEN 'minute' THEN INTERVAL 1 MINUTE WHEN 'hour' THEN INTERVAL 1 HOUR "
    "WHEN 'day' THEN INTERVAL 1 DAY WHEN 'week' THEN INTERVAL 7 DAY WHEN 'month' THEN INTERVAL 1 MONTH "
    "WHEN 'quarter' THEN INTERVAL 3 MONTH WHEN 'year' THEN INTERVAL 1 YEAR END",
    "approx_distinct(x) AS approx_count_distinct(x)",
    "approx_percentile(x, part) AS approx_quantile(x, part)",
    "arbitrary(x) AS any_value(x)",
    "cardinality(x) AS len(x)",
    "contains_sequence(x, y) AS list_has_all(x, y)",
    "element_at(x, place) AS x[place]",
    "json_extract_scalar(x, path) AS json_extract_string(x, path)",
    "regexp_like(x, pattern) AS regexp_matches(x, pattern)",
    "rand() AS random()",
    "codepoint(x) AS unicode(x)",
    "slice(x, first, length) AS list_slice(x, first, first + length - 1)",
    "sequence(a, b) AS generate_series(a, b), (a, b, step) AS generate_series(a, b, step)",
    "map_agg(k, v) AS map(list(k), list(v))",
    "array_join(x, separator) AS array_to_string(x, separator)",
    "array_min(x) AS list_min(x)",
    "array_max(x) AS list_max(x)",
    "regexp_replace(x, pattern, other) AS system.main.regexp_replace(x, pattern, other, 'g'), "
    "(x, pattern) AS system.main.regexp_replace(x, pattern, '', 'g')",
    "regexp_split(x, pattern) AS regexp_split_to_array(x, pattern)",
    "day_of_week(x) AS isodow(x)",
    "dow(x) AS isodow(x)",
    "day_of_month(x) AS dayofmonth(x)",
    "day_of_year(x) AS dayofyear(x)",
    "doy(x) AS dayofyear(x)",
    "week_of_year(x) AS weekofyear(x)",
    "at_timezone(x, zone) AS timezone(zone, x)",
    "json_parse(x) AS json(x)",
    "json_format(x) AS CAST(x AS VARCHAR)",
    "is_nan(x) AS isnan(x)",
    "is_finite(x) AS isfinite(x)",
    "is_infinite(x) AS isinf(x)",
    "infinity() AS CAST('inf' AS DOUBLE)",
    "nan() AS CAST('nan' AS DOUBLE)",
    "truncate(x) AS trunc(x)",
    "e() AS exp(1e0)",
    "every(x) AS bool_and(x)",
    "geometric_mean(x) AS geomean(x)",
    "to_utf8(x) AS encode(x)",
    "from_utf8(x) AS decode(x)",
    "to_hex(x) AS hex(x)",
    "from_hex(x) AS unhex(x)",
    "md5(x) AS unhex(system.main.md5(x))",
    "sha256(x) AS unhex(system.main.sha256(x))",
)
LETTERS = {"%i": "%M", "%s": "%S", "%T": "%H:%M:%S", "%k": "%-H", "%M": "%B", "%W": "%A"}  # MySQL's -> DuckDB's
TYPES = {
    "BIGINT": "bigint", "INTEGER": "integer", "SMALLINT": "smallint", "TINYINT": "tinyint", "HUGEINT": "bigint",
    "DOUBLE": "double", "FLOAT": "float", "BOOLEAN": "boolean", "DATE": "date", "VARCHAR": "varchar",
    "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamp with time zone", "TIME": "time",
    "BLOB": "varbinary", "JSON": "json", "UUID": "varchar", "UBIGINT": "bigint", "UINTEGER": "bigint",
}  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1])
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "2GB", "temp_directory": "/tmp/duckdb"})
    try:
        answer(connection, folder, json.loads((folder / "request.json").read_text()))
    except duckdb.Error as error:
        sys.exit(told(str(error)))


def answer(connection: Any, folder: Path, request: dict[str, Any]) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET integer_division = true")
    for macro in MACROS:
        connection.execute(f"CREATE MACRO {macro}")
    for database in request["databases"]:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(database)}")
    for table in request["tables"]:
        connection.execute(view(connection, folder, table))
    path = [quoted(name) for name in dict.fromkeys([request["database"], "main"])]
    connection.execute(f"SET search_path = {text(','.join(path))}")
    try:
        run(connection, folder, request, rewritten(request["sql"]))
    except (duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException) as error:
        other = translated(request["sql"])
        if other is None:
            raise
        try:
            run(connection, folder, request, other)
        except duckdb.Error:
            raise error from None


def run(connection: Any, folder: Path, request: dict[str, Any], asked: str) -> None:
    statements = connection.extract_statements(asked)
    if len(statements) != 1:
        sys.exit("SYNTAX_ERROR: Only one sql statement is allowed.")
    kind = statements[0].type.name
    if kind not in ("SELECT", "SELECT_STATEMENT", "EXPLAIN", "EXPLAIN_STATEMENT"):
        sys.exit(f"NOT_SUPPORTED: {kind.replace('_', ' ').lower()} statements are not supported here")
    sql = statements[0].query.rstrip().rstrip(";")
    if kind.startswith("EXPLAIN"):
        rows = connection.execute(sql).fetchall()
        finish(folder, [["Query Plan", "varchar"]], [[row[-1]] for row in rows])
        return
    columns = named(connection, sql, connection.execute(f"DESCRIBE {sql}").fetchall())
    names = ", ".join(f"c{number}" for number in range(len(columns)))
    if "store" in request:
        store(connection, folder, f"({sql}) AS result({names})", columns, request["store"])
        return
    finish(folder, [[name, athena_type(kind)] for name, kind in columns], [])
    shown = ", ".join(printed(f"c{number}", kind) for number, (_, kind) in enumerate(columns))
    form = "(FORMAT csv, HEADER false, FORCE_QUOTE *)"
    connection.execute(f"COPY (SELECT {shown} FROM ({sql}) AS result({names})) TO {text(folder / 'rows.csv')} {form}")


def store(connection: Any, folder: Path, source: str, columns: list[tuple[str, str]], wanted: dict[str, Any]) -> None:
    """The result as Parquet files in ``result``; in the columns of a table where there is one (name, type, which column
    of the query)."""
    into = wanted["columns"]
    if into is None:
        for place, (name, _) in enumerate(columns):
            if name == f"_col{place}":
                sys.exit(f"MISSING_COLUMN_NAME: Column name not specified at position {place + 1}")
        into = [[name.lower(), kind, place] for place, (name, kind) in enumerate(columns)]
    given = sum(place is not None for _, _, place in into)
    if given != len(columns):
        sys.exit(f"TYPE_MISMATCH: Insert query has {len(columns)} columns, {given} are to be filled")
    missing = [name for name in wanted["partitions"] if name not in [column for column, _, _ in into]]
    if missing:
        sys.exit(f"COLUMN_NOT_FOUND: Partition columns {missing} are not present in the query")
    chosen = ", ".join(
        f"CAST({'NULL' if place is None else f'c{place}'} AS {kind}) AS {quoted(name)}" for name, kind, place in into
    )
    finish(folder, [[name, hive_type(kind)] for name, kind, _ in into], [])
    (folder / "result").mkdir()
    target, form = folder / "result" / "data.parquet", "FORMAT parquet, COMPRESSION snappy"
    if wanted["partitions"]:
        target, form = folder / "result", f"{form}, PARTITION_BY ({', '.join(map(quoted, wanted['partitions']))})"
    connection.execute(f"COPY (SELECT {chosen} FROM {source}) TO {text(target)} ({form})")


def translated(sql: str) -> str | None:
    """The query in DuckDB's words, where SQLGlot can read it."""
    import sqlglot  # type: ignore[import-not-found]

    try:
        made = sqlglot.transpile(sql, read="athena", write="duckdb", unsupported_level=sqlglot.ErrorLevel.IGNORE)
    except (sqlglot.errors.SqlglotError, RecursionError):
        return None
    return str(made[0]) if len(made) == 1 else None


def named(connection: Any, sql: str, described: list[Any]) -> list[tuple[str, str]]:
    """Names and types of the result's columns; what has no name is ``_col`` and its place, as with Athena."""
    columns = [(row[0], row[1]) for row in described]
    tree = json.loads(connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()[0])
    node = tree["statements"][0]["node"] if not tree["error"] else {}
    while node and not node.get("select_list"):
        node = node.get("left") or node.get("child") or next(iter(node.get("children") or ()), None)
    chosen = node["select_list"] if node else []
    stars = [place for place, item in enumerate(chosen) if item["class"] == "STAR"]
    if len(stars) > 1:  # nobody knows without their tables how many columns each is
        return columns
    for place, item in enumerate(chosen):
        if not item["alias"] and item["class"] not in ("STAR", "COLUMN_REF"):
            there = place if not stars or place < stars[0] else place - len(chosen) + len(columns)
            columns[there] = (f"_col{there}", columns[there][1])
    return columns


def finish(folder: Path, columns: list[list[str]], rows: list[list[str]]) -> None:
    (folder / "result.json").write_text(json.dumps({"columns": columns}))
    with (folder / "result.csv").open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow([name for name, _ in columns])
        writer.writerows(rows)


def view(connection: Any, folder: Path, table: dict[str, Any]) -> str:
    """The statement that makes a table of its files; columns that they lack are NULL."""
    wanted = [*table["columns"], *table["partitions"]]
    name = f"{quoted(table['database'])}.{quoted(table['name'])}"
    if not table["files"]:
        nothing = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(column)}" for column, kind in wanted)
        return f"CREATE VIEW {name} AS SELECT {nothing} WHERE false"
    files = "[" + ", ".join(text(folder / file) for file in table["files"]) + "]"
    options = "".join(f", {option} = {value}" for option, value in table["options"].items())
    if table["partitions"]:
        options += ", hive_partitioning = true, hive_types_autocast = false"
    source = f"{table['reader']}({files}{options})"
    there = {row[0].lower(): row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    chosen = []
    for column, kind in wanted:
        found = there.get(column.lower())
        value = f"CAST({quoted(found)} AS {kind})" if found is not None else f"CAST(NULL AS {kind})"
        chosen.append(f"{value} AS {quoted(column.lower())}")
    return f"CREATE VIEW {name} AS SELECT {', '.join(chosen)} FROM {source}"


def rewritten(sql: str) -> str:
    """``date_parse`` and ``date_format`` under DuckDB's names, their formats (MySQL's) in DuckDB's letters."""
    sql = re.sub(r"\b(TABLESAMPLE\s+\w+\s*\(\s*[\d.]+)\s*\)", r"\1 PERCENT)", sql, flags=re.IGNORECASE)
    parts, position = [], 0
    for found in re.finditer(r"\bdate_(parse|format)\s*\(", sql, re.IGNORECASE):
        if found.start() < position:
            continue
        end = closing(sql, found.end())
        arguments = rewritten(sql[found.end() : end])
        form = re.search(r"'[^']*'\s*$", arguments)
        if form is not None:
            told = re.sub("%[a-zA-Z]", lambda match: LETTERS.get(match[0], match[0]), form[0])
            arguments = arguments[: form.start()] + told
        name = "strptime" if found[1].lower() == "parse" else "strftime"
        parts += [sql[position : found.start()], f"{name}({arguments}"]
        position = end
    return "".join([*parts, sql[position:]])


def closing(sql: str, start: int) -> int:
    """Where the parenthesis closes that opened before ``start``; the end of the text when it doesn't."""
    depth, quote = 1, ""
    for position in range(start, len(sql)):
        letter = sql[position]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter == "(") - (letter == ")")
            if depth == 0:
                return position
    return len(sql)


def printed(column: str, kind: str) -> str:
    """A value as Athena prints it."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({column} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%g') || ' UTC'"
    if kind.startswith("TIMESTAMP"):
        return f"strftime(CAST({column} AS TIMESTAMP), '%Y-%m-%d %H:%M:%S.%g')"
    return f"CAST({column} AS VARCHAR)"


def athena_type(kind: str) -> str:
    if kind.endswith("]"):
        return "array"
    if kind.startswith("DECIMAL"):
        return "decimal"
    if kind.startswith(("STRUCT", "MAP")):
        return "row" if kind.startswith("STRUCT") else "map"
    return TYPES.get(kind, "timestamp" if kind.startswith("TIMESTAMP") else "varchar")


def hive_type(kind: str) -> str:
    if kind.endswith("[]"):
        return f"array<{hive_type(kind[:-2])}>"
    if kind.startswith("DECIMAL"):
        return kind.lower()
    name = athena_type(kind)
    return {"varchar": "string", "integer": "int", "varbinary": "binary"}.get(name, name.partition(" ")[0])


def told(message: str) -> str:
    """DuckDB's complaint in one line, under the name that Athena has for such errors."""
    line = re.split(r"\n\s*\n", message.strip())[0].replace("\n", " ")
    names = (
        (r"Table with name", "TABLE_NOT_FOUND"),
        (r"Parser Error", "SYNTAX_ERROR"),
        (r"Referenced column|column .* not found|does not have a column", "COLUMN_NOT_FOUND"),
        (r"Function with name", "FUNCTION_NOT_FOUND"),
        (r"Conversion Error", "INVALID_CAST_ARGUMENT"),
        (r"Binder Error", "TYPE_MISMATCH"),
    )
    name = next((name for pattern, name in names if re.search(pattern, line)), "GENERIC_INTERNAL_ERROR")
    return f"{name}: {line}"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


if __name__ == "__main__":
    main()
