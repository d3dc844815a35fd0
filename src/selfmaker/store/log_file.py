r"""One log stream as a file: an event a line, so that a byte offset is a place in the stream.

    <epoch ms> <text>\n                      what the supervisors write
    <epoch ms>,<ingested ms>\ <text>\n       either addition is optional: another ingestion time; an escaped text

A backslash right before the space says that the text had line breaks of its own: ``\n`` is one, ``\\`` is a backslash.
Events are in time order but for the clock's own steps back. A last line without its newline is still being written
and does not exist yet. Nothing here reads a file whole: whatever its size, a call
 reads what it returns and some blocks more.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

MAX_TEXT = 1 << 20
"""Bytes of one event that are shown; AWS accepts no longer ones."""

_BLOCK = 1 << 16
_HEAD = 64  # more than any head takes


@dataclass(frozen=True)
class Event:
    """Times in epoch milliseconds. ``offset`` is where the line begins, ``end`` where the next one does."""

    timestamp: int
    ingested: int
    text: str
    offset: int
    end: int


class LogFile:
    """An open log file, seen as it was when it was opened; one that does not exist is empty. A context manager.

    Not for several threads at once, but any number may have the same file open, and one process may append to it.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._descriptor = -1
        self.exists = self._descriptor >= 0
        size = os.fstat(self._descriptor).st_size if self._descriptor >= 0 else 0
        self.end = self._after_newline(size)
        """The offset behind the last complete line."""

    def __enter__(self) -> "LogFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def first(self) -> Event | None:
        """The first event, if there is one."""
        return next(self.events(0, self.end), None)

    def last(self) -> Event | None:
        """The last event, if there is one."""
        return next(self.events(self.back(self.end, 0, 1), self.end), None)

    def seek(self, timestamp: int) -> int:
        """The offset of the first event at or after ``timestamp`` (epoch ms); the end when there is none."""
        low, high = 0, self.end
        while low < high:
            middle = self._after_newline((low + high) // 2, low)
            if self._timestamp(middle) >= timestamp:
                high = middle
            else:
                low = self._line_end(middle)
        return low

    def align(self, offset: int) -> int:
        """``offset`` if a line begins there, else where its line begins; never past the end."""
        return self._after_newline(min(offset, self.end))

    def events(self, start: int, stop: int) -> Iterator[Event]:
        """The events whose lines begin in [start, stop), in the file's order. ``start`` is where a line begins."""
        position, block, base, before = start, b"", start, 0
        while position < stop:
            at = block.find(b"\n", position - base)
            if at < 0:
                block, base = self._read(position, _BLOCK), position
                at = block.find(b"\n")
                if not block:
                    return  # cut off under our eyes
            if at < 0:
                end = self._line_end(position)
                raw = self._read(position, min(end - 1 - position, MAX_TEXT + _HEAD))
            else:
                end = base + at + 1
                raw = block[position - base : at]
            event = _event(raw, position, end, before)
            yield event
            position, before = end, event.timestamp

    def back(self, stop: int, floor: int, lines: int, size: int = MAX_TEXT) -> int:
        """Where a page of at most ``lines`` events and ``size`` bytes must begin to end at ``stop``: always at
        least one event before it, and never before ``floor``."""
        position = stop
        for _ in range(lines):
            if position <= floor:
                break
            start = self._after_newline(position - 1, floor)
            if stop - start > size and position < stop:
                break
            position = start
        return position

    def _timestamp(self, offset: int) -> int:
        return _times(self._read(offset, _HEAD).partition(b"\n")[0])[0]

    def _after_newline(self, offset: int, floor: int = 0) -> int:
        """Where the line that holds the byte at ``offset`` begins, looking back no further than ``floor``."""
        position, step = offset, 256
        while position > floor:
            count = min(step, position - floor)
            at = self._read(position - count, count).rfind(b"\n")
            if at >= 0:
                return position - count + at + 1
            position, step = position - count, _BLOCK
        return floor

    def _line_end(self, offset: int) -> int:
        """Where the line after the one at ``offset`` begins."""
        position, step = offset, 256
        while position < self.end:
            block = self._read(position, step)
            at = block.find(b"\n")
            if at >= 0:
                return position + at + 1
            if not block:
                break
            position, step = position + len(block), _BLOCK
        return self.end

    def _read(self, offset: int, count: int) -> bytes:
        return os.pread(self._descriptor, count, offset) if self._descriptor >= 0 else b""


def line(timestamp: int, text: str, ingested: int | None = None) -> bytes:
    """The line of one event, with its newline. Lone surrogates, which UTF-8 cannot hold, become question marks."""
    head = str(timestamp) if ingested in (None, timestamp) else f"{timestamp},{ingested}"
    if "\n" in text:
        head += "\\"
        text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return f"{head} {text}\n".encode("utf-8", "replace")


def append(path: Path, lines: bytes, *, owned: bool) -> None:
    """Add complete lines at the end, durably; all of them or, when the disk is full (OSError), none.

    ``owned``: nobody else writes this file, so that an unfinished last line is what a crash left, and goes.
    """
    created = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if owned and size and os.pread(descriptor, 1, size - 1) != b"\n":
            with LogFile(path) as file:
                size = file.end
            os.ftruncate(descriptor, size)
        try:
            view = memoryview(lines)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        except OSError:
            if owned:
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    if created:
        sync_folder(path.parent)


def inserted(source: Path, target: Path, pieces: Sequence[tuple[int, bytes]]) -> None:
    """Make ``target`` the file ``source`` with each piece of lines put in at its offset in ``source``, which ascend;
    durable when it returns."""
    with LogFile(source) as file:
        end = file.end
    with target.open("xb") as out, source.open("rb") as old:
        done = 0
        for at, lines in pieces:
            _copy(old, out, at - done)
            out.write(lines)
            done = at
        _copy(old, out, end - done)
        out.flush()
        os.fsync(out.fileno())
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0:
        block = source.read(min(1 << 20, count))
        if not block:
            return
        target.write(block)
        count -= len(block)


def _event(raw: bytes, offset: int, end: int, before: int) -> Event:
    """The event of a line. One that is none of ours is shown whole, at the time of the one ``before`` it."""
    head, _, text = raw.partition(b" ")
    timestamp, ingested = _times(raw)
    if timestamp < 0:
        head, text, timestamp, ingested = b"", raw, before, before
    shown = text[:MAX_TEXT].decode("utf-8", "replace")
    if head.endswith(b"\\"):
        shown = re.sub(r"\\([\\n])", lambda match: "\n" if match[1] == "n" else "\\", shown)
    return Event(timestamp, ingested, shown, offset, end)


def _times(raw: bytes) -> tuple[int, int]:
    """Timestamp and ingestion time of a line; (-1, -1) for a line that is none of ours."""
    timestamp, comma, ingested = raw[:_HEAD].partition(b" ")[0].rstrip(b"\\").partition(b",")
    if not timestamp.isdigit() or (comma and not ingested.isdigit()):
        return -1, -1
    return int(timestamp), int(ingested or timestamp)
