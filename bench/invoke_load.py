"""A light HTTP/1.1 load: so many connections, each sending the same request again as soon as it has the answer.

It does as little as can be done, and the same for both sides: answers are checked by their status.
"""

import asyncio
import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

import uvloop


@dataclass(frozen=True)
class Load:
    """What to send where. ``request`` is the whole request as bytes."""

    port: int
    request: bytes
    connections: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """``latencies`` in seconds, sorted; ``failed`` counts answers other than 200."""

    seconds: float
    latencies: list[float]
    failed: int


def run(load: Load) -> Outcome:
    """Run the load in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_main, args=(load, theirs))
    process.start()
    outcome: Outcome = ours.recv()
    process.join()
    return outcome


def _main(load: Load, told: Connection) -> None:
    told.send(uvloop.run(_load(load)))


async def _load(load: Load) -> Outcome:
    latencies: list[float] = []
    failures: list[bytes] = []
    started = time.perf_counter()
    end = started + load.seconds
    loop = asyncio.get_running_loop()
    clients = [Client(load, end, latencies, failures) for _ in range(load.connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", load.port)
    await asyncio.gather(*(client.done for client in clients))
    if failures:
        print("failed:", failures[0][:500])
    return Outcome(time.perf_counter() - started, sorted(latencies), len(failures))


class Client(asyncio.Protocol):
    """One connection; made anew when the server closes it after an answer."""

    def __init__(self, load: Load, end: float, latencies: list[float], failures: list[bytes]) -> None:
        self.load, self.end, self.latencies, self.failures = load, end, latencies, failures
        self.loop = asyncio.get_running_loop()
        self.done = self.loop.create_future()
        self.buffer = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.send()

    def send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        now = time.perf_counter()
        self.latencies.append(now - self.sent)
        if not head.startswith(b"HTTP/1.1 200"):
            self.failures.append(self.buffer)
        self.buffer = b""
        if now >= self.end:
            self.transport.close()
            self.finish()
        elif b"connection: close" not in head.lower():
            self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if time.perf_counter() >= self.end:
            self.finish()
        else:
            self.loop.create_task(self.loop.create_connection(lambda: self, "127.0.0.1", self.load.port))

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
