"""Space held back for the day when the disk is full: to delete an object, the database must be able to write."""

import contextlib
import errno
import os
import threading
from pathlib import Path

from selfmaker.objects.protocol import MIB

_SIZE = 8 * MIB  # more than SQLite's write-ahead log grows by before it is folded back into the database
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Ballast:
    """A file that takes up room and holds nothing. Thread safe; several processes may share one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._held = False
        self.restore()

    def release(self) -> None:
        """Make room."""
        with self._lock, contextlib.suppress(FileNotFoundError):
            self._held = False
            os.truncate(self._path, 0)

    def restore(self) -> None:
        """Take the room up again, if the disk has it to spare."""
        with self._lock:
            if self._held:
                return
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _allocate(descriptor)
                self._held = True
            except OSError as error:
                if error.errno not in FULL:
                    raise
                os.ftruncate(descriptor, 0)
            finally:
                os.close(descriptor)


def _allocate(descriptor: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, _SIZE)
    elif os.fstat(descriptor).st_size < _SIZE:
        os.pwrite(descriptor, bytes(_SIZE), 0)
