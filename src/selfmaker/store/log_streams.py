"""Log groups and log streams: rows here, the events themselves in one file a stream (see ``log_file``).

A stream's file is either ``owned`` (made here, for what clients put) or registered: a job or an endpoint writes it.
"""

import re
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from selfmaker import clock, ids
from selfmaker.errors import AlreadyExists, Invalid, NotFound, Unavailable
from selfmaker.store import log_file, log_groups, log_page
from selfmaker.store.database import Database
from selfmaker.store.log_file import LogFile
from selfmaker.store.log_groups import Also, LogGroups
from selfmaker.store.log_page import Page, Window
from selfmaker.store.log_span import Span, Spans
from selfmaker.store.prepared import Prepared
from selfmaker.store.schema import metadata

log_streams = Table(
    "log_streams",
    metadata,
    Column("region", String(32), primary_key=True),
    Column("group", String(512), primary_key=True),
    Column("name", String(512), primary_key=True),
    Column("path", String(4096), nullable=False),
    Column("owned", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("insertions", JSON, nullable=False),
)
_GET = Prepared(
    select(log_streams).where(
        log_streams.c.region == bindparam("in_region"),
        log_streams.c.group == bindparam("of_group"),
        log_streams.c.name == bindparam("called"),
    )
)
_ADD = Prepared(insert(log_streams))

_REMEMBERED_GENERATIONS = 64


@dataclass(frozen=True)
class LogStream:
    """One row. ``generation`` counts the times that late events were put in before others; ``insertions`` holds, for
    the last of these, the [offset, bytes] that went in: a token of an earlier generation still finds its place."""

    region: str
    group: str
    name: str
    path: Path
    owned: bool
    created_ms: int
    generation: int
    insertions: list[list[tuple[int, int]]]

    def moved(self, offset: int, generation: int) -> int:
        """Where the place that was at ``offset`` in an earlier ``generation`` is now."""
        missed = self.generation - generation
        for pieces in self.insertions[-missed:] if missed > 0 else ():
            offset += sum(size for at, size in pieces if at < offset)
        return offset


@dataclass(frozen=True)
class StreamQuery:
    """Which streams of a group, a page of them. ``token`` as an earlier page gave it."""

    prefix: str = ""
    by_last_event: bool = False
    descending: bool = False
    limit: int = 50
    token: str | None = None


class LogStreams:
    """Thread safe; what a writing method did is on disk when it returns. ``folder`` holds the owned files; paths are
    kept relative to the folder above it, so that the whole may move."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.groups = LogGroups(database)
        self._database = database
        self._folder = folder
        self._base = folder.parent
        self._spans = Spans()
        self._locks = [threading.Lock() for _ in range(32)]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    # Groups

    def delete_group(self, region: str, name: str, also: Also | None = None) -> None:
        """Its streams and their files go with it. Raises NotFound."""
        t = log_streams.c

        def work(connection: Connection) -> list[str]:
            log_groups.get(connection, region, name)
            paths = [row.path for row in connection.execute(select(t.path).where(t.region == region, t.group == name))]
            connection.execute(delete(log_streams).where(t.region == region, t.group == name))
            log_groups.drop(connection, region, name)
            if also:
                also(connection)
            return paths

        for path in self._database.write(work):
            (self._base / path).unlink(missing_ok=True)

    def stored_bytes(self, region: str, name: str) -> int:
        """What the streams of a group hold."""
        t = log_streams.c
        query = select(t.path).where(t.region == region, t.group == name)
        return sum(_size(self._base / row.path) for row in self._database.read(lambda c: c.execute(query).all()))

    # Streams

    def create_stream(self, region: str, group: str, name: str) -> None:
        """Raises NotFound for the group, AlreadyExists for the stream."""

        def work(connection: Connection) -> None:
            log_groups.get(connection, region, group)
            if _stream(connection, region, group, name) is not None:
                raise AlreadyExists(f"log stream {name}")
            values = {"path": self._own_path(), "owned": True, "created_ms": clock.now_ms()}
            _add_stream(connection, region, group, name, values)

        self._database.write(work)

    def register(self, region: str, group: str, stream: str, path: Path, created_ms: int) -> None:
        """Say that somebody writes a stream's events to ``path``; group and stream are made as needed. Idempotent.

        The file need not exist yet. A stream that is already there keeps its file as long as that exists. From now on
        the file is the stream's: deleting the stream removes it.
        """
        kept = self._kept(path)

        def work(connection: Connection) -> None:
            if log_groups.find(connection, region, group) is None:
                log_groups.add(connection, region, group, {})
            row = _stream(connection, region, group, stream)
            if row is None:
                values = {"path": kept, "owned": False, "created_ms": created_ms}
                _add_stream(connection, region, group, stream, values)
            elif row["path"] != kept and not (self._base / row["path"]).exists():
                _change(connection, region, group, stream, path=kept, owned=False)

        self._database.write(work)

    def stream(self, region: str, group: str, name: str) -> LogStream:
        """Raises NotFound; the message says whether it is the group or the stream that is missing."""
        row = self._database.read(lambda c: _stream(c, region, group, name))
        if row is None:
            self.groups.get(region, group)
            raise NotFound(f"log stream {name}")
        return self._log_stream(row)

    def streams(self, region: str, group: str, query: StreamQuery) -> tuple[list[tuple[LogStream, Span]], str | None]:
        """A page of streams with what they hold, and the token of the next page when there is one. Raises NotFound
        for the group, Invalid for a token that is none of ours."""
        self.groups.get(region, group)
        if query.by_last_event:
            return self._by_last_event(region, group, query)
        t = log_streams.c
        wanted = select(log_streams).where(t.region == region, t.group == group)
        if query.prefix:
            wanted = wanted.where(func.substr(t.name, 1, len(query.prefix)) == query.prefix)
        if query.token is not None:
            wanted = wanted.where(t.name < query.token if query.descending else t.name > query.token)
        wanted = wanted.order_by(t.name.desc() if query.descending else t.name).limit(query.limit + 1)
        rows = self._database.read(lambda c: c.execute(wanted).all())
        found = [self._log_stream(row._mapping) for row in rows[: query.limit]]
        token = found[-1].name if len(rows) > query.limit else None
        return [(stream, self.span(stream)) for stream in found], token

    def all_streams(self, region: str, group: str) -> list[LogStream]:
        """By name. Raises NotFound for the group."""
        self.groups.get(region, group)
        t = log_streams.c
        query = select(log_streams).where(t.region == region, t.group == group).order_by(t.name)
        return [self._log_stream(row._mapping) for row in self._database.read(lambda c: c.execute(query).all())]

    def span(self, stream: LogStream) -> Span:
        """What the stream holds now."""
        return self._spans.of(stream.path)

    def delete_stream(self, region: str, group: str, name: str) -> None:
        """Its file goes with it. Raises NotFound."""
        stream = self.stream(region, group, name)
        t = log_streams.c
        gone = delete(log_streams).where(t.region == region, t.group == group, t.name == name)
        self._database.write(lambda c: c.execute(gone))
        stream.path.unlink(missing_ok=True)

    # Events

    def read(self, region: str, group: str, stream: str, window: Window) -> Page:
        """A page of one stream's events. Raises NotFound; Invalid for a token that is none of ours."""
        with self.open(region, group, stream) as (row, file):
            return log_page.read(file, window, row.generation, row.moved)

    @contextmanager
    def open(self, region: str, group: str, name: str) -> Iterator[tuple[LogStream, LogFile]]:
        """The stream and its file, which fit one another. Raises NotFound."""
        row = self.stream(region, group, name)
        while True:
            with LogFile(row.path) as file:
                now = row if file.exists else self.stream(region, group, name)
                if now.path == row.path:
                    yield row, file
                    return
            row = now  # late events were put in meanwhile, which makes another file

    def append(self, region: str, group: str, stream: str, events: Sequence[tuple[int, str]]) -> None:
        """Add ``events`` (epoch ms, text), which are in time order, durably. Late ones go where they belong in time.

        Raises NotFound; Unavailable when the disk takes no more.
        """
        ingested = clock.now_ms()
        self.stream(region, group, stream)
        with self._locks[zlib.crc32(f"{region}/{group}/{stream}".encode()) % len(self._locks)]:
            row = self._writable(region, group, stream)
            with LogFile(row.path) as file:
                last = file.last()
            try:
                if last is None or not row.owned or events[0][0] >= last.timestamp:
                    lines = b"".join(log_file.line(at, text, ingested) for at, text in events)
                    log_file.append(row.path, lines, owned=row.owned)
                else:
                    self._insert(row, events, ingested)
            except OSError as error:
                raise Unavailable(f"The log events could not be stored: {error.strerror}") from error

    def _writable(self, region: str, group: str, name: str) -> LogStream:
        """The stream as it is now; one whose writer and file are gone gets a file of our own."""
        row = self.stream(region, group, name)
        if not row.owned and not row.path.exists():
            path = self._own_path()
            self._database.write(lambda c: _change(c, region, group, name, path=path, owned=True))
            row = self.stream(region, group, name)
        return row

    def _insert(self, row: LogStream, events: Sequence[tuple[int, str]], ingested: int) -> None:
        """Write a new file with ``events`` at their places, then make it the stream's."""
        pieces: list[tuple[int, bytes]] = []
        with LogFile(row.path) as file:
            for at, text in events:
                offset, line = file.seek(at + 1), log_file.line(at, text, ingested)
                if pieces and pieces[-1][0] == offset:
                    pieces[-1] = (offset, pieces[-1][1] + line)
                else:
                    pieces.append((offset, line))
        target = self._base / self._own_path()
        try:
            log_file.inserted(row.path, target, pieces)
        except OSError:
            target.unlink(missing_ok=True)
            raise
        insertions = [*row.insertions, [(offset, len(lines)) for offset, lines in pieces]]
        values = {
            "path": self._kept(target),
            "generation": row.generation + 1,
            "insertions": insertions[-_REMEMBERED_GENERATIONS:],
        }
        self._database.write(lambda c: _change(c, row.region, row.group, row.name, **values))
        row.path.unlink(missing_ok=True)

    def _by_last_event(
        self, region: str, group: str, query: StreamQuery
    ) -> tuple[list[tuple[LogStream, Span]], str | None]:
        sign = -1 if query.descending else 1
        spans = [(stream, self.span(stream)) for stream in self.all_streams(region, group)]
        keyed = sorted(
            (sign * (span.last_ms or 0), stream.name, stream, span)
            for stream, span in spans
            if stream.name.startswith(query.prefix)
        )
        if query.token is not None:
            place = re.fullmatch(r"(-?[0-9]{1,20})/(.*)", query.token, re.DOTALL)
            if not place:
                raise Invalid("The specified nextToken is invalid.")
            keyed = [entry for entry in keyed if entry[:2] > (int(place[1]), place[2])]
        page = keyed[: query.limit]
        token = f"{page[-1][0]}/{page[-1][1]}" if len(keyed) > query.limit else None
        return [(stream, span) for _, _, stream, span in page], token

    def _own_path(self) -> str:
        return self._kept(self._folder / f"{ids.unique_id()}.log")

    def _kept(self, path: Path) -> str:
        return str(path.relative_to(self._base)) if path.is_relative_to(self._base) else str(path)

    def _log_stream(self, row: Mapping[Any, Any]) -> LogStream:
        return LogStream(**{**row, "path": self._base / row["path"]})


def _stream(connection: Connection, region: str, group: str, name: str) -> dict[str, Any] | None:
    return _GET.first_named(connection, {"in_region": region, "of_group": group, "called": name})


def _add_stream(connection: Connection, region: str, group: str, name: str, values: dict[str, Any]) -> None:
    key = {"region": region, "group": group, "name": name}
    _ADD.run(connection, {**key, **values, "generation": 0, "insertions": []})


def _change(connection: Connection, region: str, group: str, name: str, **values: Any) -> None:
    t = log_streams.c
    change = update(log_streams).where(t.region == region, t.group == group, t.name == name)
    connection.execute(change.values(**values))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
