"""When a log file begins and ends, remembered as long as the file doesn't change."""

import threading
from dataclasses import dataclass
from pathlib import Path

from selfmaker.store.log_file import LogFile

_REMEMBERED = 20_000


@dataclass(frozen=True)
class Span:
    """Times in epoch ms, None when there is no event yet; ``size`` in bytes."""

    first_ms: int | None
    last_ms: int | None
    ingested_ms: int | None
    size: int


class Spans:
    """The spans of files. Thread safe; costs one stat for a file that is known and unchanged."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int, int], Span]] = {}
        self._lock = threading.Lock()

    def of(self, path: Path) -> Span:
        """The span of a file; an empty one when there is no such file."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return Span(None, None, None, 0)
        mark = (status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            hit = self._known.get(path)
        if hit is not None and hit[0] == mark:
            return hit[1]
        with LogFile(path) as file:
            first, last = file.first(), file.last()
        if first is None or last is None:
            return Span(None, None, None, status.st_size)
        span = Span(first.timestamp, last.timestamp, last.ingested, status.st_size)
        with self._lock:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[path] = (mark, span)
        return span
