"""A model's answer piece by piece, between the channel that brings it and the client that reads it.

All on the event loop. A client that reads slowly slows the model: past some bytes in hand the channel reads no more, so
the worker's writes wait. A client that has gone ends the model's work at its next piece.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from selfmaker.serving.worker.transport import Message

_ENOUGH, _LOW = 1 << 20, 1 << 18  # bytes in hand at which reading from the worker stops, and goes on


class Stream:
    """``begun`` has the answer without its body as soon as the model sends a first piece; then iterate. An answer that
    is no stream never begins. ``close`` once the whole answer is known, or there will be none."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.begun: asyncio.Future[Message] = loop.create_future()
        self.variant = ""  # that answers, once it is chosen
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._more = asyncio.Event()
        self._closed = False
        self._cancelled = False
        self._hold: Callable[[bool], None] = _nothing
        self._stop: Callable[[], None] = _nothing

    # -- for the channel

    def begin(self, head: Message, hold: Callable[[bool], None], stop: Callable[[], None]) -> None:
        """The model begins to answer. ``hold(True)`` stops reading from it, ``hold(False)`` goes on; ``stop()`` tells
        it that no more is wanted."""
        self._hold, self._stop = hold, stop
        if not self.begun.done():
            self.begun.set_result(head)
        if self._cancelled:
            stop()

    def part(self, data: bytes) -> None:
        if self._cancelled or not data:
            return
        self._parts.append(data)
        before, self._size = self._size, self._size + len(data)
        if before < _ENOUGH <= self._size:
            self._hold(True)
        self._more.set()

    # -- for the reader

    def close(self, _: Any = None) -> None:
        self._closed = True
        self._more.set()

    def cancel(self) -> None:
        """Nobody reads any more."""
        if self._cancelled or self._closed:
            return
        self._cancelled = True
        self._parts.clear()
        self._size = 0
        self._hold(False)
        self._stop()

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        while not self._parts:
            if self._closed:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        data = self._parts.popleft()
        before, self._size = self._size, self._size - len(data)
        if before >= _LOW > self._size:
            self._hold(False)
        return data


class Collected:
    """A streamed answer whose reader wants it in one piece."""

    def __init__(self) -> None:
        self._head: Message | None = None
        self._parts: list[bytes] = []

    def begin(self, head: Message, hold: Callable[[bool], None], stop: Callable[[], None]) -> None:
        self._head = head

    def part(self, data: bytes) -> None:
        self._parts.append(data)

    def whole(self, end: Message) -> Message:
        """The answer, or the error that ended it."""
        if end.status >= 400 or self._head is None:
            return end
        return self._head._replace(body=b"".join(self._parts))


def _nothing(*_: Any) -> None:
    return
