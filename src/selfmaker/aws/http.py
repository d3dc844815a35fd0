"""HTTP as the edge sees it, and the server that listens.

The protocol itself is in ``connection``. A handler is asked twice at most: ``admit`` on the headers alone, only when
the client waits for a 100 before it sends its body, and ``handle`` for the answer.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from selfmaker.aws.body import Body
from selfmaker.aws.operation import FileRange

if TYPE_CHECKING:
    from selfmaker.aws.connection import Connection


@dataclass(frozen=True)
class OpenFile:
    """``length`` bytes from ``offset`` of a file that is open already; whoever sends it closes the descriptor."""

    descriptor: int
    offset: int
    length: int


Content = bytes | OpenFile | Iterator[bytes] | AsyncIterator[bytes]

_GOODBYE = 1.0  # seconds that a TLS client has to say that it closes too
_SMALL_FILE = 64 << 10


def opened(file: FileRange) -> bytes | OpenFile:
    """Open ``file``, so that it may be unlinked meanwhile; what is small is read at once. Blocks; raises OSError."""
    descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    if file.length > _SMALL_FILE:
        return OpenFile(descriptor, file.offset, file.length)
    try:
        data = os.pread(descriptor, file.length, file.offset)
        if len(data) != file.length:
            raise OSError(f"{file.path} is shorter than it should be")
        return data
    finally:
        os.close(descriptor)


class HttpRequest:
    """One request. ``target`` is what stood in the request line; ``path`` and ``query`` are its raw parts, still
    percent-encoded. ``headers`` have lower-case names and latin-1 text; repeated ones are joined by ``,``."""

    __slots__ = (
        "body",
        "headers",
        "keep_alive",
        "method",
        "path",
        "query",
        "refusal",
        "resource",
        "scheme",
        "state",
        "target",
    )

    def __init__(self, method: str, target: str, headers: dict[str, str], body: Body, scheme: str = "http") -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.scheme = scheme
        self.keep_alive = True
        path, _, self.query = target.partition("?")
        if not path.startswith("/") and "://" in path:  # absolute form, as proxies are sent it
            path = "/" + path.partition("://")[2].partition("/")[2]
        self.path = path
        self.resource = path  # S3: the path with the bucket in front where the Host header names it
        self.state: Any = None  # what the handler learnt in ``admit`` and wants to find again in ``handle``
        self.refusal: HttpResponse | None = None


@dataclass
class HttpResponse:
    """An answer. Content-Length is added where the length is known; a HEAD's body is never sent, whatever is here."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Content = b""


Tell = Callable[[bytes, bytes], None]
"""Takes an answer: its head, each line with its end but without the empty line after them, and its body."""

Quick = Callable[[HttpRequest, Tell], bool]
"""May take a request before the handler is asked, and then calls ``tell`` once, now or later, on the event loop."""


class Handler(Protocol):
    """What answers requests. Both are called on the event loop."""

    def admit(self, request: HttpRequest) -> HttpResponse | None:
        """The refusal of a request whose body has not been sent yet, or None to have it sent."""

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """The answer. Must not raise; what it raises becomes an empty 500."""


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    header_bytes: int = 64 << 10
    buffered_body: int = 1 << 20
    idle: float = 120
    stalled: float = 60
    linger: float = 20
    grace: float = 30


class HttpServer:
    """Listens on one address. All methods belong to the event loop that started it."""

    def __init__(self, handler: Handler, executor: Executor | None = None, limits: Limits | None = None) -> None:
        self.handler = handler
        self.quick: Quick | None = None
        self.limits = limits or Limits()
        self.executor = executor or ThreadPoolExecutor(16, "selfmaker-send")
        self.connections: set[Connection] = set()
        self.closing = False
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen; returns the port, chosen by the system when ``port`` is 0."""
        from selfmaker.aws.connection import Connection

        loop = asyncio.get_running_loop()
        scheme = "https" if tls else "http"
        more: dict[str, Any] = {"ssl": tls, "ssl_shutdown_timeout": _GOODBYE} if tls else {}
        self._server = await loop.create_server(
            lambda: Connection(self, scheme), host, port, backlog=1024, reuse_address=True, **more
        )
        self._sweeper = loop.create_task(self._sweep())
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def stop(self) -> None:
        """Take no more connections, let requests in flight end (up to the grace period), close everything."""
        self.closing = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close_when_idle()
        deadline = asyncio.get_running_loop().time() + self.limits.grace
        while self.connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.executor.shutdown(wait=False, cancel_futures=True)
        await asyncio.sleep(0)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(self.limits.idle, self.limits.stalled, self.limits.linger) / 4)
            now = loop.time()
            for connection in list(self.connections):
                connection.check(now)
