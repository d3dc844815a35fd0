"""The server that listens."""

import asyncio
import ssl
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from selfmaker.aws.connection import Connection, Shared
from selfmaker.aws.http import Handler, Limits, Quick

_GOODBYE = 1.0  # seconds that a TLS client has to say that it closes too


class HttpServer:
    """Listens on one address. All methods belong to the event loop that started it."""

    def __init__(self, handler: Handler, executor: Executor | None = None, limits: Limits | None = None) -> None:
        self._shared = Shared(handler, limits or Limits(), executor or ThreadPoolExecutor(16, "selfmaker-send"))
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    def take_quickly(self, quick: Quick) -> None:
        """Offer requests of connections to come to ``quick`` first."""
        self._shared.quick = quick

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen; returns the port, chosen by the system when ``port`` is 0."""
        loop = asyncio.get_running_loop()
        scheme = "https" if tls else "http"
        more: dict[str, Any] = {"ssl": tls, "ssl_shutdown_timeout": _GOODBYE} if tls else {}
        self._server = await loop.create_server(
            lambda: Connection(self._shared, scheme), host, port, backlog=1024, reuse_address=True, **more
        )
        self._sweeper = loop.create_task(self._sweep())
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def stop(self) -> None:
        """Take no more connections, let requests in flight end (up to the grace period), close everything."""
        self._shared.closing = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._shared.connections):
            connection.close_when_idle()
        deadline = asyncio.get_running_loop().time() + self._shared.limits.grace
        while self._shared.connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self._shared.connections):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._shared.executor.shutdown(wait=False, cancel_futures=True)
        await asyncio.sleep(0)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(
                min(self._shared.limits.idle, self._shared.limits.stalled, self._shared.limits.linger) / 4
            )
            now = loop.time()
            for connection in list(self._shared.connections):
                connection.check(now)
