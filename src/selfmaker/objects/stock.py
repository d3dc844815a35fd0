"""Empty files made in advance, so that a write need not wait for its file's name to reach the disk.

The bytes of a new file are on disk after fsync, but by POSIX its name is only after an fsync of its folder, which costs
more than the write of a small object. So names are made 64 at a time, in one folder, followed by one fsync of it.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BATCH = 64
_LOW = 32


@dataclass(frozen=True)
class Blank:
    """An empty file of mode 0444 that is open for writing, and whose name is on disk. The taker closes
    ``descriptor``."""

    name: str
    path: Path
    descriptor: int


class Stock:
    """Blanks for the taking. Thread safe. ``place`` gives the folder and names of a next batch."""

    def __init__(self, place: Callable[[int], tuple[Path, list[str]]]) -> None:
        self._place = place
        self._blanks: deque[Blank] = deque()
        self._change = threading.Condition()
        self._wanted = False
        self._closed = False
        self._problem: OSError | None = None
        self._thread = threading.Thread(target=self._refill_loop, name="selfmaker-object-stock", daemon=True)
        self._thread.start()

    def take(self) -> Blank:
        """A blank of one's own. Raises OSError when none can be made (a full disk)."""
        with self._change:
            while not self._blanks:
                if self._closed:
                    raise RuntimeError("the object store is closed")
                if self._problem is not None:
                    problem, self._problem = self._problem, None
                    raise OSError(problem.errno, problem.strerror)
                self._want()
                self._change.wait()
            blank = self._blanks.popleft()
            if len(self._blanks) < _LOW:
                self._want()
            return blank

    def close(self) -> None:
        """Remove the blanks that nobody took. Idempotent."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join()
        while self._blanks:
            drop(self._blanks.popleft())

    def _want(self) -> None:
        if not self._wanted:
            self._wanted = True
            self._change.notify_all()

    def _refill_loop(self) -> None:
        while True:
            with self._change:
                while not self._wanted and not self._closed:
                    self._change.wait()
                if self._closed:
                    return
            try:
                made, problem = self._make(), None
            except OSError as error:
                made, problem = [], error
            with self._change:
                self._blanks.extend(made)
                self._problem = problem
                self._wanted = False
                self._change.notify_all()

    def _make(self) -> list[Blank]:
        folder, names = self._place(_BATCH)
        made: list[Blank] = []
        try:
            for name in names:
                path = folder / name
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
                made.append(Blank(name, path, descriptor))
                os.fchmod(descriptor, 0o444)
            sync_folder(folder)
        except OSError:
            for blank in made:
                drop(blank)
            raise
        return made


def drop(blank: Blank) -> None:
    """Close a blank and remove its file."""
    os.close(blank.descriptor)
    blank.path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put the names in ``folder`` on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
