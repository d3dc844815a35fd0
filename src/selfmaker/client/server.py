"""The server of a home folder as seen from another process: found by its files, asked to stop.

Files below ``HOME/run``: the server holds an exclusive lock on ``server.lock`` while it lives and tells of itself in
``server.json`` and ``credentials.json``. Whoever relies on a server that somebody else started for a while holds a
shared lock on ``users.lock``: such a server ends when its starter has, and not before its last user.
"""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from selfmaker.client.environment import Connection
from selfmaker.errors import NotFound, Unavailable

_POLL = 0.01


@dataclass(frozen=True)
class Running:
    """A server that lives: its process, since when (seconds since the epoch), and how to reach it."""

    home: Path
    pid: int
    host: str
    port: int
    started: float
    version: str
    connection: Connection


def find(home: Path) -> Running | None:
    """The server that has ``home`` now, or None. A file that a killed server left behind is no server."""
    try:
        server = json.loads((home / "run" / "server.json").read_text())
        credentials = json.loads((home / "run" / "credentials.json").read_text())
        own = {name: server[name] for name in ("pid", "host", "port", "started", "version")}
        names = ("endpoint_url", "access_key_id", "secret_access_key", "region", "account")
        connection = Connection(**{name: credentials[name] for name in names})
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Unavailable(f"{home} belongs to another user; choose a home of your own with --home") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"{home / 'run'} cannot be read ({error}); choose another home with --home") from None
    return Running(home=home, connection=connection, **own) if _lives(own["pid"], home) else None


def expect(home: Path) -> Running:
    """As ``find``, but raises NotFound with the remedy."""
    running = find(home)
    if running is None:
        raise NotFound(f"no server runs on {home}; start one with `selfmaker up --detach`")
    return running


def answers(running: Running) -> bool:
    """Whether it accepts a connection and speaks HTTP, whatever it says."""
    import http.client

    connection = http.client.HTTPConnection(running.host, running.port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def stop(running: Running, timeout: float) -> bool:
    """SIGTERM; whether it had let go of its home before ``timeout`` seconds had passed."""
    try:
        os.kill(running.pid, signal.SIGTERM)
    except ProcessLookupError:
        return True
    except PermissionError:
        raise Unavailable(f"process {running.pid} belongs to another user; ask them to stop it") from None
    deadline = time.monotonic() + timeout
    while _lives(running.pid, running.home):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def hold(home: Path) -> int:
    """Be a user of the home's server, whoever started it, until the descriptor that this returns is closed.

    Waits while a server that was started for a while is ending; ``find`` afterwards tells the truth.
    """
    descriptor = _open_users(home)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def wait_for_users(home: Path, busy: Callable[[], None]) -> int:
    """Return, with a descriptor that keeps new users waiting, once the home's server has no user. ``busy`` is called
    first when it has some."""
    descriptor = _open_users(home)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        busy()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _open_users(home: Path) -> int:
    run = home / "run"
    try:
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(run / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"cannot write to {run} ({error.strerror}); choose another folder with --home") from None


def _lives(pid: int, home: Path) -> bool:
    """Whether that process is the server of ``home``. The lock is asked last and only while the process exists: a
    server that starts at that very moment would find it taken."""
    with contextlib.suppress(PermissionError):  # it exists and is another user's
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    try:
        descriptor = os.open(home / "run" / "server.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
