"""Search through the streams of a group, in time order, a page at a time.

Streams are opened when their time comes, and only for as long as it takes to read some hundred events: a group may
have any number of them, of any size. A page also ends, with a token, when much has been read and little was found.
"""

import base64
import binascii
import heapq
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from selfmaker.errors import Invalid, NotFound
from selfmaker.store.log_file import Event, LogFile
from selfmaker.store.log_page import PAGE_BYTES, PAGE_EVENTS
from selfmaker.store.log_streams import LogStream, LogStreams

_SCANNED_BYTES = 16 << 20
_BATCH_EVENTS = 512
_BATCH_BYTES = 1 << 17
_ALWAYS = 1 << 62


@dataclass(frozen=True)
class Search:
    """``start_ms`` <= time <= ``end_ms``; ``matches`` is asked of each event's text."""

    matches: Callable[[str], bool]
    start_ms: int = 0
    end_ms: int | None = None
    limit: int = PAGE_EVENTS
    token: str | None = None
    newest_first: bool = False


@dataclass(frozen=True)
class Found:
    """Events with the names of their streams; the token is None when all has been searched."""

    events: list[tuple[str, Event]]
    token: str | None


@dataclass(frozen=True)
class _Place:
    """The last event that was looked at: everything up to it, in the order of the search, is done with."""

    newest_first: bool
    time: int
    stream: str
    offset: int
    generation: int

    def token(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(list(vars(self).values())).encode()).decode()


def search(streams: LogStreams, among: Sequence[LogStream], wanted: Search) -> Found:
    """A page of what matches in the streams ``among``. Raises Invalid for a token that is none of ours."""
    place = _parse(wanted.token) if wanted.token is not None else None
    newest_first = place.newest_first if place else wanted.newest_first
    heap: list[tuple[int, str, _Cursor]] = []
    for stream in {stream.name: stream for stream in among}.values():
        span = streams.span(stream)
        if span.first_ms is None or span.last_ms is None or span.last_ms < wanted.start_ms:
            continue
        bound = span.last_ms if newest_first else span.first_ms
        heap.append((-bound if newest_first else bound, stream.name, _Cursor(streams, stream, wanted, place)))
    heapq.heapify(heap)
    events: list[tuple[str, Event]] = []
    shown = scanned = 0
    last = place
    while heap and len(events) < min(wanted.limit, PAGE_EVENTS) and shown < PAGE_BYTES and scanned < _SCANNED_BYTES:
        _, name, cursor = heapq.heappop(heap)
        event = cursor.take()
        if event is not None:
            size = event.end - event.offset
            scanned += size
            offset = event.offset if newest_first else event.end
            last = _Place(newest_first, event.timestamp, name, offset, cursor.generation)
            if wanted.matches(event.text):
                shown += size
                events.append((name, event))
        time = cursor.next_time(newest_first)
        if time is not None:
            heapq.heappush(heap, (-time if newest_first else time, name, cursor))
    return Found(events, last.token() if heap and last else None)


@dataclass
class _Cursor:
    """The way through one stream. Not opened before its first event is asked for."""

    streams: LogStreams
    stream: LogStream
    wanted: Search
    place: _Place | None
    generation: int = 0
    _batch: list[Event] = field(default_factory=list)
    _from: int = 0
    _to: int = 0
    _opened: bool = False
    _size: int = 8

    def take(self) -> Event | None:
        """The next event; None right after opening, when it is only now known when that is."""
        return self._batch.pop() if self._opened and self._batch else None

    def next_time(self, newest_first: bool) -> int | None:
        """When the next event is; None at the end."""
        if not self._batch:
            self._fill(newest_first)
        return self._batch[-1].timestamp if self._batch else None

    def _fill(self, newest_first: bool) -> None:
        stream = self.stream
        try:
            with self.streams.open(stream.region, stream.group, stream.name) as (row, file):
                self._catch_up(row, file)
                self._size = min(2 * self._size, _BATCH_EVENTS)
                if newest_first:
                    begin = file.back(self._to, self._from, self._size, _BATCH_BYTES)
                    self._batch = list(file.events(begin, self._to))
                    self._to = begin
                else:
                    self._batch, self._from = _batch(file, self._from, self._to, self._size)
                    self._batch.reverse()
        except NotFound:
            self._batch = []  # the stream was deleted while we searched

    def _catch_up(self, row: LogStream, file: LogFile) -> None:
        """Work out the range on opening, and where it went when late events were put in since."""
        if self._opened:
            before = self.generation
            self._from, self._to = row.moved(self._from, before), row.moved(self._to, before)
        else:
            end_ms = self.wanted.end_ms
            self._from = file.seek(self.wanted.start_ms)
            self._to = file.end if end_ms is None else file.seek(end_ms + 1)
            if self.place is not None:
                done = file.align(self._done(self.place, row, file))
                if self.place.newest_first:
                    self._to = min(self._to, done)
                else:
                    self._from = max(self._from, done)
            self._opened = True
        self.generation = row.generation

    def _done(self, place: _Place, row: LogStream, file: LogFile) -> int:
        """The offset on whose far side, in the order of the search, nothing has been looked at."""
        if place.stream == row.name:
            return row.moved(place.offset, place.generation)
        before = row.name < place.stream  # streams take turns by name within one millisecond
        return file.seek(place.time + (before != place.newest_first))


def _batch(file: LogFile, start: int, stop: int, count: int) -> tuple[list[Event], int]:
    """At most ``count`` events from ``start`` on, and where they end."""
    events: list[Event] = []
    end = start
    for event in file.events(start, stop):
        events.append(event)
        end = event.end
        if len(events) >= count or end - start > _BATCH_BYTES:
            break
    return events, end


def _parse(token: str) -> _Place:
    try:
        values = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        values = None
    kinds = [bool, int, str, int, int]
    if not isinstance(values, list) or [type(value) for value in values] != kinds:
        raise Invalid("The specified nextToken is invalid.")
    if any(type(value) is int and not -_ALWAYS < value < _ALWAYS for value in values):
        raise Invalid("The specified nextToken is invalid.")
    return _Place(*values)
