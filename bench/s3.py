"""S3 put and get beside moto_server and the bare disk, in turns, in one run.

Ours syncs every put to disk before it answers; moto keeps objects in memory; the bare disk writes a file and syncs
it. Objects travel over sockets by requests that were signed beforehand, so that the client is not what is measured.
boto3, which itself takes a millisecond of CPU for each call and hashes what it sends, is measured too, and its own
limit beside it: what it reaches against a server that does nothing.
"""

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from local_server import ROOT, running
from report import Row, print_table

BUCKET = "bench"
SMALL, BIG = 1024, 256 << 20
ROUNDS, BIG_ROUNDS, BOTO_ROUNDS = 3, 2, 2
REQUESTS = {1: 200, 16: 800}
MOTO = ROOT / ".cache" / "bench-moto"


@dataclass(frozen=True)
class Target:
    """A server to measure."""

    name: str
    host: str
    port: int
    credentials: Credentials

    def client(self) -> Any:
        return boto3.session.Session().client(
            "s3",
            endpoint_url=f"http://{self.host}:{self.port}",
            region_name="us-east-1",
            aws_access_key_id=self.credentials.access_key,
            aws_secret_access_key=self.credentials.secret_key,
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32, read_timeout=300),
        )

    def request(self, method: str, key: str, body: bytes = b"") -> bytes:
        """A signed request, ready to be sent within the next quarter of an hour."""
        request = AWSRequest(method, f"http://{self.host}:{self.port}/{BUCKET}/{key}", {}, body)
        S3SigV4Auth(self.credentials, "s3", "us-east-1").add_auth(request)
        lines = [f"{method} /{BUCKET}/{key} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if method == "PUT":
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body

    def presigned_put(self, key: str, size: int) -> bytes:
        """The head of a put whose signature does not cover its bytes, as over TLS."""
        url = self.client().generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": key})
        path = url.split(f":{self.port}", 1)[1]
        lines = [f"PUT {path} HTTP/1.1", f"Host: {self.host}:{self.port}", f"Content-Length: {size}"]
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass
class Measured:
    """What was measured of one case, by who was measured: requests a second (or MiB) and milliseconds, a value a
    round."""

    rate: dict[str, list[float]] = field(default_factory=dict)
    latency: dict[str, list[float]] = field(default_factory=dict)

    def add(self, who: str, rate: float, latency: float) -> None:
        self.rate.setdefault(who, []).append(rate)
        self.latency.setdefault(who, []).append(latency)


def run() -> list[Row]:
    cases: dict[str, Measured] = {}
    with (
        running() as server,
        moto() as port,
        nothing() as limit,
        tempfile.TemporaryDirectory(dir=server.home) as folder,
    ):
        ours = server.client("s3").meta
        address, keys = ours.endpoint_url.rsplit("/", 1)[1].split(":"), server.client("s3")._request_signer._credentials
        targets = [
            Target("ours", address[0], int(address[1]), Credentials(keys.access_key, keys.secret_key)),
            Target("moto", "127.0.0.1", port, Credentials("moto", "moto")),
        ]
        for target in targets:
            target.client().create_bucket(Bucket=BUCKET)
        with_limit = [*targets, Target("nothing", "127.0.0.1", limit, Credentials("nobody", "nobody"))]
        for round_ in range(ROUNDS + 1):
            small_objects(cases if round_ else {}, targets, Path(folder))
        for round_ in range(BOTO_ROUNDS + 1):
            through_boto3(cases if round_ else {}, with_limit)
        for round_ in range(BIG_ROUNDS + 1):
            big_objects(cases if round_ else {}, with_limit, Path(folder))
    return [row for case, measured in cases.items() for row in rows_of(case, measured)]


# Small objects


def small_objects(cases: dict[str, Measured], targets: list[Target], folder: Path) -> None:
    body = os.urandom(SMALL)
    for threads, count in REQUESTS.items():
        for method in ("PUT", "GET"):
            measured = cases.setdefault(f"{method.lower()} 1 KiB, {connections(threads)}", Measured())
            for target in targets:
                keys = [f"{threads}/{n}" for n in range(count)]
                sent = [target.request(method, key, body if method == "PUT" else b"") for key in keys]
                measured.add(target.name, *in_threads(threads, sent, partial(Connection, target)))
            measured.add("disk", *in_threads(threads, list(range(count)), partial(Disk, folder, method, body)))


class Connection:
    """One connection, kept alive where the server does that."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.socket: socket.socket | None = None

    def __call__(self, request: bytes, file: Path | None = None) -> None:
        if self.socket is None:
            self.socket = socket.create_connection((self.target.host, self.target.port), timeout=120)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(request)
        if file is not None:
            with file.open("rb") as source:
                self.socket.sendfile(source)
        data = self._more()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head = data[:end].lower()
        if b" 200 " not in head[:20]:
            raise SystemExit(f"a request failed: {data[:300]!r}")
        at = head.find(b"content-length:")
        left = end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0]) - len(data)
        while left > 0:
            left -= len(self._more())
        if head.startswith(b"http/1.0") or b"connection: close" in head:
            self.close()

    def _more(self) -> bytes:
        assert self.socket is not None
        data = self.socket.recv(1 << 20)
        if not data:
            raise SystemExit("the server closed the connection")
        return data

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class Disk:
    """The same by system calls alone: create, write, fsync; or open and read."""

    def __init__(self, folder: Path, method: str, body: bytes) -> None:
        self.folder, self.method, self.body = str(folder), method, body

    def __call__(self, number: int) -> None:
        path = f"{self.folder}/{number}"
        flags = os.O_RDONLY if self.method == "GET" else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = os.open(path, flags)
        if self.method == "GET":
            os.read(descriptor, SMALL)
        else:
            os.write(descriptor, self.body)
            os.fsync(descriptor)
        os.close(descriptor)

    def close(self) -> None:
        pass


def in_threads(threads: int, work: list[Any], connect: Callable[[], Any]) -> tuple[float, float]:
    """Requests a second and the median latency in milliseconds."""
    latencies: list[float] = []
    barrier = threading.Barrier(threads + 1)

    def run_some(share: list[Any]) -> None:
        connection = connect()
        mine = []
        barrier.wait()
        try:
            for item in share:
                before = time.perf_counter()
                connection(item)
                mine.append(time.perf_counter() - before)
        finally:
            latencies.extend(mine)
            connection.close()

    workers = [threading.Thread(target=run_some, args=(work[n::threads],)) for n in range(threads)]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    if len(latencies) != len(work):
        raise SystemExit("a thread of the bench failed")
    return len(work) / (time.perf_counter() - started), statistics.median(latencies) * 1000


# Through boto3


def through_boto3(cases: dict[str, Measured], targets: list[Target]) -> None:
    body = os.urandom(SMALL)
    for threads, count in ((1, 100), (16, 320)):
        for method in ("put", "get"):
            measured = cases.setdefault(f"{method} 1 KiB, {connections(threads)}, boto3", Measured())
            for target in targets:
                client = target.client()

                keys = [f"boto/{n}" for n in range(count)]
                measured.add(target.name, *in_threads(threads, keys, partial(Boto, client, method, body)))


class Boto:
    """The same by boto3; its client is shared by the threads, as users do."""

    def __init__(self, client: Any, method: str, body: bytes) -> None:
        self.client, self.method, self.body = client, method, body

    def __call__(self, key: str) -> None:
        if self.method == "put":
            self.client.put_object(Bucket=BUCKET, Key=key, Body=self.body)
        else:
            self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def close(self) -> None:
        pass


# Large objects


def big_objects(cases: dict[str, Measured], targets: list[Target], folder: Path) -> None:
    source, sink = folder / "source", folder / "sink"
    if not source.exists():
        with source.open("wb") as file:
            for _ in range(BIG >> 20):
                file.write(os.urandom(1 << 20))
    for name in ("one request", "boto3, 10 threads"):
        puts, gets = (cases.setdefault(f"{verb} 256 MiB, {name}", Measured()) for verb in ("put", "get"))
        for target in targets:
            if name == "one request":
                if target.name == "nothing":
                    continue
                puts.add(target.name, *timed(Connection(target), target.presigned_put("big", BIG), source))
                gets.add(target.name, *timed(Connection(target), target.request("GET", "big")))
            else:
                client = target.client()
                puts.add(target.name, *timed(client.upload_file, str(source), BUCKET, "big"))
                if target.name == "nothing":  # a Python program that sends zeros is no limit: sendfile is faster
                    continue
                gets.add(target.name, *timed(client.download_file, BUCKET, "big", str(sink)))
        puts.add("disk", *timed(copied, source, sink))
        gets.add("disk", *timed(read, sink))


def copied(source: Path, sink: Path) -> None:
    with source.open("rb") as file, sink.open("wb", buffering=0) as target:
        while data := file.read(1 << 20):
            target.write(data)
        os.fsync(target.fileno())


def read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def timed(work: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[float, float]:
    """MiB a second and milliseconds."""
    started = time.perf_counter()
    work(*arguments, **options)
    seconds = time.perf_counter() - started
    return (BIG >> 20) / seconds, seconds * 1000


# The table


def rows_of(case: str, measured: Measured) -> Iterator[Row]:
    rate = {who: statistics.median(values) for who, values in measured.rate.items()}
    latency = {who: statistics.median(values) for who, values in measured.latency.items()}
    unit = "MiB/s" if "MiB" in case else "1/s"
    faster, shorter = rate["ours"] / rate["moto"], latency["ours"] / latency["moto"]
    words = f"{faster:.1f}x"
    words += "".join(f", {rate['ours'] / rate[who]:.2f}x {who}" for who in ("disk", "nothing") if who in rate)
    goal, shorter_goal = met("2.5x", faster >= 2.5), met("0.5x", shorter <= 0.5)
    if "nothing" in rate and faster < 2.5:
        goal += f" (boto3 against nothing: {rate['nothing'] / rate['moto']:.1f}x)"
    if "nothing" in rate and shorter > 0.5:
        shorter_goal += f" (boto3 against nothing: {latency['nothing'] / latency['moto']:.2f}x)"
    yield Row("s3", case, rate["ours"], rate["moto"], unit, words, goal)
    yield Row("s3", f"{case}: p50", latency["ours"], latency["moto"], "ms", f"{shorter:.2f}x", shorter_goal)


def met(goal: str, reached: bool) -> str:
    return f"{goal}: {'met' if reached else 'not met'}"


def connections(threads: int) -> str:
    return "1 connection" if threads == 1 else f"{threads} connections"


@contextlib.contextmanager
def nothing() -> Iterator[int]:
    """The port of a server that does nothing."""
    program = str(Path(__file__).with_name("nothing.py"))
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextlib.contextmanager
def moto() -> Iterator[int]:
    """A moto_server on a free port, in an environment of its own."""
    python = MOTO / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "-q", str(MOTO)], check=True)
        subprocess.run(["uv", "pip", "install", "-q", "--python", str(python), "moto[server,s3]"], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(MOTO / "bin" / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    print_table(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
