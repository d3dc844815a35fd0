"""Files that nothing refers to any more, removed a little later: a reader may just have looked them up.

The removal happens on a thread of its own, because freeing a large file takes milliseconds.
"""

import threading
import time
from collections import deque
from pathlib import Path


class Graveyard:
    """Thread safe. What is buried when the process is killed is found by the next sweep."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._buried: deque[tuple[float, Path]] = deque()
        self._change = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._dig_loop, name="selfmaker-object-graveyard", daemon=True)
        self._thread.start()

    def bury(self, path: Path) -> None:
        """Remove ``path`` once the grace has passed."""
        with self._change:
            self._buried.append((time.monotonic() + self._grace, path))
            if len(self._buried) == 1:
                self._change.notify()

    def empty(self) -> int:
        """Remove everything at once; how many files that were. For when the disk is full."""
        with self._change:
            paths = [path for _, path in self._buried]
            self._buried.clear()
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)

    def close(self) -> None:
        """Remove everything and end. Idempotent."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()
        self.empty()

    def _dig_loop(self) -> None:
        while True:
            with self._change:
                while not self._closed and (not self._buried or self._left() > 0):
                    self._change.wait(self._left() if self._buried else None)
                if self._closed:
                    return
                _, path = self._buried.popleft()
            path.unlink(missing_ok=True)

    def _left(self) -> float:
        return self._buried[0][0] - time.monotonic()
