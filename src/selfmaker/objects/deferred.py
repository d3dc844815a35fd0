"""Small objects wait for one flush of the disk, not two.

A flush is most of what a small write costs. So the bytes of a small object are committed to the database together
with its row; its file is written at once but put on disk later, many at a time, whereupon the database lets go of the
bytes. Who opens the store after a crash first writes the files anew that the database still has the bytes of.
"""

import ctypes
import logging
import os
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from selfmaker.objects.files import Files
from selfmaker.objects.protocol import KIB, MIB
from selfmaker.store import objects as rows
from selfmaker.store.database import Database

LARGEST = 32 * KIB
"""Bytes of the largest object that is treated so; beyond, writing them twice costs more than a flush."""

_PAUSE = 5.0  # seconds; syncing disturbs those who write meanwhile, so it is done seldom
_FULL = 16 * MIB  # unless the database holds so much already
_ONE_BY_ONE = 16
_AT_ONCE = 1000
_log = logging.getLogger(__name__)


class Deferred:
    """Puts on disk what the database holds, in the background. Thread safe; several processes may do it for one
    store."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files
        self._wanted = threading.Event()
        self._hurry = threading.Event()
        self._held = 0
        self._closing = threading.Event()
        self._recover()
        self._thread = threading.Thread(target=self._loop, name="selfmaker-object-sync", daemon=True)
        self._thread.start()

    def wake(self, size: int) -> None:
        """The database has been given so many bytes to hold."""
        self._held += size  # a race between two threads may lose one's bytes, which does no harm
        if self._held > _FULL:
            self._hurry.set()
        self._wanted.set()

    def close(self) -> None:
        """Put everything on disk and end. Idempotent."""
        if not self._closing.is_set():
            self._closing.set()
            self._hurry.set()
            self._wanted.set()
            self._thread.join()
            self._settle()

    def _recover(self) -> None:
        held = self._database.read(rows.held)
        for _, name, data in held:
            self._files.restore(name, data)
        self._release([number for number, _, _ in held])

    def _loop(self) -> None:
        while True:
            self._wanted.wait()
            self._hurry.wait(_PAUSE)
            if self._closing.is_set():
                return
            self._wanted.clear()
            self._hurry.clear()
            self._held = 0
            try:
                self._settle()
            except Exception:  # noqa: BLE001 - the outermost loop: the bytes are safe, and the next turn tries again
                _log.exception("objects could not be put on disk; the database goes on holding their bytes")
                self._wanted.set()

    def _settle(self) -> None:
        names = self._database.read(rows.held_names)
        if names:
            _sync([self._files.path(name) for _, name in names], self._files.folder)
            self._release([number for number, _ in names])

    def _release(self, numbers: Sequence[int]) -> None:
        # A thousand at a time: the database's other writers wait for each.
        for start in range(0, len(numbers), _AT_ONCE):
            self._database.write(partial(rows.let_go, last=max(numbers[start : start + _AT_ONCE])))


def _sync(paths: Sequence[Path], folder: Path) -> None:
    """Put the bytes of all these files on disk; those that are gone need none."""
    if len(paths) > _ONE_BY_ONE and _sync_file_system(folder):
        return
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync_file_system(folder: Path) -> bool:
    """Everything at once by syncfs(2); False where there is none."""
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        return False
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return bool(syncfs(descriptor) == 0)
    finally:
        os.close(descriptor)
