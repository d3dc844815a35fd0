"""Queries: taken on, run one after the other in a sandbox, their results put where they are wanted.

A query is a row before anybody knows its id; one that a kill cut off is run again at the next start.
"""

import json
import logging
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from selfmaker import clock
from selfmaker.analytics import catalog, ddl, statements
from selfmaker.analytics.catalog import Table
from selfmaker.analytics.sandbox import AnalyticsSandbox
from selfmaker.errors import Invalid, NotFound, SelfmakerError
from selfmaker.executors.protocol import RunHandle
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import parse_s3_uri
from selfmaker.store.resources import Change, Resource, Resources

_log = logging.getLogger(__name__)

KIND = "QueryExecution"
QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"
UNDER_WAY = (QUEUED, RUNNING)

_AT_ONCE = 2
_TIMEOUT = 1800.0

Freshen = Callable[[str], None]


class Queries:
    """Thread safe. ``freshen`` is called with a table's location before it is read."""

    def __init__(self, resources: Resources, objects: ObjectStore, sandbox: AnalyticsSandbox, freshen: Freshen) -> None:
        self._resources = resources
        self._objects = objects
        self._sandbox = sandbox
        self._freshen = freshen
        self._pool = ThreadPoolExecutor(_AT_ONCE, "selfmaker-queries")
        self._running: dict[str, RunHandle] = {}
        self._changed = threading.Condition()
        self._closed = threading.Event()

    def start(self) -> None:
        for status in UNDER_WAY:
            for row in self._resources.list(KIND, None, status):
                self._pool.submit(self._run, row)

    def close(self) -> None:
        """What runs is ended, and run again at the next start."""
        self._closed.set()
        with self._changed:
            running = list(self._running.values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for handle in running:
            handle.signal(9)
        self._pool.shutdown(wait=True)

    def submit(self, row: Resource) -> None:
        """Run a query whose row is stored."""
        self._pool.submit(self._run, row)

    def stop(self, region: str, name: str) -> Resource:
        """Raises NotFound. A query that has ended stays as it is."""
        change = Change(CANCELLED, {"completed": clock.now()}, only_if_status=UNDER_WAY)
        row = self._resources.update(KIND, region, name, change)
        with self._changed:
            handle = self._running.get(name)
            self._changed.notify_all()
        if handle is not None:
            handle.signal(9)
        return row

    def wait(self, row: Resource, seconds: float) -> Resource:
        """The query once it has ended, or as it is after that time."""
        deadline = clock.now() + seconds
        with self._changed:
            current = self._resources.get(KIND, row.region, row.name)
            while current.status in UNDER_WAY and (left := deadline - clock.now()) > 0:
                self._changed.wait(left)
                current = self._resources.get(KIND, row.region, row.name)
        return current

    # -- one query

    def _run(self, row: Resource) -> None:
        change = Change(RUNNING, {"started": clock.now()}, only_if_status=UNDER_WAY)
        try:
            if self._resources.update(KIND, row.region, row.name, change).status != RUNNING:
                return
            learnt: dict[str, Any] = self._answer(row)
            self._end(row, SUCCEEDED, learnt)
        except SelfmakerError as error:
            self._end(row, FAILED, {"reason": error.message[:4096]})
        except OSError as error:
            self._end(row, FAILED, {"reason": f"GENERIC_INTERNAL_ERROR: {error}"})
        except Exception:  # noqa: BLE001 - the outermost frame of a thread: the query must not stay for ever
            _log.exception("query %s", row.name)
            self._end(row, FAILED, {"reason": "GENERIC_INTERNAL_ERROR: the server's log has more"})
        finally:
            with self._changed:
                self._running.pop(row.name, None)

    def _end(self, row: Resource, status: str, learnt: dict[str, Any]) -> None:
        if status == FAILED and self._closed.is_set():
            return
        change = Change(status, {**learnt, "completed": clock.now()}, only_if_status=(RUNNING,))
        self._resources.update(KIND, row.region, row.name, change)
        with self._changed:
            self._changed.notify_all()

    def _answer(self, row: Resource) -> dict[str, Any]:
        sql, database = row.document["QueryString"], row.state["database"]
        statement = ddl.parse(sql, database)
        if statement is not None and statement.query:
            return self._answer_into(row, statement)
        if statement is not None:
            if statement.act == "show_partitions":
                lines = self._partitions(statements.found(self._resources, row.region, statement))
            else:
                lines = statements.perform(self._resources, row.region, statement)
            self._store(row, "".join(f"{line}\n" for line in lines).encode(), ".txt")
            return {"kind": "DDL", "lines": lines, "columns": statements.columns_of(statement.act)}
        with self._sandbox.place() as place:
            scanned = self._query(row, place, sql)
            return self._keep(row, place / "work", scanned)

    def _query(self, row: Resource, place: Path, sql: str, **members: Any) -> int:
        """Run the program on the tables that the query names; how many bytes these have."""
        work, database = place / "work", row.state["database"]
        tables = [self._lay(work, number, table) for number, table in enumerate(self._tables(row.region, sql))]
        request = {
            "sql": sql,
            "database": database,
            "databases": sorted({*statements.databases(self._resources, row.region), database}),
            "tables": tables,
            **members,
        }
        (work / "request.json").write_text(json.dumps(request))

        def started(handle: RunHandle) -> None:
            with self._changed:
                self._running[row.name] = handle

        self._sandbox.run(place, "query", started, _TIMEOUT)
        return sum(table["bytes"] for table in tables)

    def _answer_into(self, row: Resource, statement: ddl.Statement) -> dict[str, Any]:
        """CREATE TABLE AS, INSERT INTO and UNLOAD: the result becomes Parquet objects, which a manifest lists."""
        is_table, name = statement.act == "create_as", row.name
        if is_table and statements.has_table(self._resources, row.region, statement):
            if statement.soft:
                return {"kind": "DDL", "lines": [], "columns": []}
            raise Invalid(f"TABLE_ALREADY_EXISTS: Table {statement.database}.{statement.name} already exists")
        location = (statement.location or f"{row.state['output'].rpartition('/')[0]}/tables/{name}").rstrip("/")
        store: dict[str, Any] = {"partitions": statement.partitions, "columns": None}
        if statement.act == "insert":
            table = statements.found(self._resources, row.region, statement)
            location = table.location.rstrip("/")
            store = statements.inserted(table, statement)
        with self._sandbox.place() as place:
            scanned = self._query(row, place, statement.query, store=store)
            columns = _columns(place / "work")
            made = self._put_parquet(place / "work" / "result", location, name)
        self._store(row, "".join(f"{uri}\n" for uri in made).encode(), "-manifest.csv")
        if is_table:
            by = statement.partitions
            pairs = tuple((column, kind) for column, kind in columns if column not in by)
            parted = tuple((column, kind) for column, kind in columns if column in by)
            new = Table(statement.database, statement.name, location, pairs, parted)
            statements.register(self._resources, row.region, new)
        manifest = row.state["output"] + "-manifest.csv"
        kind = "DDL" if is_table else "DML"
        return {"kind": kind, "lines": [], "columns": [], "scanned": scanned, "manifest": manifest}

    def _put_parquet(self, folder: Path, location: str, name: str) -> list[str]:
        """Store the files of a result below ``location``; their URIs. A query run again writes the same keys."""
        bucket, prefix = parse_s3_uri(location + "/")
        made = []
        for number, path in enumerate(sorted(folder.rglob("*.parquet"))):
            key = "/".join([*path.relative_to(folder).parts[:-1], f"{name}_{number}.parquet"])
            try:
                self._objects.put_file(bucket, prefix + key, path)
            except NotFound:
                raise Invalid(f"The S3 bucket of the location does not exist: {bucket}") from None
            made.append(f"{location}/{key}")
        return made

    def _partitions(self, table: Table) -> list[str]:
        """The folders of a table, as ``year=2024/month=05``. Raises Invalid for a table that has no partitions."""
        if not table.partitions:
            raise Invalid(f"FAILED: Execution Error: Table {table.database}.{table.name} is not a partitioned table")
        self._freshen(table.location)
        bucket, prefix = parse_s3_uri(table.location.rstrip("/") + "/")
        folders = (info.key[len(prefix) :].split("/")[:-1] for info in self._objects.list(bucket, prefix))
        return sorted({"/".join(folder) for folder in folders if len(folder) == len(table.partitions)})

    def _tables(self, region: str, sql: str) -> list[Table]:
        """The tables whose names stand in the query."""
        words = {word.lower() for word in re.findall(r"\"([^\"]+)\"", sql)} | set(re.findall(r"[\w$]+", sql.lower()))
        rows = self._resources.list(catalog.TABLE, region)
        return [catalog.table_of(row) for row in rows if row.document["Name"].lower() in words]

    def _lay(self, work: Path, number: int, table: Table) -> dict[str, Any]:
        """Links to the table's objects, and how they are read."""
        self._freshen(table.location)
        reader, options = statements.reader_of(table)
        files, size = [], 0
        bucket, prefix = parse_s3_uri(table.location.rstrip("/") + "/")
        for info in self._objects.list(bucket, prefix):
            relative = info.key[len(prefix) :]
            parts = relative.split("/")
            if not info.size or any(part in ("", ".", "..") or part.startswith(("_", ".")) for part in parts):
                continue
            target = work / f"t{number}" / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            self._objects.link(bucket, info.key, target)
            files.append(f"t{number}/{relative}")
            size += info.size
        return {
            "database": table.database,
            "name": table.name,
            "reader": reader,
            "options": options,
            "files": files,
            "bytes": size,
            "columns": [[name, ddl.sql_type(kind)] for name, kind in table.columns],
            "partitions": [[name, ddl.sql_type(kind)] for name, kind in table.partitions],
        }

    def _keep(self, row: Resource, work: Path, scanned: int) -> dict[str, Any]:
        """Put the result together and store it."""
        columns = _columns(work)
        result = work / "result.csv"
        if (work / "rows.csv").exists():
            with result.open("ab") as whole, (work / "rows.csv").open("rb") as rows:
                while piece := rows.read(1 << 20):
                    whole.write(piece)
        bucket, key = parse_s3_uri(row.state["output"] + ".csv")
        try:
            self._objects.put_file(bucket, key, result)
        except NotFound:
            raise Invalid(f"The S3 bucket of the output location does not exist: {bucket}") from None
        return {"kind": "DML", "columns": columns, "scanned": scanned}

    def _store(self, row: Resource, data: bytes, ending: str) -> None:
        bucket, key = parse_s3_uri(row.state["output"] + ending)
        with self._sandbox.place() as place:
            (place / "said").write_bytes(data)
            try:
                self._objects.put_file(bucket, key, place / "said")
            except NotFound:
                raise Invalid(f"The S3 bucket of the output location does not exist: {bucket}") from None


def _columns(work: Path) -> list[list[str]]:
    """Names and types of a result's columns. Raises Invalid."""
    try:
        columns: list[list[str]] = json.loads((work / "result.json").read_text())["columns"]
    except (OSError, ValueError):
        raise Invalid("GENERIC_INTERNAL_ERROR: the query was ended") from None
    return columns
