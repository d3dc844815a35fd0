"""Turns rows in JSON lines into Parquet files. Stand-alone, Python 3.8 or later, with DuckDB.

The first argument is a folder: ``request.json`` has ``files``, each with ``rows`` and ``parquet`` (names in the folder)
and ``columns`` (name, SQL type). A row is a list of values in the order of the columns.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import duckdb  # type: ignore[import-not-found]


def main() -> None:
    folder = Path(sys.argv[1])
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "1GB", "temp_directory": "/tmp/duckdb"})
    connection.execute("SET TimeZone = 'UTC'")
    for file in json.loads((folder / "request.json").read_text())["files"]:
        write(connection, folder, file)


def write(connection: Any, folder: Path, file: dict[str, Any]) -> None:
    chosen = ", ".join(
        f"{_value(number, kind)} AS {quoted(name)}" for number, (name, kind) in enumerate(file["columns"])
    )
    source = f"read_json({text(folder / file['rows'])}, format = 'newline_delimited', columns = {{'r': 'JSON[]'}})"
    target = f"{text(folder / file['parquet'])} (FORMAT parquet, COMPRESSION snappy)"
    connection.execute(f"COPY (SELECT {chosen} FROM {source}) TO {target}")


def _value(number: int, kind: str) -> str:
    """A value of a row, which JSON holds as text or as a list of texts."""
    if kind.endswith("[]"):
        return f"CAST(from_json(r[{number + 1}], '[\"VARCHAR\"]') AS {kind})"
    return f"CAST(r[{number + 1}] ->> '$' AS {kind})"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


if __name__ == "__main__":
    main()
