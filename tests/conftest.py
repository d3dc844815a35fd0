"""What every test may ask for: a running server as its users start one, and clients of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from selfmaker.store.database import Database
from selfmaker.store.schema import metadata

# Run by the SDKs' own environments, see scripts/test.py.
collect_ignore = ["sdk/v2", "sdk/v3"]

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """A run started in the background ignores SIGINT, and so would every process that a test starts."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class ServerProcess:
    """``selfmaker up`` in a process of its own, on a home folder and a free port. Not started by construction."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the server and of any ``selfmaker`` command that means this server."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SELFMAKER_"))}
        environments = os.environ.get("SELFMAKER_ENVIRONMENTS") or str(ROOT / ".cache" / "environments")
        own = {f"SELFMAKER_{name.upper()}": value for name, value in self.settings.items()}
        return {**kept, "SELFMAKER_HOME": str(self.home), "SELFMAKER_ENVIRONMENTS": environments, **own}

    def start(self) -> "ServerProcess":
        """Start it and return once it answers; what it printed is in the error when it doesn't."""
        (self.home / "run" / "server.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "selfmaker.cli.main", "up", "--port", "0"]
        self.home.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while not (self.home / "run" / "server.json").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the server did not start:\n{self.output.read_text()}")
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """``kill -9`` of the server alone: its jobs' supervisors live on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it as ``selfmaker down`` does. Nothing happens when it has ended already. One that is cut short, which a
        machine may be slow enough for, says where it stood."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            if self.process.wait(60):
                print(f"the server did not end in good order:\n{self.output.read_text()}")

    def document(self, name: str) -> dict[str, Any]:
        """``run/<name>.json``: ``server`` or ``credentials``."""
        parsed: dict[str, Any] = json.loads((self.home / "run" / f"{name}.json").read_text())
        return parsed

    @property
    def output(self) -> Path:
        """What it printed."""
        return self.home.parent / f"{self.home.name}.out"

    @property
    def endpoint(self) -> str:
        server = self.document("server")
        return f"http://{server['host']}:{server['port']}"

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of this server; ``options`` replace the defaults (credentials, region, config)."""
        import boto3
        from botocore.config import Config

        credentials = self.document("credentials")
        defaults: dict[str, Any] = {
            "endpoint_url": self.endpoint,
            "region_name": credentials["region"],
            "aws_access_key_id": credentials["access_key_id"],
            "aws_secret_access_key": credentials["secret_access_key"],
            "config": Config(retries={"total_max_attempts": 1}, read_timeout=120),
        }
        return boto3.session.Session().client(service, **{**defaults, **options})

    def selfmaker(self, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a ``selfmaker`` command against this server's home; output captured as text."""
        command = [sys.executable, "-m", "selfmaker.cli.main", *arguments]
        defaults: dict[str, Any] = {"env": self.environment, "capture_output": True, "text": True, "timeout": 120}
        return subprocess.run(command, **{**defaults, **options})


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests that neither stop it nor look at the whole of what it holds."""
    running = ServerProcess(tmp_path_factory.mktemp("server") / "home").start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def server_process() -> type[ServerProcess]:
    """For tests that look after a server's life themselves."""
    return ServerProcess


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Start further servers, each on a home of its own, with settings as keywords; they end with the test."""
    started: list[ServerProcess] = []

    def start(**settings: str) -> ServerProcess:
        started.append(ServerProcess(tmp_path / f"home{len(started)}", **settings).start())
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A new one, with the tables of all that the test imports."""
    made = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
    metadata.create_all(made.engine)
    yield made
    made.close()
