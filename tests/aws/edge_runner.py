"""An edge on a free port in a thread of its own, with small operations behind it, and clients of it."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import uvloop
from botocore.config import Config

from selfmaker.aws.edge import Edge, EdgeSettings
from selfmaker.aws.http import HttpRequest, HttpResponse, Limits
from selfmaker.services import Services

PACKAGES = [f"edge_packages.{name}" for name in ("sagemaker", "sagemaker_runtime", "s3", "sts", "iam", "cloudwatch")]
KEY, SECRET = "AKIATESTTESTTESTTEST", "test/secret+key"


SESSION = boto3.session.Session()


@dataclass
class RunningEdge:
    """``edge`` serves on ``port`` until the fixture ends; ``loop`` is its event loop, in another thread."""

    edge: Edge
    port: int
    loop: asyncio.AbstractEventLoop
    scheme: str = "http"
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def client(
        self, service: str, secret: str = SECRET, key: str = KEY, region: str = "eu-west-1", **options: Any
    ) -> Any:
        """A client without retries; ``options`` are Config's. Made once for the same arguments."""
        wanted = repr((service, secret, key, region, options))
        if wanted not in self.clients:
            self.clients[wanted] = SESSION.client(
                service,
                endpoint_url=self.url,
                region_name=region,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                config=Config(retries={"total_max_attempts": 1}, **options),
                verify=False,
            )
        return self.clients[wanted]


def pages(http: HttpRequest) -> HttpResponse | None:
    return HttpResponse(200, {"Content-Type": "text/plain"}, b"well") if http.path == "/health" else None


def run_edge(scheme: str = "http", tls: Any = None, **settings: Any) -> Iterator[RunningEdge]:
    """Serve until the generator is resumed; a stop that fails fails the test."""
    limits = settings.pop("limits", None) or Limits()
    secrets = {KEY: SECRET}
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="edge")
    thread.start()

    async def start() -> tuple[Edge, int]:
        edge = Edge(
            Services(),
            PACKAGES,
            EdgeSettings("123456789012", "us-east-1", **settings),
            secret_of=secrets.get,
            pages=pages,
            limits=limits,
        )
        return edge, await edge.start("127.0.0.1", 0, tls)

    edge, port = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield RunningEdge(edge, port, loop, scheme)
    finally:
        asyncio.run_coroutine_threadsafe(edge.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
