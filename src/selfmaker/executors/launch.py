# Paths are strings here: pathlib costs a forked child more than the child's own work.
# ruff: noqa: PTH123, PTH208
"""Forking a sandbox from a process that may have threads, and the handle by which it is held.

The child that we fork is the sandbox's keeper. It touches nothing of the parent's but the descriptors it needs: garbage
collection is off, signals are at their defaults, and it leaves only by ``os._exit``.
"""

import fcntl
import gc
import os
import select
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable
from typing import NoReturn

from selfmaker.errors import Invalid, SelfmakerError, Unavailable
from selfmaker.executors import init, syscalls
from selfmaker.executors.protocol import Exit

REFUSED = "refused"  # this machine does not let us; another way may work
INVALID = "invalid"  # the spec asks for what cannot be
BROKEN = "broken"  # a full disk and the like

START_SECONDS = 20.0  # a sandbox stands within milliseconds; what has said nothing for so long never will
_LOW_DESCRIPTORS = 10

_forking = threading.Lock()


class Refused(Unavailable):
    """The kernel, or a policy, does not allow what the sandbox needs."""


class Standstill(Unavailable):
    """The sandbox says nothing, and has been killed."""

    def __init__(self, place: str) -> None:
        super().__init__("the sandbox could not be built in time; is the machine overloaded?")
        self.place = place  # where in the kernel it stood


def launch(
    keeper: Callable[[int], NoReturn], output: int, tidy: Callable[[], None], kept: tuple[int, ...] = ()
) -> "SandboxRun":
    """Fork ``keeper``, which gets the control descriptor; wait (milliseconds) until it says that the sandbox stands.

    ``kept``: descriptors above 2 that the keeper needs, too. ``tidy`` runs once, in the parent, after the end of the
    run. Raises Refused, Invalid, Unavailable or Standstill.
    """
    pid, control = fork(keeper, output, kept)
    return SandboxRun(pid, control, hear(pid, control, tidy), tidy)


def fork(keeper: Callable[[int], NoReturn], output: int, kept: tuple[int, ...] = ()) -> tuple[int, socket.socket]:
    """The keeper's pid, and our end of the control socket."""
    syscalls.load()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        return _fork(keeper, (theirs.fileno(), *kept), output), ours


def hear(pid: int, control: socket.socket, tidy: Callable[[], None]) -> tuple[str, ...]:
    """Wait until the sandbox says that it is ready; its notes. One that isn't is ended. Raises as ``launch`` does."""
    message = _first_word(control)
    if message is not None and message[:1] == init.READY:
        return tuple(line for line in message[1:].decode("utf-8", "surrogateescape").split("\n") if line)
    control.close()
    place = ""
    if message is None:
        place = _standstill(pid)
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    tidy()
    raise Standstill(place) if message is None else _failure(message)


def _standstill(keeper: int) -> str:
    """Where in the kernel the keeper and its children wait, for whoever looks for the reason."""
    told = []
    pids = [str(keeper)]
    for pid in pids:
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as children, open(f"/proc/{pid}/wchan") as place:
                pids += children.read().split()
                told.append(f"{pid} in {place.read() or 'no call'}")
        except OSError as error:
            told.append(f"{pid}: {error.strerror}")
    return ", ".join(told)


def _first_word(control: socket.socket) -> bytes | None:
    """What the sandbox says first; None where it says nothing at all."""
    control.settimeout(START_SECONDS)
    try:
        message = control.recv(65536)
    except TimeoutError:
        return None
    control.settimeout(None)
    return message


def _failure(message: bytes) -> SelfmakerError:
    if message[:1] != init.FAILED:
        return Unavailable("the sandbox's first process was killed at its start; is the machine out of memory?")
    kind, _, text = message[1:].decode("utf-8", "surrogateescape").partition("\n")
    if kind == INVALID:
        return Invalid(text)
    return Refused(text) if kind == REFUSED else Unavailable(text)


