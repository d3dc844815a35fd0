"""HTTP as the edge sees it: requests, answers and what a handler of them is.

The protocol itself is in ``connection``, what listens in ``server``. A handler is asked twice at most: ``admit`` on
the headers alone, only when the client waits for a 100 before it sends its body, and ``handle`` for the answer.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from selfmaker.aws.body import Body
from selfmaker.aws.operation import FileRange


@dataclass(frozen=True)
class OpenFile:
    """``length`` bytes from ``offset`` of a file that is open already; whoever sends it closes the descriptor."""

    descriptor: int
    offset: int
    length: int


Content = bytes | OpenFile | Iterator[bytes] | AsyncIterator[bytes]

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
