# Paths are strings here: pathlib costs a forked child more than the child's own work.
# ruff: noqa: PTH104
"""A sandbox that stands ahead of its run: process 1 waits in its namespaces, around the system's part of its root.

It is for a run with the machine's network. Its process 1 gets what to run, and where to print, over the control socket.
"""

import contextlib
import os
import pickle
import shutil
import socket

from selfmaker.errors import Invalid, Unavailable
from selfmaker.executors import launch, mounts
from selfmaker.executors.protocol import RunSpec

Work = tuple[RunSpec, list[mounts.Step]]


class Spare:
    """The side of the process that built it, whose child the keeper is. It is taken once; ``discard`` removes one that
    was not."""

    def __init__(self, root: str, keeper: int, control: socket.socket) -> None:
        """Waits until it stands. Raises as ``launch`` does."""
        self._root = root
        self._keeper = keeper
        self._control = control
        self._waits = True
        launch.hear(keeper, control, self._remove)

    def take(self, spec: RunSpec, steps: list[mounts.Step], output: int) -> launch.SandboxRun | None:
        """Have ``spec`` run here. None where that cannot be; it needs a new sandbox. Raises Invalid as Executor."""
        if not self._waits:
            return None
        scratch = str(spec.scratch)
        try:
            if not spec.network or spec.island is not None:
                raise Unavailable("it has the machine's network")
            os.rename(self._root, f"{scratch}/root")
            self._root = f"{scratch}/root"
            self._send((spec, steps), output)
        except (OSError, Unavailable):
            self.discard()
            return None
        self._waits = False
        try:
            notes = launch.hear(self._keeper, self._control, lambda: mounts.tidy(scratch))
        except Invalid:
            raise
        except Unavailable:
            mounts.empty(scratch)
            return None
        return launch.SandboxRun(self._keeper, self._control, notes, lambda: mounts.tidy(scratch))

    def discard(self) -> None:
        """End it, and remove its root; nothing when it has been taken, or discarded before."""
        if not self._waits:
            return
        self._waits = False
        self._control.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._keeper, 0)
        self._remove()

    def _send(self, work: Work, output: int) -> None:
        """The work in a file in memory: a message has a limit."""
        written = os.memfd_create("work")
        try:
            with os.fdopen(os.dup(written), "wb") as file:
                pickle.dump(work, file)
            socket.send_fds(self._control, [b"W"], [written, output])
        finally:
            os.close(written)

    def _remove(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)


def work(control: int) -> Work | None:
    """In process 1: wait for what to run, whose output is then this process's. None when there will be nothing."""
    with socket.socket(fileno=os.dup(control)) as connection:
        try:
            _, (written, output), _, _ = socket.recv_fds(connection, 1, 2)
        except (OSError, ValueError):  # the other side is gone
            return None
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    with os.fdopen(written, "rb") as file:
        file.seek(0)
        received: Work = pickle.load(file)
    return received
