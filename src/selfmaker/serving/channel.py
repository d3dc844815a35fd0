"""The router's end of the line to one worker.

``Channel`` is all that a variant needs of a worker. ``SocketChannel`` speaks the framed protocol of
``worker.transport``; a container's own HTTP server (GET /ping, POST /invocations on port 8080) will be another.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from selfmaker.errors import SelfmakerError
from selfmaker.serving.worker import transport
from selfmaker.serving.worker.transport import Message


class Unanswered(SelfmakerError):
    """The model gave no answer: its worker died or took too long. ``status`` as AWS reports it (0: none came)."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class WorkerFailed(SelfmakerError):
    """A worker could not be started, or its model could not be loaded; the message is the reason."""


class LineCut(WorkerFailed):
    """The worker ended without a word."""


class Ticket:
    """One request on its way. ``deadline`` in the event loop's time."""

    __slots__ = ("answer", "deadline", "request")

    def __init__(self, request: Message, answer: "asyncio.Future[Message]", deadline: float) -> None:
        self.request = request
        self.answer = answer
        self.deadline = deadline


class Channel(Protocol):
    """A worker that is ready. Used on the event loop only. ``outstanding`` tickets are in the order in which they were
    sent and are answered; ``freed`` is called after each answer, ``lost`` once when the line is cut."""

    outstanding: "deque[Ticket]"
    freed: Callable[["Channel"], None]
    lost: Callable[["Channel"], None]

    def send(self, ticket: Ticket) -> None:
        """Hand the request over; its answer comes in the ticket's future."""

    def close(self) -> None:
        """Cut the line; the worker ends. What is outstanding stays unanswered; ``lost`` is called."""


class SocketChannel(asyncio.Protocol):
    """A Channel over a Unix socket. ``ready`` ends when the model is loaded, with WorkerFailed when it cannot be."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.outstanding: deque[Ticket] = deque()
        self.freed: Callable[[Channel], None] = _nothing
        self.lost: Callable[[Channel], None] = _nothing
        self.ready: asyncio.Future[None] = loop.create_future()
        self._decoder = transport.Decoder()
        self._transport: asyncio.Transport | None = None
        self._cut = asyncio.Event()
        self._cut.set()

    def send(self, ticket: Ticket) -> None:
        self.outstanding.append(ticket)
        if self._transport is not None:
            self._transport.write(transport.message_frame(transport.REQUEST, 0, ticket.request))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def closed(self) -> None:
        """Cut the line and wait until it is cut."""
        self.close()
        await self._cut.wait()

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, made)  # uvloop's own class, which is registered nowhere
        self._cut.clear()

    def data_received(self, data: bytes) -> None:
        answered = False
        for kind, _, payload in self._decoder.feed(data):
            if kind == transport.RESPONSE and self.outstanding:
                ticket = self.outstanding.popleft()
                answered = True
                if not ticket.answer.done():
                    ticket.answer.set_result(transport.parse_message(payload))
            elif not self.ready.done():
                if kind == transport.READY:
                    self.ready.set_result(None)
                elif kind == transport.FAILED:
                    self.ready.set_exception(WorkerFailed(payload.decode("utf-8", "replace")))
        if answered:
            self.freed(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if not self.ready.done():
            self.ready.set_exception(LineCut("the worker ended before its model was loaded"))
        self.lost(self)
        self._cut.set()


def _nothing(_: Channel) -> None:
    return
