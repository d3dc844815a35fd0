"""A running server: the parts that ``wiring`` builds, the socket, and the files by which clients find it."""

import asyncio
import faulthandler
import fcntl
import gc
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from selfmaker import __version__, clock
from selfmaker.errors import Conflict, Unavailable
from selfmaker.settings import Settings
from selfmaker.signals import EndSignals
from selfmaker.wiring import Parts

_log = logging.getLogger(__name__)
T = TypeVar("T")

_PATIENCE = 30.0  # seconds that a server has to end in good order


class Server:
    """One server on one home folder. ``start`` returns when it listens; ``stop`` ends it in good order."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = 0
        self.parts: Parts | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock: int | None = None

    @property
    def endpoint(self) -> str:
        return f"http://{self.settings.host}:{self.port}"

    def start(self) -> None:
        """Take the home folder, recover what an earlier server left, listen, and write ``run/server.json``.

        Raises Conflict when another server has the folder, Unavailable when the port is taken.
        """
        home = self.settings.home
        (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        self._lock = _take(home / "run" / "server.lock", home)
        try:
            loop = uvloop.new_event_loop()
            self._loop = loop
            self._thread = threading.Thread(target=loop.run_forever, name="selfmaker-loop", daemon=True)
            self._thread.start()
            self.parts = Parts(self.settings, loop)
            try:
                self.port = self._await(self.parts.edge.start(self.settings.host, self.settings.port))
            except OSError as error:
                raise Unavailable(
                    f"cannot listen on {self.settings.host}:{self.settings.port} ({error.strerror or error}); "
                    "choose another port with --port, or --port 0 for a free one"
                ) from None
            self.parts.begin(self.endpoint)
            self._publish()
            gc.collect()
            gc.freeze()  # what is there now stays: the collector need not halt everybody to look at it
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End in good order: requests in flight are answered, jobs go on under their supervisors. Idempotent."""
        run = self.settings.home / "run"
        if self._lock is not None:
            (run / "server.json").unlink(missing_ok=True)
        if self.parts is not None:
            self._await(self.parts.edge.stop())
            self.parts.end()
            self.parts = None
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def tasks(self) -> list["asyncio.Task[Any]"]:
        """What the loop has in hand, to be looked at from another thread."""
        return list(asyncio.all_tasks(self._loop)) if self._loop is not None else []

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _publish(self) -> None:
        assert self.parts is not None
        settings, run = self.settings, self.settings.home / "run"
        access_key, secret = self.parts.credentials
        write_private(
            run / "credentials.json",
            {
                "access_key_id": access_key,
                "secret_access_key": secret,
                "region": settings.region,
                "account": settings.account,
                "endpoint_url": self.endpoint,
            },
        )
        write_private(
            run / "server.json",
            {
                "pid": os.getpid(),
                "host": settings.host,
                "port": self.port,
                "started": clock.now(),
                "version": __version__,
            },
        )


def serve(settings: Settings, ready: Callable[[Server], None] | None = None) -> None:
    """Run a server in the foreground until SIGTERM or SIGINT. ``ready`` is called once it listens."""
    end = EndSignals()
    server = Server(settings)
    server.start()
    try:
        if ready is not None:
            ready(server)
        end.wait()
    finally:
        threading.Thread(target=_cut_short, args=(server,), name="selfmaker-patience", daemon=True).start()
        server.stop()


def _cut_short(server: Server) -> None:
    """End a server that does not end, and say what it waits for. As after a kill, nothing is lost."""
    time.sleep(_PATIENCE)
    sys.stderr.write(f"selfmaker: the server does not end within {_PATIENCE:g} s, and is ended; it stood here:\n")
    for task in server.tasks():
        task.print_stack(file=sys.stderr)
    faulthandler.dump_traceback(all_threads=True)
    os._exit(1)


def write_private(path: Path, document: dict[str, object]) -> None:
    """Write JSON that only the owner may read, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _take(path: Path, home: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Conflict(
            f"a server already runs on {home}; see it with `selfmaker status`, stop it with `selfmaker down`"
        ) from None
    return descriptor
