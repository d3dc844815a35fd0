"""One HTTP/1.1 connection: httptools parses, requests are answered one at a time and in order.

Bodies up to ``Limits.buffered_body`` are whole when the handler sees them; larger ones stream, with back-pressure.
When a handler answers without having read a streaming body, the answer says ``Connection: close`` and what still
comes is read and dropped for a while, so that the client gets to read the answer instead of a reset.
"""

import asyncio
import logging
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, cast

import httptools

from selfmaker.aws.body import BytesBody, ClientDisconnectedError, StreamBody
from selfmaker.aws.http import Handler, HttpRequest, HttpResponse, Limits, Quick
from selfmaker.aws.sending import END, LAST_END, Sender

log = logging.getLogger(__name__)

_NAMES: dict[bytes, str] = {}
_EMPTY = BytesBody(b"")


def _name(raw: bytes) -> str:
    known = _NAMES.get(raw)
    if known is None:
        known = raw.decode("latin-1").lower()
        if len(_NAMES) < 1024:
            _NAMES[raw] = known
    return known


@dataclass
class Shared:
    """What the connections of one server have in common."""

    handler: Handler
    limits: Limits
    executor: Executor  # sends files to slow readers
    quick: Quick | None = None
    connections: "set[Connection]" = field(default_factory=set)
    closing: bool = False


