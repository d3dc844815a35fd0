"""Request bodies as an operation reads them: blocking, from its own worker thread.

A body whose bytes turn out to be damaged (a wrong hash, a broken chunk, a client that left) raises before it hands
over its last bytes, so that an operation that stores what it reads can never take a damaged body for a whole one.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from hashlib import sha256

from selfmaker.aws.errors import AwsError

_HIGH_WATER = 2 << 20
_LOW_WATER = 512 << 10


class ClientDisconnectedError(ConnectionError):
    """The client left before its body was complete; nobody is there to read an answer."""


class Body:
    """``length`` is the number of bytes that ``read`` will give in all, None where the client didn't say.
    ``trailers`` (lower-case names) are complete once ``read`` has given the last byte. Used by one thread at a time."""

    def __init__(self, length: int | None) -> None:
        self.length = length
        self.trailers: dict[str, str] = {}

    def read(self, n: int = -1) -> bytes:
        """The next ``n`` bytes (all that remain when negative): fewer only at the end, b"" after it."""
        raise NotImplementedError


class BytesBody(Body):
    """A body that is in memory already."""

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data))
        self.data = data
        self._position = 0

    def read(self, n: int = -1) -> bytes:
        start = self._position
        if start == 0 and (n < 0 or n >= len(self.data)):
            self._position = len(self.data)
            return self.data
        end = len(self.data) if n < 0 else min(start + n, len(self.data))
        self._position = end
        return self.data[start:end]


class StreamBody(Body):
    """A body that is still coming in. ``feed``, ``finish`` and ``fail`` are the event loop's side; ``pause`` and
    ``resume`` are called on the loop when the reader falls behind and catches up."""

    def __init__(self, length: int | None, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        super().__init__(length)
        self.complete = False
        self._loop = asyncio.get_running_loop()
        self._pause, self._resume = pause, resume
        self._ready = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._wanted: float = 0
        self._paused = False
        self._discarding = False
        self._error: BaseException | None = None

    def feed(self, data: bytes) -> None:
        with self._ready:
            if self._discarding:
                return
            self._chunks.append(data)
            self._size += len(data)
            if self._wanted and self._size >= self._wanted:
                self._ready.notify()
            pause = self._size > max(_HIGH_WATER, self._wanted) and not self._paused
            self._paused = self._paused or pause
        if pause:
            self._pause()

    def finish(self) -> None:
        """All of it has come."""
        with self._ready:
            self.complete = True
            self._ready.notify()

    def fail(self, error: BaseException) -> None:
        """No more will come; the reader gets ``error``."""
        with self._ready:
            if not self.complete:
                self._error = error
                self._ready.notify()

    def discard(self) -> None:
        """Nobody will read the rest: drop what is here and what comes. On the loop."""
        with self._ready:
            self._discarding = True
            self._chunks.clear()
            self._size = 0
            paused, self._paused = self._paused, False
        if paused:
            self._resume()

    def read(self, n: int = -1) -> bytes:
        if n == 0:
            return b""
        with self._ready:
            self._wanted = float("inf") if n < 0 else n
            while self._size < self._wanted and not self.complete and self._error is None:
                if self._paused:
                    self._wake_client()
                self._ready.wait()
            self._wanted = 0
            if self._error is not None:
                raise self._error
            data = self._take(self._size if n < 0 else min(n, self._size))
            if self._paused and self._size <= _LOW_WATER:
                self._wake_client()
        return data

    def _wake_client(self) -> None:
        self._paused = False
        self._loop.call_soon_threadsafe(self._resume)

    def _take(self, n: int) -> bytes:
        if self._chunks and len(self._chunks[0]) == n:
            self._size -= n
            return self._chunks.popleft()
        pieces: list[bytes] = []
        left = n
        while left:
            chunk = self._chunks.popleft()
            if len(chunk) > left:
                self._chunks.appendleft(chunk[left:])
                chunk = chunk[:left]
            pieces.append(chunk)
            left -= len(chunk)
        self._size -= n
        return b"".join(pieces)


class HashedBody(Body):
    """A body that must have the SHA-256 that its signature covers; ``mismatch`` makes the error from the real hash."""

    def __init__(self, source: Body, expected: str, mismatch: Callable[[str], AwsError]) -> None:
        super().__init__(source.length)
        self._source = source
        self._expected = expected
        self._mismatch = mismatch
        self._hash = sha256()
        self._held = b""
        self._seen = 0
        self._ended = False

    def read(self, n: int = -1) -> bytes:
        if n == 0 or self._ended:
            return b""
        data = self._source.read(n)
        self._hash.update(data)
        self._seen += len(data)
        if n < 0 or len(data) < n or self._seen == self.length:
            self._ended = True
            found = self._hash.hexdigest()
            if found != self._expected:
                raise self._mismatch(found)
        return data
