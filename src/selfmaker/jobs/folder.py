"""A job's folder on disk, which its supervisor and the server share.

    plan.json        what to run; written by the server before the supervisor starts, 0600 (it holds credentials)
    events.jsonl     what happened, appended by the supervisor, one JSON object a line; the last may be cut short
    supervisor.lock  held (flock) by the supervisor as long as it lives, and by a server that lays the folder out
    ticket           names the one supervisor that may see the job through: the last that was started; none is there
                     before the first, and between two attempts
    control          a FIFO: the server writes ``stop`` or ``interrupt``
    logs/HOST.log    the output of each host, one event a line: ``<epoch ms> <text>``
    metrics.jsonl    metric values found in the output
    hosts/HOST/      ml/ (= /opt/ml), channels/, scratch/
    artifacts/       what is to be published

This module is imported by the supervisor: only light parts of the standard library.
"""

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_GLIMPSE = 1.0  # seconds: whoever only asks for the lock has let go of it long before


class JobFolder:
    """The names in a job's folder, and the few acts that both sides perform."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = path / "plan.json"
        self.events = path / "events.jsonl"
        self.lock = path / "supervisor.lock"
        self.ticket = path / "ticket"
        self.control = path / "control"
        self.metrics = path / "metrics.jsonl"
        self.artifacts = path / "artifacts"
        self.logs = path / "logs"

    def host(self, name: str) -> Path:
        return self.path / "hosts" / name

    def log(self, host: str) -> Path:
        return self.logs / f"{host}.log"

    def create(self) -> None:
        """Make the folder with nothing but the control FIFO in it; logs of an earlier attempt stay."""
        for folder in (self.path, self.logs, self.artifacts, self.path / "hosts"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.control.exists():
            os.mkfifo(self.control, 0o600)

    def write_plan(self, plan: dict[str, Any]) -> None:
        temporary = self.plan.with_suffix(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(plan, file)
        temporary.replace(self.plan)

    def read_plan(self) -> dict[str, Any]:
        plan: dict[str, Any] = json.loads(self.plan.read_text())
        return plan

    def append_event(self, event: dict[str, Any], *, durable: bool) -> None:
        line = json.dumps(event).encode() + b"\n"
        descriptor = os.open(self.events, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read_events(self) -> list[dict[str, Any]]:
        """All complete events so far; none when there is no file."""
        return read_json_lines(self.events)

    def supervised(self) -> bool:
        """Whether a supervisor lives that holds this folder."""
        with contextlib.suppress(FileNotFoundError), self._locked(os.O_RDWR) as free:
            return not free
        return False

    @contextlib.contextmanager
    def unsupervised(self) -> Iterator[bool]:
        """Whether no supervisor holds this folder; if so, none comes to hold it within the block."""
        with self._locked(os.O_RDWR | os.O_CREAT) as free:
            yield free

    def withdraw(self) -> bool:
        """Take back the ticket of a supervisor that was started but has not come; it leaves when it does. False where
        one holds the folder, or has held it and left its events."""
        if not self.path.exists():
            return True
        with self.unsupervised() as free:
            if not free or self.read_events():
                return False
            self.ticket.unlink(missing_ok=True)
            return True

    @contextlib.contextmanager
    def _locked(self, flags: int) -> Iterator[bool]:
        descriptor = os.open(self.lock, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # at once, though a process that is just being forked has it, too
            os.close(descriptor)

    def hold(self, ticket: str) -> bool:
        """For the supervisor with that ticket: hold the folder until this process ends. False when it is another's."""
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _GLIMPSE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.002)
            else:
                with contextlib.suppress(FileNotFoundError):
                    return self.ticket.read_text() == ticket
                return False

    def send(self, word: str) -> bool:
        """Tell the supervisor ``word``; False when nobody listens."""
        try:
            descriptor = os.open(self.control, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                return False
            raise
        try:
            os.write(descriptor, word.encode() + b"\n")
        finally:
            os.close(descriptor)
        return True


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a file that somebody may be appending to; what is no JSON object is passed over, so that a
    damaged line cannot keep the others from being heard."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    complete = data[: data.rfind(b"\n") + 1]
    found = []
    for line in complete.splitlines():
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict):
                found.append(value)
    return found