class Connection(asyncio.Protocol):
    """Everything here runs on the event loop."""

    def __init__(self, shared: Shared, scheme: str) -> None:
        self._shared = shared
        self._quick = shared.quick
        self._scheme = scheme
        self._loop = asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._sender: Sender
        self._waiting: list[HttpRequest] = []
        self._active: HttpRequest | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pauses: set[str] = set()
        self._touched = self._loop.time()
        self._closing = False  # the present answer is the last one
        self._lingering = False  # the last answer is out; what comes is dropped
        self._deaf = False  # nothing more is parsed
        self._incoming = 0  # bytes that came since the last header ended: the most that the next can have
        self._reset_message()

    def _reset_message(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._in_headers = False
        self._in_body = False
        self._continue_owed = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._request: HttpRequest | None = None
        self._stream: StreamBody | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._sender = Sender(self._transport, self._shared.executor, tls=self._scheme == "https")
        self._shared.connections.add(self)
        if self._shared.closing:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.connections.discard(self)
        self._deaf = True
        self._waiting.clear()
        self._sender.lost()
        self._break_body()

    def pause_writing(self) -> None:
        self._sender.pause()

    def resume_writing(self) -> None:
        self._touched = self._loop.time()
        self._sender.resume()

    def eof_received(self) -> bool:
        """Half-closed: requests that came whole are still answered."""
        self._break_body()
        self._deaf = True
        self._closing = self._closing or not self._waiting
        return self._active is not None

    def data_received(self, data: bytes) -> None:
        self._touched = self._loop.time()
        if self._deaf:
            return
        self._incoming += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # the request itself is answered; we speak nothing to upgrade to
            self._last_answer_follows()
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, _TooLargeError):
                log.error("reading a request failed", exc_info=error)
            self._refuse_message(431 if isinstance(error.__context__, _TooLargeError) else 500)
        except httptools.HttpParserError:
            self._refuse_message(400)
        else:
            if not self._in_headers:
                self._incoming = 0
            elif self._incoming > self._shared.limits.header_bytes:
                self._refuse_message(431)

    # --- httptools callbacks

    def on_message_begin(self) -> None:
        self._reset_message()
        self._in_headers = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = _name(name)
        text = value.decode("latin-1")
        before = self._headers.get(key)
        self._headers[key] = text if before is None else f"{before},{text}"

    def _check_header_size(self) -> None:
        size = len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers.items())
        if size > self._shared.limits.header_bytes:
            raise _TooLargeError

    def on_headers_complete(self) -> None:
        self._in_headers = False
        if self._incoming > self._shared.limits.header_bytes:
            self._check_header_size()
        self._in_body = True
        parser, headers = self._parser, self._headers
        request = HttpRequest(
            parser.get_method().decode("latin-1"), self._url.decode("latin-1"), headers, _EMPTY, self._scheme
        )
        request.keep_alive = parser.should_keep_alive()
        self._request = request
        chunked = "transfer-encoding" in headers
        length = None if chunked else int(headers.get("content-length") or 0)
        if headers.get("expect", "").lower() == "100-continue" and length != 0:
            self._continue(request)
        if self._request is not None and length is not None and length > self._shared.limits.buffered_body:
            self._begin_stream(length)

    def _continue(self, request: HttpRequest) -> None:
        refusal = self._shared.handler.admit(request)
        if refusal is None:
            self._continue_owed = True
            if self._active is None:
                self._send_continue()
            return
        request.keep_alive = False
        request.refusal = refusal
        self._begin_stream(None)

    def _send_continue(self) -> None:
        if self._continue_owed:
            self._continue_owed = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.feed(data)
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self._shared.limits.buffered_body:
            self._begin_stream(None)

    def on_message_complete(self) -> None:
        self._in_body = False
        request, stream = self._request, self._stream
        self._request = None
        if stream is not None:
            stream.finish()
            if self._lingering:
                self._transport.close()
        elif request is not None:
            if self._size:
                request.body = BytesBody(self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces))
            self._enqueue(request)

    def _begin_stream(self, length: int | None) -> None:
        assert self._request is not None
        stream = StreamBody(length, lambda: self._hold("body"), lambda: self._release("body"))
        for piece in self._pieces:
            stream.feed(piece)
        self._pieces = []
        self._stream = stream
        self._request.body = stream
        self._enqueue(self._request)

    # --- requests in order

    def _enqueue(self, request: HttpRequest) -> None:
        if self._deaf or self._closing:
            return
        if self._active is not None:
            self._waiting.append(request)
            self._hold("queue")
        else:
            self._start(request)

    def _start(self, request: HttpRequest) -> None:
        self._active = request
        fresh = request.refusal is None and request.state is None
        if fresh and self._quick is not None and self._quick(request, self._tell):
            return
        task = self._loop.create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: HttpRequest) -> None:
        response = request.refusal
        if response is None:
            try:
                response = await self._shared.handler.handle(request)
            except Exception:  # the outermost loop of a connection: a defect must not take the others down
                log.exception("the handler failed on %s %s", request.method, request.target)
                response = HttpResponse(500)
        try:
            await self._deliver(request, response)
        except Exception:  # the answer is half out: the client can only be told by a broken connection
            log.exception("sending the answer to %s %s failed", request.method, request.target)
            self.abort()

    def _tell(self, head: bytes, body: bytes) -> None:
        """The answer to the active request, whole."""
        request = self._active
        assert request is not None
        last = self._closing or self._shared.closing or not request.keep_alive
        self._touched = self._loop.time()
        if not self._transport.is_closing():
            self._transport.write(b"%b%b%b" % (head, LAST_END if last else END, body))
        if self._sender.stalled_since is None:
            self._active = None
            self._go_on(last)
        else:
            task = self._loop.create_task(self._when_written(last))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _when_written(self, last: bool) -> None:
        await self._sender.written()
        self._active = None
        self._go_on(last)

    def _go_on(self, last: bool) -> None:
        """After an answer whose request was read whole."""
        if last:
            self._transport.close()
        elif self._waiting:
            self._start(self._waiting.pop(0))
            if not self._waiting:
                self._release("queue")
        elif self._deaf:
            self._transport.close()
        elif self._continue_owed:
            self._send_continue()

    async def _deliver(self, request: HttpRequest, response: HttpResponse) -> None:
        body = request.body
        unread = isinstance(body, StreamBody) and not body.complete
        last = unread or self._closing or self._shared.closing or not request.keep_alive
        whole = await self._sender.send(response, head=request.method == "HEAD", close=last)
        self._touched = self._loop.time()
        self._active = None
        if not whole:
            self.abort()
        elif isinstance(body, StreamBody) and unread:
            self._linger(body)
        else:
            self._go_on(last)

    def _linger(self, body: StreamBody) -> None:
        if body.complete or self._deaf:
            self._transport.close()
            return
        self._lingering = True
        body.discard()
        self._release("queue")
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _last_answer_follows(self) -> None:
        if self._active is None:
            self._transport.close()
        elif not self._waiting:
            self._closing = True

    def _refuse_message(self, status: int) -> None:
        """What came is not HTTP: say so if that cannot be mistaken for the answer to an earlier request."""
        self._deaf = True
        self._break_body()
        if self._active is not None:
            self._last_answer_follows()
            return
        self._sender.send_now(HttpResponse(status), close=True)
        self._transport.close()

    def _break_body(self) -> None:
        if self._stream is not None:
            self._stream.fail(ClientDisconnectedError("the client left before its body was complete"))

    # --- reading pauses while anybody wants it to

    def _hold(self, reason: str) -> None:
        if not self._pauses and not self._transport.is_closing():
            self._transport.pause_reading()
        self._pauses.add(reason)

    def _release(self, reason: str) -> None:
        if reason in self._pauses:
            self._pauses.discard(reason)
            self._touched = self._loop.time()
            if not self._pauses and not self._transport.is_closing():
                self._transport.resume_reading()

    # --- the server's side

    def close_when_idle(self) -> None:
        """No further requests; closes at once when none is being answered. What has not come whole is not begun."""
        if self._active is None:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def check(self, now: float) -> None:
        """Close a connection on which nothing has moved for too long. Called now and then."""
        quiet = now - self._touched
        limits = self._shared.limits
        receiving = (self._in_headers or self._in_body) and not self._pauses
        if self._lingering:
            if quiet > limits.linger:
                self.abort()
        elif receiving:
            if quiet > limits.stalled:
                self._refuse_message(408)
        elif self._active is None:
            if quiet > limits.idle:
                self._transport.close()
        elif self._sender.stalled_since is not None and now - self._sender.stalled_since > limits.stalled * 2:
            self.abort()


class _TooLargeError(Exception):
    pass
