"""Keeps what a job prints: each line with its time.

A log file holds one event a line, ``<epoch ms> <text>``, so that a byte offset is a position in the log. Imported by
the supervisor: only light parts of the standard library.
"""

import contextlib
import os
import threading
import time
from pathlib import Path

from selfmaker.jobs.metric_finder import MetricFinder

LONGEST_LINE = 256 * 1024  # CloudWatch's limit for one event; a longer line is cut into several


class Recorder:
    """Records one host's output. Thread safe. A full disk loses log lines, never the job; what comes after ``close``
    is lost too (its descriptor's number may be another file's by then)."""

    def __init__(self, path: Path, metrics: MetricFinder | None = None) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._closed = False
        self._lock = threading.Lock()
        self._metrics = metrics
        self._rest = b""

    def write(self, data: bytes) -> None:
        """Record the complete lines of ``data`` (and of what was left over); keep the rest for the next call."""
        with self._lock:
            lines = (self._rest + data).split(b"\n")
            self._rest = lines.pop()
            while len(self._rest) > LONGEST_LINE:
                lines.append(self._rest[:LONGEST_LINE])
                self._rest = self._rest[LONGEST_LINE:]
            pieces = self._record(lines)
        self._scan(pieces)

    def say(self, text: str) -> None:
        """Record a remark of ours, line by line; an unfinished line of the host's ends before it."""
        with self._lock:
            pieces = self._record([self._rest] if self._rest else [])
            self._rest = b""
            self._record([line.encode() for line in text.splitlines() or [""]])
        self._scan(pieces)

    def close(self) -> None:
        """Record an unfinished last line and make the log durable."""
        with self._lock:
            pieces = self._record([self._rest] if self._rest else [])
            with contextlib.suppress(OSError):
                os.fsync(self._descriptor)
            self._closed = True
            os.close(self._descriptor)
        self._scan(pieces)

    def _record(self, lines: list[bytes]) -> list[bytes]:
        """What has been recorded: no line of it is too long."""
        if self._closed or not lines:
            return []
        prefix = b"%d " % (time.time_ns() // 1_000_000)
        pieces = []
        for line in lines:
            text = line[:-1] if line.endswith(b"\r") else line
            while len(text) > LONGEST_LINE:
                pieces.append(text[:LONGEST_LINE])
                text = text[LONGEST_LINE:]
            pieces.append(text)
        try:
            _write_all(self._descriptor, b"".join([prefix + piece + b"\n" for piece in pieces]))
        except OSError:
            return []
        return pieces

    def _scan(self, pieces: list[bytes]) -> None:
        """Without the lock: whoever finds metrics may have something to say here."""
        if pieces and self._metrics is not None:
            self._metrics.scan(pieces, time.time())


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
