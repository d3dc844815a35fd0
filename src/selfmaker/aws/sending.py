"""Answers on their way out: bytes, files without copying them through the program, and streams of pieces.

A slow reader holds no thread: a file is handed to the kernel from a worker thread as long as the client keeps up, and
waits on the event loop otherwise.
"""

import asyncio
import os
import select
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Executor
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from selfmaker.aws.http import HttpResponse, OpenFile

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_MORE = getattr(socket, "MSG_MORE", 0)
_INLINE_FILE = 64 << 10
_SLICE = 8 << 20
_COPY = 256 << 10
_PATIENCE_MS = 20
_END: bytes | None = None
END, LAST_END = b"\r\n", b"Connection: close\r\n\r\n"  # of a head, on a connection that stays and on one that does not


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return f"\r\nDate: {formatdate(second, usegmt=True)}\r\n"


@lru_cache(maxsize=8)
def _opening(status: int, second: int) -> bytes:
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}{_date(second)}".encode()


def opening(status: int) -> bytes:
    """The first two lines of an answer's head: the status and the date."""
    return _opening(status, int(time.time()))


class Sender:
    """Writes one answer at a time to a connection. On the event loop, except where it says otherwise."""

    def __init__(self, transport: asyncio.Transport, executor: Executor, *, tls: bool) -> None:
        self._transport = transport
        self._executor = executor
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._room: asyncio.Future[None] | None = None
        self._lost = False
        self.stalled_since: float | None = None

    # --- what the connection learns from its transport

    def pause(self) -> None:
        if self._room is None:
            self._room = self._loop.create_future()
            self.stalled_since = self._loop.time()

    def resume(self) -> None:
        self.stalled_since = None
        if self._room is not None:
            self._room.set_result(None)
            self._room = None

    def lost(self) -> None:
        self._lost = True
        self.resume()

    async def written(self) -> None:
        """Until the client has taken enough of what was sent, or is gone."""
        if self._room is not None:
            await self._room

    # --- sending

    def send_now(self, response: HttpResponse, *, close: bool) -> None:
        """An answer whose body is bytes, without waiting for anything."""
        assert isinstance(response.body, bytes)
        self._transport.write(_head(response, len(response.body), close=close) + response.body)

    async def send(self, response: HttpResponse, *, head: bool, close: bool) -> bool:
        """Returns False when the answer could not be sent whole; the connection is of no use then."""
        body = response.body
        if isinstance(body, bytes):
            start = _head(response, len(body), close=close)
            if head or not body or response.status in (204, 304):
                self._transport.write(start)
            elif len(body) < _INLINE_FILE:
                self._transport.write(start + body)
            else:
                self._transport.writelines((start, body))
        elif isinstance(body, OpenFile):
            return await self._send_file(response, body, head=head, close=close)
        else:
            return await self._send_pieces(response, body, head=head, close=close)
        if self._room is not None:
            await self._room
        return not self._lost

    async def _send_file(self, response: HttpResponse, file: OpenFile, *, head: bool, close: bool) -> bool:
        start = _head(response, file.length, close=close)
        try:
            if head or not file.length:
                self._transport.write(start)
                return not self._lost
            if self._tls or not hasattr(os, "sendfile"):
                self._transport.write(start)
                return await self._copy(file.descriptor, file.offset, file.length)
            if not await self._flushed():
                return False
            target = os.dup(self._transport.get_extra_info("socket").fileno())
            try:
                return await self._splice(start, file, target)
            finally:
                os.close(target)
        finally:
            os.close(file.descriptor)

    async def _flushed(self) -> bool:
        """Wait until the transport holds nothing back, so that the socket may be written to past it."""
        while self._transport.get_write_buffer_size() and not self._lost:
            await asyncio.sleep(0.001)
        return not self._lost

    async def _splice(self, start: bytes, file: OpenFile, target: int) -> bool:
        offset, left = file.offset, file.length
        while left and not self._lost:
            start, sent = await self._loop.run_in_executor(
                self._executor, _push, target, start, file.descriptor, (offset, left)
            )
            if sent < 0:
                return False
            offset += sent
            left -= sent
            if left:
                await self._writable(target)
        return not left and not self._lost

    async def _writable(self, target: int) -> None:
        """Until the client takes more, or the connection is lost (which ``lost`` tells through the same future)."""
        self.pause()
        room = self._room
        assert room is not None
        self._loop.add_writer(target, self.resume)
        try:
            await room
        finally:
            self._loop.remove_writer(target)

    async def _copy(self, source: int, offset: int, left: int) -> bool:
        while left and not self._lost:
            data = await self._loop.run_in_executor(self._executor, os.pread, source, min(left, _COPY), offset)
            if not data:
                return False
            self._transport.write(data)
            offset += len(data)
            left -= len(data)
            if self._room is not None:
                await self._room
        return not self._lost

    async def _send_pieces(
        self, response: HttpResponse, body: Iterator[bytes] | AsyncIterator[bytes], *, head: bool, close: bool
    ) -> bool:
        length = _stated_length(response.headers)
        self._transport.write(_head(response, length, close=close))
        try:
            while not self._lost and not head:
                piece = await self._next(body)
                if piece is None:
                    if length is None:
                        self._transport.write(b"0\r\n\r\n")
                    break
                if piece:
                    self._transport.write(piece if length is not None else b"%x\r\n%b\r\n" % (len(piece), piece))
                if self._room is not None:
                    await self._room
        finally:
            await self._finish(body)
        return not self._lost

    async def _finish(self, body: Iterator[bytes] | AsyncIterator[bytes]) -> None:
        """Let a generator that was not read to its end let go of what it holds."""
        if hasattr(body, "aclose"):
            await body.aclose()
        elif hasattr(body, "close"):
            await self._loop.run_in_executor(self._executor, body.close)

    async def _next(self, body: Iterator[bytes] | AsyncIterator[bytes]) -> bytes | None:
        if isinstance(body, AsyncIterator):
            return await anext(body, _END)
        return await self._loop.run_in_executor(self._executor, next, body, _END)


