"""Waiting to be told to end. A ``threading.Event`` will not do: a handler that sets it may run in the midst of its own
``wait``, which holds the lock that ``set`` then waits for."""

import contextlib
import os
import select
import signal


class EndSignals:
    """SIGTERM and SIGINT, from now on, for the main thread of a process to wait for. Stays as long as the process."""

    def __init__(self) -> None:
        self._told, self._tell = os.pipe()
        os.set_blocking(self._tell, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._note())

    def wait(self, timeout: float | None = None) -> bool:
        """Whether one has come, now or ever before; False once ``timeout`` seconds have passed without."""
        return bool(select.select([self._told], [], [], timeout)[0])

    def _note(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it was told often enough
            os.write(self._tell, b".")
