"""Threads that no exit waits for.

A call that a walk makes may wait for minutes, or for an event loop that has ended; Python's own pools would keep
the process until it returns. What such a thread was doing is repeated by the next server.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any

Work = tuple[Callable[..., None], tuple[Any, ...]]


class Crew:
    """At most ``size`` threads, made as they are needed. The work must see to its own exceptions. Thread safe."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open = 0  # what has been submitted and is not done

    def submit(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have it done as soon as a thread is free."""
        with self._lock:
            self._open += 1
            if len(self._threads) < min(self._open, self._size):
                thread = threading.Thread(target=self._loop, name=f"{self._name}-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._work.put((function, arguments))

    def close(self, seconds: float) -> None:
        """Take no more work; wait for what is being done, no longer than ``seconds``."""
        with self._lock:
            threads, self._size = self._threads, 0
        for _ in threads:
            self._work.put(None)
        for thread in threads:
            thread.join(seconds / len(threads))

    def _loop(self) -> None:
        while (work := self._work.get()) is not None:
            function, arguments = work
            function(*arguments)
            with self._lock:
                self._open -= 1


def alone(function: Callable[..., None], *arguments: Any) -> None:
    """Have it done by a thread of its own."""
    threading.Thread(target=function, args=arguments, name="selfmaker-step", daemon=True).start()
