"""S3 as its clients see it: the real edge over a real store, in this process."""

import asyncio
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from selfmaker import s3
from selfmaker.aws.edge import Edge, EdgeSettings
from selfmaker.objects.store import ObjectStore
from selfmaker.services import Services
from selfmaker.store.credentials import Credentials
from selfmaker.store.database import Database
from selfmaker.store.schema import metadata

ACCOUNT = "123456789012"


class Served:
    """An S3 that runs, and its parts."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder / 'test.sqlite3'}")
        metadata.create_all(self.database.engine)
        self.store = ObjectStore(self.database, folder / "objects")
        self.credentials = Credentials(self.database)
        self.access_key, self.secret = self.credentials.create("tests")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._edge, self.port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        self._clients: dict[Any, Any] = {}
        self.url = f"http://127.0.0.1:{self.port}"

    async def _start(self) -> tuple[Edge, int]:
        services = Services(self.store, self.credentials)
        edge = Edge(services, [s3], EdgeSettings(ACCOUNT, "us-east-1"), secret_of=self.credentials.secret)
        return edge, await edge.start("127.0.0.1", 0)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._edge.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.store.close()
        self.database.close()

    def client(self, region: str = "us-east-1", **options: Any) -> Any:
        """A client with these options; made once, because that takes a second."""
        key = (region, tuple(sorted(options.items())))
        if key not in self._clients:
            self._clients[key] = self._made(region, options)
        return self._clients[key]

    def _made(self, region: str, options: dict[str, Any]) -> Any:
        config = Config(retries={"total_max_attempts": 1}, **options)
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret,
            config=config,
        )


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("s3"))
    yield served
    served.stop()


@pytest.fixture(scope="session")
def client(served: Served) -> Any:
    return served.client()


@pytest.fixture
def bucket(client: Any, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own."""
    name = f"test-{abs(hash(request.node.nodeid)):x}"
    client.create_bucket(Bucket=name)
    return name


Refused = Callable[..., dict[str, Any]]


@pytest.fixture
def refused() -> Refused:
    """``refused("NoSuchKey", 404, client.get_object, Bucket=...)``: the error's members."""

    def refused(code: str, status: int, call: Callable[..., Any], /, **arguments: Any) -> dict[str, Any]:
        with pytest.raises(ClientError) as caught:
            call(**arguments)
        response = caught.value.response
        assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
        found: dict[str, Any] = response["Error"]
        return found

    return refused


Fetch = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.fixture
def fetch() -> Fetch:
    """A plain HTTP request: (status, headers with lower-case names, body); redirects are not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    opener = urllib.request.build_opener(Stay, urllib.request.ProxyHandler({}))

    def fetch(
        url: str, method: str = "GET", data: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with opener.open(urllib.request.Request(url, data, names, method=method)) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, {k.lower(): v for k, v in answer.headers.items()}, answer.read()

    return fetch
