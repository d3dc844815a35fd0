"""The log of one variant's instance: the lines that all its workers print, each with its time.

One event a line, ``<epoch ms> <text>``, so that a byte offset is a position in the log. What prints without end gets
one file after the other, and only the last ones are kept.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from selfmaker import clock

_MOST_EARLY = 10_000  # lines
LONGEST_LINE = 256 * 1024  # CloudWatch's limit for one event; a longer line is cut into several


class OutputLog:
    """Thread safe: each write of complete lines is one append. A full disk loses log lines, never the endpoint.

    A file gets ``limit`` bytes (0: any number); then ``following`` is asked for the next one's path.
    """

    def __init__(self, path: Path, limit: int = 0, following: Callable[[], Path] | None = None) -> None:
        self._lock = threading.Lock()
        self._limit = limit if following is not None else 0
        self._following = following
        self._descriptor = _opened(path)
        self._size = os.fstat(self._descriptor).st_size
        self.last = ""

    def say(self, text: str) -> None:
        """Record a remark of ours, line by line."""
        self.lines([line.encode() for line in text.splitlines() or [""]])

    def lines(self, lines: list[bytes]) -> None:
        prefix = b"%d " % clock.now_ms()
        pieces = []
        for line in lines:
            text = line.removesuffix(b"\r").replace(b"\n", b" ")
            pieces += [text[at : at + LONGEST_LINE] for at in range(0, len(text), LONGEST_LINE)] or [b""]
        said = next((piece for piece in reversed(pieces) if piece.strip()), None)
        if said is not None:
            self.last = said[:1024].decode("utf-8", "replace").strip()
        block = memoryview(b"".join([prefix + piece + b"\n" for piece in pieces]))
        with self._lock:
            try:
                if self._limit and self._size + len(block) > self._limit:
                    self._turn_over()
                self._size += len(block)
                while block:
                    block = block[os.write(self._descriptor, block) :]
            except OSError:
                return

    def pump(self, source: int) -> None:
        """Record what comes from the file descriptor ``source`` until its end."""
        _pump(source, self.lines)

    def close(self) -> None:
        os.close(self._descriptor)

    def _turn_over(self) -> None:
        """Go on in the next file."""
        assert self._following is not None
        before, self._descriptor = self._descriptor, _opened(self._following())
        self._size = 0
        os.close(before)


class PendingLog:
    """Holds lines until it is told the log that they belong to. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._early: list[bytes] = []
        self._log: OutputLog | None = None

    def pump(self, source: int) -> None:
        """As OutputLog.pump."""
        _pump(source, self.lines)

    def lines(self, lines: list[bytes]) -> None:
        with self._lock:
            if self._log is not None:
                self._log.lines(lines)
            elif len(self._early) < _MOST_EARLY:
                self._early += lines

    def assign(self, log: OutputLog) -> None:
        """Hand everything over, and go on with ``log``."""
        with self._lock:
            if self._early:
                log.lines(self._early)
            self._early, self._log = [], log


def _pump(source: int, record: Callable[[list[bytes]], None]) -> None:
    rest = b""
    while data := os.read(source, LONGEST_LINE):
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        if len(rest) > LONGEST_LINE:
            lines.append(rest)
            rest = b""
        if lines:
            record(lines)
    if rest:
        record([rest])


def _opened(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
