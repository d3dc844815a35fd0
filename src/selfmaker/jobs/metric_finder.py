"""Finds metrics in what a job prints, by its definitions' regular expressions.

An expression of the user's may take for ever over a line, and Python's own lock is held meanwhile, so that nothing else
would happen: no stop, no time limit. So searches are done on the main thread, where a timer's signal breaks them off.
Imported by the supervisor: only light parts of the standard library.
"""

import contextlib
import json
import queue
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

LONGEST_SEARCH = 1.0  # seconds over one line
_GLANCE = 0.25
_PAUSE = 0.01
_AT_MOST = 64  # chunks of output that wait; who prints more waits, too


class _TooLong(Exception):
    """A signal's way out of a search."""


class MetricFinder:
    """``scan`` takes lines, from any thread; ``find``, on the main thread only, appends the values that are in them to
    a JSON-lines file. ``definitions`` are (name, expression) pairs; the first group of a match must be a number, else
    it is passed over. ``wake`` is called when there is something to find, ``say`` with what the user should know."""

    def __init__(
        self,
        path: Path,
        definitions: Sequence[Sequence[str]],
        wake: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._path = path
        self._definitions = [(name, re.compile(expression)) for name, expression in definitions]
        self._wake = wake
        self._say = say
        self._waiting: queue.SimpleQueue[tuple[list[bytes], float]] = queue.SimpleQueue()
        self._since = 0.0  # when the search that goes on was begun

    def scan(self, lines: list[bytes], at: float) -> None:
        main = threading.main_thread()  # it never waits for itself
        while self._waiting.qsize() >= _AT_MOST and threading.current_thread() is not main:
            time.sleep(_PAUSE)
        self._waiting.put((lines, at))
        self._wake()

    def find(self, seconds: float = 3600.0) -> bool:
        """Look through what waits, for about ``seconds`` at most. Whether there is more."""
        until = time.monotonic() + seconds
        with self._timed():
            while time.monotonic() < until:
                try:
                    lines, at = self._waiting.get_nowait()
                except queue.Empty:
                    return False
                self._search(lines, at)
        return not self._waiting.empty()

    def _search(self, lines: list[bytes], at: float) -> None:
        found = []
        for line in lines:
            text = line.decode("utf-8", "replace")
            for definition in list(self._definitions):
                value = self._value(definition, text)
                if value is not None:
                    found.append(json.dumps({"name": definition[0], "value": value, "time": at}) + "\n")
        if found:
            with contextlib.suppress(OSError), self._path.open("a") as file:  # a full disk loses values, never the job
                file.writelines(found)

    def _value(self, definition: tuple[str, re.Pattern[str]], text: str) -> float | None:
        try:
            self._since = time.monotonic()
            match = definition[1].search(text)
            self._since = 0.0
        except _TooLong:
            self._since = 0.0
            self._definitions.remove(definition)
            self._say(
                f"selfmaker: the metric {definition[0]!r} is looked for no more: its regular expression took longer "
                f"than {LONGEST_SEARCH:.0f} s over one line"
            )
            return None
        return _number(match.group(1)) if match and match.groups() else None

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        handler = signal.signal(signal.SIGALRM, self._ring)
        timer = signal.setitimer(signal.ITIMER_REAL, _GLANCE, _GLANCE)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, *timer)
            signal.signal(signal.SIGALRM, handler)

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        if self._since and time.monotonic() - self._since > LONGEST_SEARCH:
            raise _TooLong


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and value - value == 0 else None
