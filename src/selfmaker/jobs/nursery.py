"""A small process, warm with the supervisor's imports, from which supervisors are forked in about a millisecond.

A supervisor forked here has a session of its own, nobody waits for it, and it goes on when the nursery and the server
are gone. One is forked ahead and waits for its job, so that no job waits for the fork; when no job comes at once, it
builds a spare sandbox meanwhile. The nursery itself ends with the server, by the closing of their socket, and the one
that waits ends with the nursery.
"""

import contextlib
import gc
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from selfmaker import ids
from selfmaker.errors import SelfmakerError
from selfmaker.executors.process import stand_by
from selfmaker.executors.spare import Spare

_SOURCE = Path(__file__).resolve().parents[2]
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from selfmaker.jobs.nursery import main; main(*sys.argv[2:])"
_LULL = 0.02  # seconds without a job after which a spare sandbox is built

Supervise = Callable[[Path, Path, str, Spare | None], NoReturn]


class Nursery:
    """The server's side. Thread safe. A nursery that died is replaced at the next start. ``spares`` is a folder, on the
    file system of the jobs' folders, for spare sandboxes, which are built when it is given."""

    def __init__(self, spares: Path | None = None) -> None:
        self._spares = spares
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def warm(self) -> None:
        """Have a nursery ready, so that the first job doesn't wait for one."""
        with self._lock:
            if self._spares is not None:  # of a server that was killed
                shutil.rmtree(self._spares, ignore_errors=True)
                self._spares.mkdir(mode=0o700, exist_ok=True)
            self._ready()

    def start(self, folder: Path, notice: Path, ticket: str) -> None:
        """Start a supervisor for the job in ``folder``, with its ticket; it writes to the FIFO ``notice`` when there is
        news.

        Raises OSError when the machine cannot start a process.
        """
        message = f"{folder}\0{notice}\0{ticket}".encode()
        with self._lock:
            for attempt in (1, 2):
                connection = self._ready()
                try:
                    connection.send(message)
                    if connection.recv(16) == b"ok":
                        return
                    problem = "the nursery refused"
                except OSError as error:
                    problem = str(error)
                self._discard()
                if attempt == 2:
                    raise OSError(f"could not start a supervisor: {problem}")

    def close(self) -> None:
        """End the nursery; supervisors are not touched."""
        with self._lock:
            self._discard()

    def _ready(self) -> socket.socket:
        if self._socket is not None and self._process is not None and self._process.poll() is None:
            return self._socket
        self._discard()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _PROGRAM, str(_SOURCE), str(theirs.fileno()), str(self._spares or "")],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        ours.settimeout(60)
        self._socket = ours
        return ours

    def _discard(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def main(descriptor: str, spares: str) -> None:
    """The nursery's own loop: one message, one supervisor."""
    from selfmaker.jobs import supervisor
    from selfmaker.runtimes import environments

    environments.signature()  # each supervisor asks for it; the files are read here, once
    connection = socket.socket(fileno=int(descriptor))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets those that have ended
    gc.freeze()  # what is there now is looked through by no supervisor's collector, which would copy its pages
    pid, waiting = _fork(connection, supervisor.main, spares)
    while message := _receive(connection):
        try:
            waiting.send(message)
        except OSError:  # somebody has ended it
            waiting.close()
            _, waiting = _fork(connection, supervisor.main, spares)
            waiting.send(message)
        waiting.close()
        with contextlib.suppress(OSError):
            connection.send(b"ok")
        pid, waiting = _fork(connection, supervisor.main, spares)
    waiting.close()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)  # what it has built is gone when this process is


def _fork(connection: socket.socket, supervise: Supervise, spares: str) -> tuple[int, socket.socket]:
    """Fork a process that waits for the message by which it becomes a supervisor; its pid, and where to send that."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        connection.close()
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        spare = _spare(theirs, spares) if spares else None
        message = _receive(theirs)
        theirs.close()
        if message:
            folder, notice, ticket = message.decode().split("\0")
            supervise(Path(folder), Path(notice), ticket, spare)
        if spare is not None:  # the nursery has gone
            spare.discard()
        os._exit(0)
    theirs.close()
    return pid, ours


def _spare(messages: socket.socket, folder: str) -> Spare | None:
    """A spare sandbox, unless a message is there before it is begun, or this machine can't have one."""
    if select.select([messages], [], [], _LULL)[0]:
        return None
    root = f"{folder}/{ids.unique_id()}"
    try:
        os.mkdir(root, 0o755)  # noqa: PTH102 - pathlib costs a forked child more than its own work
        return stand_by(root)
    except (OSError, SelfmakerError):
        with contextlib.suppress(OSError):
            os.rmdir(root)  # noqa: PTH106
        return None


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""
