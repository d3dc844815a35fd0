"""What stands for nginx in images whose ``serve`` starts it in front of gunicorn, as SageMaker's own examples do.

It listens where the configuration says, and hands each connection on to the upstream, as it is: the requests come from
the worker beside it, for /ping and /invocations alone, so that locations, buffers and logs have nothing to decide.

    nginx [-c FILE] [-g DIRECTIVES]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CONFIGURATION = "/etc/nginx/nginx.conf"
PORT = 8080  # SageMaker's; one that is told by SAGEMAKER_BIND_TO_PORT goes before it

_BLOCK = 1 << 16
_BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Configuration(NamedTuple):
    """``upstreams`` are ``unix:/path`` or ``host:port``, taken in turn."""

    port: int
    upstreams: tuple[str, ...]
    daemon: bool


def main(arguments: list[str] | None = None) -> None:
    """Run until a signal ends it."""
    parser = argparse.ArgumentParser(prog="nginx", allow_abbrev=False)
    parser.add_argument("-c", dest="file", default=CONFIGURATION)
    parser.add_argument("-g", dest="directives", default="")
    parser.add_argument("-p", dest="prefix")
    options = parser.parse_args(arguments)
    configuration = read(f"{options.directives}\n{Path(options.file).read_text()}")
    if configuration.daemon and os.fork():
        sys.exit(0)
    asyncio.run(serve(configuration))


def read(text: str) -> Configuration:
    """What matters of a configuration. Raises ValueError for one without a proxy_pass."""
    text = re.sub(r"#[^\n]*", "", text)
    listen = re.search(r"\blisten\s+([^;]*);", text)
    numbers = re.findall(r"(?:^|:)(\d+)\b", listen[1].strip()) if listen else []
    port = int(numbers[-1]) if numbers else 80
    told = os.environ.get("SAGEMAKER_BIND_TO_PORT", "")
    if port == PORT and told.isdigit():
        port = int(told)
    passed = re.search(r"\bproxy_pass\s+https?://([^;/\s]+)", text)
    if passed is None:
        raise ValueError("nginx: the configuration has no proxy_pass, which is all that is understood here")
    block = re.search(rf"\bupstream\s+{re.escape(passed[1])}\s*\{{([^}}]*)\}}", text)
    servers = re.findall(r"\bserver\s+([^;\s]+)", block[1]) if block else [passed[1]]
    return Configuration(port, tuple(servers), not re.search(r"\bdaemon\s+off\b", text))


async def serve(configuration: Configuration) -> None:
    """Listen until SIGTERM, SIGQUIT or SIGINT."""
    turns = itertools.cycle(configuration.upstreams)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _hand_on(reader, writer, turns)

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = await asyncio.start_server(connected, "0.0.0.0", configuration.port)
    await ended.wait()
    server.close()


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, turns: Iterator[str]) -> None:
    try:
        answers, requests = await _upstream(next(turns))
    except OSError:  # it does not listen yet, or no more
        writer.write(_BAD_GATEWAY)
        await _closed(writer)
        return
    await asyncio.gather(_copy(reader, requests), _copy(answers, writer))


async def _upstream(server: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if server.startswith("unix:"):
        return await asyncio.open_unix_connection(server[len("unix:") :].partition(":")[0])
    host, _, port = server.partition(":")
    return await asyncio.open_connection(host, int(port or 80))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Until ``source`` ends; then ``target`` ends, too."""
    try:
        while True:
            data = await source.read(_BLOCK)
            if not data:
                break
            target.write(data)
            await target.drain()
    except OSError:
        pass  # one side is gone: so is the connection
    finally:
        await _closed(target)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):  # it was closed from the other side
        await writer.wait_closed()


if __name__ == "__main__":
    main()
