"""Keeps what a job prints: each line with its time, and the metrics that its definitions find in it.

A log file holds one event a line, ``<epoch ms> <text>``, so that a byte offset is a position in the log. Imported by
the supervisor: only light parts of the standard library.
"""

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path

LONGEST_LINE = 256 * 1024  # CloudWatch's limit for one event; a longer line is cut into several


class Recorder:
    """Records one host's output. Thread safe. A full disk loses log lines, never the job; what comes after ``close``
    is lost too (its descriptor's number may be another file's by then)."""

    def __init__(self, path: Path, metrics: "MetricFinder | None" = None) -> None:
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
            if lines:
                self._record(lines)

    def say(self, text: str) -> None:
        """Record a remark of ours, line by line; an unfinished line of the host's ends before it."""
        with self._lock:
            unfinished = [self._rest] if self._rest else []
            self._rest = b""
            self._record([*unfinished, *(line.encode() for line in text.splitlines() or [""])])

    def close(self) -> None:
        """Record an unfinished last line and make the log durable."""
        with self._lock:
            if self._rest:
                self._record([self._rest])
            with contextlib.suppress(OSError):
                os.fsync(self._descriptor)
            self._closed = True
            os.close(self._descriptor)

    def _record(self, lines: list[bytes]) -> None:
        if self._closed:
            return
        now_ms = time.time_ns() // 1_000_000
        prefix = b"%d " % now_ms
        pieces = []
        for line in lines:
            text = line[:-1] if line.endswith(b"\r") else line
            while len(text) > LONGEST_LINE:
                pieces.append(text[:LONGEST_LINE])
                text = text[LONGEST_LINE:]
            pieces.append(text)
        block = b"".join([prefix + piece + b"\n" for piece in pieces])
        try:
            _write_all(self._descriptor, block)
            if self._metrics is not None:
                self._metrics.scan(pieces, now_ms / 1000)
        except OSError:
            return


class MetricFinder:
    """Looks for metric values by regular expression and appends them to a JSON-lines file.

    ``definitions`` are (name, expression) pairs; the first group of a match must be a number, else it is passed over.
    """

    def __init__(self, path: Path, definitions: Sequence[Sequence[str]]) -> None:
        self._path = path
        self._definitions = [(name, re.compile(expression)) for name, expression in definitions]

    def scan(self, lines: list[bytes], at: float) -> None:
        found = []
        for line in lines:
            text = line.decode("utf-8", "replace")
            for name, expression in self._definitions:
                match = expression.search(text)
                value = _number(match.group(1)) if match and match.groups() else None
                if value is not None:
                    found.append(json.dumps({"name": name, "value": value, "time": at}) + "\n")
        if found:
            with self._path.open("a") as file:
                file.writelines(found)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and value - value == 0 else None


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