def _push(target: int, start: bytes, source: int, span: tuple[int, int]) -> tuple[bytes, int]:
    """On a worker thread: send the head and then the file until the client falls behind for some milliseconds.

    Returns what is left of the head and how much of the file went out; -1 when the file ends early or the client left.
    """
    offset, left = span
    ready = select.poll()
    ready.register(target, select.POLLOUT)
    sent = 0
    with socket.socket(fileno=os.dup(target)) as sock:
        while sent < left:
            try:
                if start:
                    start = start[sock.send(start, _MORE) :]
                    continue
                count = os.sendfile(target, source, offset + sent, min(left - sent, _SLICE))
            except BlockingIOError:
                if not ready.poll(_PATIENCE_MS):
                    break
                continue
            except OSError:
                return start, -1
            if count == 0:
                return start, -1
            sent += count
    return start, sent


def _one_line(value: str) -> str:
    """A value that cannot end its header, whatever a user's program put into it."""
    return value.replace("\r", " ").replace("\n", " ") if "\r" in value or "\n" in value else value


def _stated_length(headers: Mapping[str, str]) -> int | None:
    for name, value in headers.items():
        if name.lower() == "content-length":
            return int(value)
    return None


def _head(response: HttpResponse, length: int | None, *, close: bool) -> bytes:
    return head_of(response, length) + (LAST_END if close else END)


def head_of(response: HttpResponse, length: int | None) -> bytes:
    """An answer's head without its end; ``length`` of the body, None when that will tell its end itself."""
    status = response.status
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}", _date(int(time.time()))]
    stated = False
    for name, value in response.headers.items():
        lines.append(f"{name}: {_one_line(value)}\r\n")
        stated = stated or name.lower() == "content-length"
    if not stated and status not in (204, 304) and status >= 200:
        lines.append("Transfer-Encoding: chunked\r\n" if length is None else f"Content-Length: {length}\r\n")
    text = "".join(lines)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()
