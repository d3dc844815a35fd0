"""Alarms: one thread that calls back at given times."""

import heapq
import logging
import threading
from collections.abc import Callable

from selfmaker import clock

_log = logging.getLogger(__name__)


class Alarms:
    """``ring(name)`` is called at the earliest time set for a name; later ones that were set meanwhile are dropped.
    Thread safe."""

    def __init__(self, ring: Callable[[str], None]) -> None:
        self._ring = ring
        self._times: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name="selfmaker-alarms", daemon=True)
        self._thread.start()

    def set(self, time: float, name: str) -> None:
        """Ring for ``name`` at ``time`` (seconds since the epoch), if not earlier."""
        with self._changed:
            if time < self._times.get(name, float("inf")):
                self._times[name] = time
                heapq.heappush(self._heap, (time, name))
                self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _loop(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._heap or self._heap[0][0] > clock.now()):
                    self._changed.wait(self._heap[0][0] - clock.now() if self._heap else None)
                if self._closed:
                    return
                time, name = heapq.heappop(self._heap)
                if self._times.get(name) != time:
                    continue
                del self._times[name]
            try:
                self._ring(name)
            except Exception:  # noqa: BLE001 - the outermost loop of a thread on which every execution depends
                _log.exception("the alarm of %s", name)
                self.set(clock.now() + 1, name)
