"""A server started by another program of ours: ``up --detach``, ``run`` and ``activate``."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from selfmaker.client.server import Running, find, hold
from selfmaker.errors import Conflict, Unavailable

BUSY = b"u"
_POLL = 0.01
_MAIN = "import sys; sys.path = [p for p in sys.path if p]; from selfmaker.cli.main import main; main()"
"""The command line, from any folder: a module of the user's there would come before ours."""


class Child:
    """A server in a process of its own, out of reach of the terminal's signals. What it says goes to ``log``.

    ``tied``: it ends after this process, however this process ends (its standard input is a socket of ours), once
    nobody uses it (it says BUSY as long as somebody does). Otherwise it stays.
    """

    def __init__(self, home: Path, options: tuple[str, ...], *, tied: bool) -> None:
        self.home = home
        self.log = home / "logs" / "server.log"
        self._log_start = 0
        self._tie: socket.socket | None = None
        if not tied:
            self._process = self._launch(options, subprocess.DEVNULL)
            return
        self._tie, other_end = socket.socketpair()
        with other_end:
            self._process = self._launch((*options, "--until-eof"), other_end.fileno())

    def wait_until_ready(self, timeout: float = 60) -> Running:
        """Raises Conflict when somebody else has the home, Unavailable when it fails: both in the server's words."""
        deadline = time.monotonic() + timeout
        while True:
            running = find(self.home)
            if running is not None and running.pid == self._process.pid:
                return running
            if self._process.poll() is not None:
                raise self._failure()
            if time.monotonic() > deadline:
                self._process.kill()
                self._process.wait()
                raise Unavailable(f"the server did not start within {timeout:g} s; see {self.log}")
            time.sleep(_POLL)

    def release(self, timeout: float = 30) -> bool:
        """Let a tied server end, and wait for it; at once when others use it, in which case it goes on: False."""
        assert self._tie is not None
        with self._tie as tie:
            tie.shutdown(socket.SHUT_WR)
            tie.settimeout(timeout)
            try:
                if tie.recv(1) == BUSY:
                    return False
                self._process.wait(timeout)
            except (TimeoutError, ConnectionResetError, subprocess.TimeoutExpired):
                self._process.kill()
        self._process.wait()
        return True

    def _launch(self, options: tuple[str, ...], stdin: int) -> "subprocess.Popen[bytes]":
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            output = self.log.open("ab")
        except OSError as error:
            raise Unavailable(
                f"cannot write to {error.filename} ({error.strerror}); choose another folder with --home"
            ) from None
        with output:
            self._log_start = output.tell()
            return subprocess.Popen(
                [sys.executable, "-c", _MAIN, "up", "--home", str(self.home), *options],
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _failure(self) -> Exception:
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            lines = file.read().decode(errors="replace").splitlines()
        said = [line.removeprefix("selfmaker: ") for line in lines if line.startswith("selfmaker: ")]
        if not said:
            return Unavailable(f"the server ended as it started; see {self.log}")
        return (Conflict if "already runs" in said[-1] else Unavailable)(said[-1])


class Use:
    """A server of ``home`` to rely on: the one that runs, else one started for as long as it is used.

    ``running`` is how to reach it. ``end``, or this process's end, gives it up.
    """

    def __init__(self, home: Path) -> None:
        self._child: Child | None = None
        self.descriptor = hold(home)
        try:
            self.running = find(home) or self._start(home)
        except BaseException:
            os.close(self.descriptor)
            raise

    @property
    def started(self) -> bool:
        """Whether the server was started here."""
        return self._child is not None

    def end(self) -> bool:
        """Whether the server goes on: it was not started here, or others use it."""
        os.close(self.descriptor)
        child, self._child = self._child, None
        return child is None or not child.release()

    def _start(self, home: Path) -> Running:
        child = Child(home, ("--port", "0"), tied=True)
        try:
            running = child.wait_until_ready()
        except Conflict:  # another program has just started one: it is ours to use as well
            deadline = time.monotonic() + 60
            while (other := find(home)) is None:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL)
            return other
        self._child = child
        return running
