"""An S3 that does nothing: it throws away what it is sent and answers zeros.

What a client reaches against it is the client's own limit, whatever stands behind it. Prints its port and serves until
it is killed.
"""

import asyncio
import re
from typing import ClassVar

import uvloop

PIECE = memoryview(bytes(1 << 20))
ETAG = b'ETag: "d41d8cd98f00b204e9800998ecf8427e"\r\n'
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RANGE = re.compile(rb"\r\nrange: *bytes=(\d+)-(\d+)", re.IGNORECASE)
STARTED = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
COMPLETED = b"<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>"


class Nothing(asyncio.Protocol):
    """One connection. ``sizes``: of what was put, by path."""

    sizes: ClassVar[dict[bytes, int]] = {}

    def __init__(self) -> None:
        self.head = b""
        self.left = 0  # bytes of a body that are still to come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self.left:
            self.left -= len(data)
            if self.left <= 0:
                self.answer()
            return
        self.head += data
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            return
        if b"100-continue" in self.head[:end]:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.left = body_of(self.head[:end]) - (len(self.head) - end - 4)
        if self.left <= 0:
            self.answer()

    def answer(self) -> None:
        head, self.head, self.left = self.head, b"", 0
        method, path, _ = head.split(b" ", 2)
        name, _, query = path.partition(b"?")
        if method == b"POST":
            body = COMPLETED
            if query.startswith(b"uploads"):
                self.sizes[name], body = 0, STARTED
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            return
        if method == b"PUT":
            self.sizes[name] = body_of(head) + (self.sizes[name] if b"partNumber" in query else 0)
            self.transport.write(b"HTTP/1.1 200 OK\r\n" + ETAG + b"Content-Length: 0\r\n\r\n")
            return
        length = size = self.sizes.get(name, 0)
        wanted, status, extent = RANGE.search(head), b"200 OK", b""
        if wanted:
            first, last = int(wanted[1]), min(int(wanted[2]), size - 1)
            status, length = b"206 Partial Content", last - first + 1
            extent = b"Content-Range: bytes %d-%d/%d\r\n" % (first, last, size)
        self.transport.write(b"HTTP/1.1 %s\r\n%s%sContent-Length: %d\r\n\r\n" % (status, ETAG, extent, length))
        if method == b"GET":
            for start in range(0, length, len(PIECE)):
                self.transport.write(PIECE[: length - start])


def body_of(head: bytes) -> int:
    length = LENGTH.search(head)
    return int(length[1]) if length else 0


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Nothing, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
