"""How supervisors wake the server: a FIFO that takes job ids, one a line.

A FIFO has no limit on its path's length and needs no listener: with no server, a write fails and nothing is lost,
for the news itself is in the job's folder.
"""

import os
from pathlib import Path


class Notices:
    """The reading side. ``wake`` may be called from any thread."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            os.mkfifo(path, 0o600)
        self._descriptor = os.open(path, os.O_RDWR)  # for writing too, so that it never sees an end of file
        self._rest = b""

    def read(self) -> list[str]:
        """Wait for news; the job ids that have some, each once."""
        lines = (self._rest + os.read(self._descriptor, 65536)).split(b"\n")
        self._rest = lines.pop()
        return list(dict.fromkeys(line.decode() for line in lines if line))

    def wake(self) -> None:
        os.write(self._descriptor, b"\n")

    def close(self) -> None:
        os.close(self._descriptor)