def _fork(keeper: Callable[[int], NoReturn], kept: tuple[int, ...], output: int) -> int:
    """Signals stay blocked across the fork, so that no handler of the parent's ever runs in the child."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with _forking, warnings.catch_warnings():  # whose filters belong to all threads, hence the lock
            # 3.12 warns of locks that other threads hold: the child takes none of the parent's.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            _keep(keeper, kept, output)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _keep(keeper: Callable[[int], NoReturn], kept: tuple[int, ...], output: int) -> NoReturn:
    try:
        gc.disable()
        init.reset_signals()
        os.setsid()
        keeper(_only_these_descriptors(kept, output))
    except BaseException as error:  # noqa: BLE001 - the outermost frame of a process
        os.write(2, f"selfmaker: the sandbox's keeper failed: {error!r}\n".encode())
    finally:
        os._exit(125)


def _only_these_descriptors(kept: tuple[int, ...], output: int) -> int:
    """/dev/null as input, ``output`` as output and error, ``kept``, and the first of those, the control socket, under a
    new number, which is returned."""
    control = fcntl.fcntl(kept[0], fcntl.F_DUPFD_CLOEXEC, _LOW_DESCRIPTORS)
    output = fcntl.fcntl(output, fcntl.F_DUPFD_CLOEXEC, _LOW_DESCRIPTORS)
    null = fcntl.fcntl(os.open("/dev/null", os.O_RDONLY), fcntl.F_DUPFD_CLOEXEC, _LOW_DESCRIPTORS)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in (control, *kept[1:]):
            try:
                os.close(int(name))
            except OSError:
                continue  # the one by which the folder itself was read
    return control


class SandboxRun:
    """A RunHandle. Thread safe. The run ends when its handle is let go of, or when the process that holds it dies.

    ``notes`` tell people what this machine could not do for the run.
    """

    def __init__(self, pid: int, control: socket.socket, notes: tuple[str, ...], tidy: Callable[[], None]) -> None:
        self.pid = pid
        self.notes = notes
        self._control = control
        self._tidy = tidy
        self._waiting = threading.Lock()
        self._code: int | None = None
        self._launch_error: str | None = None
        self._exit: Exit | None = None

    def signal(self, number: int) -> None:
        """See RunHandle."""
        if self._exit is None:
            try:
                self._control.send(bytes([number]), socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
            except OSError:
                return  # it has ended; or hundreds of signals are waiting already, and this is one more

    def wait(self, timeout: float | None = None) -> Exit | None:
        """See RunHandle."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._waiting.acquire(timeout=-1 if timeout is None else max(timeout, 0)):
            return None
        try:
            if self._exit is None and self._listen(deadline) and self._reap(deadline):
                self._control.close()
                self._tidy()
            return self._exit
        finally:
            self._waiting.release()

    def _listen(self, deadline: float | None) -> bool:
        """Read what process 1 says until it is gone; False when time ran out first."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            if not poll.poll(left):
                return False
            try:
                message = self._control.recv(65536)
            except ConnectionResetError:  # it went with signals of ours unread
                continue
            if not message:
                return True
            kind, text = message[:1], message[1:].decode("utf-8", "surrogateescape")
            if kind == init.EXITED:
                self._code = int(text)
            elif kind == init.LAUNCH_ERROR:
                code, _, self._launch_error = text.partition("\n")
                self._code = int(code)

    def _reap(self, deadline: float | None) -> bool:
        """The keeper goes when the last process of the sandbox is gone."""
        pause = 0.0005
        while True:
            try:
                pid, status = os.waitpid(self.pid, 0 if deadline is None else os.WNOHANG)
            except ChildProcessError:  # somebody else in this process reaped it; process 1 told us its code
                pid, status = self.pid, 0
                self._code = init.KILLED if self._code is None else self._code
            if pid:
                break
            assert deadline is not None
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 0.02)
        code = os.waitstatus_to_exitcode(status)
        code = code if code >= 0 else 128 - code
        self._exit = Exit(code if self._code is None else self._code, self._launch_error)
        return True
