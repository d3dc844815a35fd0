"""The router's end of the line to one worker.

``Channel`` is all that a variant needs of a worker. ``SocketChannel`` speaks the framed protocol of
``worker.transport``; a container's own HTTP server (GET /ping, POST /invocations on port 8080) will be another.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from selfmaker.errors import SelfmakerError
from selfmaker.serving.stream import Collected, Stream
from selfmaker.serving.worker import transport
from selfmaker.serving.worker.transport import Message

DEPTH = 4  # requests at a worker: the one that it is at, and enough that it need not wait for the next
BATCH = 32  # at a worker that predicts as one what has come together
PRIMARY = "primary"  # what AWS calls a model's container in its messages when it is the only one
_LONGEST_STREAM = 480.0  # seconds from the first piece of a streamed answer to its end: AWS's limit


class Unanswered(SelfmakerError):
    """The model gave no answer: its worker died or took too long; or one of several containers answered with an error.
    ``status`` as AWS reports it (0: none came); ``container`` is the one that failed."""

    def __init__(self, message: str, status: int = 0, container: str = PRIMARY) -> None:
        super().__init__(message)
        self.status = status
        self.container = container


class WorkerFailed(SelfmakerError):
    """A worker could not be started, or its model could not be loaded; the message is the reason."""


class LineCut(WorkerFailed):
    """The worker ended without a word."""


class Answer(Protocol):
    """Who waits for an answer: a future, or something that acts at once. Exactly one of the setters is called."""

    def done(self) -> bool:
        """Whether the answer has come, or nobody waits for it any more."""

    def cancelled(self) -> bool:
        """Whether nobody waits for it any more."""

    def set_result(self, answer: Message, /) -> None:
        """The answer, whatever its status."""

    def set_exception(self, problem: BaseException, /) -> None:
        """There will be none."""


class Ticket:
    """One request on its way. ``deadline`` in the event loop's time; ``stream`` takes the pieces of the answer."""

    __slots__ = ("answer", "deadline", "request", "stream")

    def __init__(self, request: Message, answer: Answer, deadline: float, stream: Stream | None = None) -> None:
        self.request = request
        self.answer = answer
        self.deadline = deadline
        self.stream: Stream | Collected | None = stream


class Channel(Protocol):
    """A worker that is ready. Used on the event loop only. ``outstanding`` tickets are in the order in which they were
    sent and are answered, ``depth`` is how many there should be at most; ``connected`` tells that the line is not cut;
    ``freed`` is called after each answer, ``lost`` once when the line is cut."""

    connected: bool
    depth: int
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
        self.connected = False
        self.depth = DEPTH
        self.outstanding: deque[Ticket] = deque()
        self.freed: Callable[[Channel], None] = _nothing
        self.lost: Callable[[Channel], None] = _nothing
        self.ready: asyncio.Future[None] = loop.create_future()
        self.ready.add_done_callback(_looked_at)  # whoever would have waited for it may have given up
        self._decoder = transport.Decoder()
        self._transport: asyncio.Transport | None = None
        self._loop = loop
        self._serial = 0
        self._outbox: list[bytes] = []
        self._cut = asyncio.Event()
        self._cut.set()

    async def attach(self, accepted: socket.socket) -> None:
        """Speak over ``accepted``, which the event loop owns from now on. Whoever is cancelled here finds the line up,
        to be closed: uvloop would drop it without ``connection_lost``, for which ``closed`` waits."""
        attaching = asyncio.ensure_future(self._loop.connect_accepted_socket(lambda: self, accepted))
        try:
            await asyncio.shield(attaching)
        except asyncio.CancelledError:
            await asyncio.wait([attaching])
            raise

    def send(self, ticket: Ticket) -> None:
        self.outstanding.append(ticket)
        self._serial = (self._serial + 1) & 0xFFFFFFFF
        self._write(transport.message_frame(transport.REQUEST, self._serial, ticket.request))

    def start(self, told: bytes) -> None:
        """Tell a spare worker what it is to serve."""
        self._write(transport.frame(transport.START, 0, told))

    def _write(self, frame: bytes) -> None:
        """Send it with all that is sent in this tick of the loop: the worker is woken once, and has them together."""
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(frame)

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, []
        if self._transport is not None:
            self._transport.write(b"".join(outbox))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def closed(self) -> None:
        """Cut the line and wait until it is cut."""
        self.close()
        await self._cut.wait()

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, made)  # uvloop's own class, which is registered nowhere
        self.connected = True
        self._cut.clear()

    def data_received(self, data: bytes) -> None:
        answered = False
        for kind, number, payload in self._decoder.feed(data):
            if kind == transport.RESPONSE and self.outstanding:
                ticket = self.outstanding.popleft()
                answered = True
                if not ticket.answer.done():
                    answer = transport.parse_message(payload)
                    ticket.answer.set_result(
                        ticket.stream.whole(answer) if isinstance(ticket.stream, Collected) else answer
                    )
            elif kind in (transport.BEGIN, transport.PART) and self.outstanding:
                self._piece(kind, number, payload)
            elif not self.ready.done():
                if kind == transport.READY:
                    self.depth = BATCH if payload.endswith(transport.BATCHES) else DEPTH
                    self.ready.set_result(None)
                elif kind == transport.FAILED:
                    self.ready.set_exception(WorkerFailed(payload.decode("utf-8", "replace")))
        if answered:
            self.freed(self)

    def _piece(self, kind: int, number: int, payload: bytes) -> None:
        """A part of a streamed answer to the request that is at the front."""
        ticket = self.outstanding[0]
        if kind == transport.BEGIN:
            if ticket.stream is None or ticket.answer.done():
                ticket.stream = Collected()
            ticket.deadline = self._loop.time() + _LONGEST_STREAM
            ticket.stream.begin(transport.parse_message(payload), self._hold, lambda: self._cancel(number))
        elif ticket.stream is not None and not ticket.answer.cancelled():
            ticket.stream.part(payload)

    def _hold(self, held: bool) -> None:
        if self._transport is not None and not self._transport.is_closing():
            if held:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _cancel(self, number: int) -> None:
        self._write(transport.frame(transport.CANCEL, number, b""))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.connected = False
        if not self.ready.done():
            self.ready.set_exception(LineCut("the worker ended before its model was loaded"))
        self.lost(self)
        self._cut.set()


def _looked_at(ready: "asyncio.Future[None]") -> None:
    if not ready.cancelled():
        ready.exception()


def _nothing(_: Channel) -> None:
    return
