# Paths are strings here: pathlib costs a forked child more than the child's own work.
# ruff: noqa: PTH103, PTH110, PTH112, PTH113
"""Process 1 of a sandbox: starts the user's process, passes signals on, reaps orphans, and ends all when that ends.

Runs in a forked child with one thread, on a socket of type SEQPACKET to the parent. To us: one byte, a signal's number.
From us: a letter and text. The socket's end means that the parent is gone, however it went: the run ends too.
"""

import contextlib
import errno
import os
import select
import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn

from selfmaker.executors import syscalls
from selfmaker.executors.hearers import hearers

READY = b"R"  # + notes, one a line: the sandbox stands
FAILED = b"F"  # + kind, newline, message: it could not be built
LAUNCH_ERROR = b"L"  # + code, newline, message: the user's program could not be started
EXITED = b"E"  # + code

KILLED = 128 + signal.SIGKILL
_CANNOT_EXECUTE, _NOT_FOUND = 126, 127
_ORDINARY = sorted(number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP))
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _start(argv: tuple[str, ...], environment: Mapping[str, str], directory: str) -> int:
    """Start the user's process in ``directory``, created if need be. Its pid. Raises LaunchError."""
    with contextlib.suppress(OSError):  # chdir says it better
        os.makedirs(directory, exist_ok=True)
    try:
        os.chdir(directory)
    except OSError as error:
        code = _NOT_FOUND if error.errno == errno.ENOENT else _CANNOT_EXECUTE
        raise LaunchError(code, f"chdir to cwd ({directory!r}) failed: {_reason(error)}") from None
    name = argv[0]
    if "/" in name:
        try:
            return _spawn(name, argv, environment)
        except OSError as error:
            raise _launch_error(name, name, error) from None
    return _search(name, argv, environment)


def _search(name: str, argv: tuple[str, ...], environment: Mapping[str, str]) -> int:
    denied = False
    for folder in (environment.get("PATH") or DEFAULT_PATH).split(":"):
        candidate = f"{folder or '.'}/{name}"
        if not os.path.isfile(candidate):
            continue
        try:
            return _spawn(candidate, argv, environment)
        except PermissionError:
            denied = True
        except OSError as error:
            raise _launch_error(name, candidate, error) from None
    if denied:
        raise LaunchError(_CANNOT_EXECUTE, f'exec: "{name}": permission denied')
    raise LaunchError(_NOT_FOUND, f'exec: "{name}": executable file not found in $PATH')


def _spawn(path: str, argv: tuple[str, ...], environment: Mapping[str, str]) -> int:
    """posix_spawn, not fork: it shares our memory for the moment instead of copying it, and raises what execve said."""
    return os.posix_spawn(path, argv, environment, setsigdef=_ORDINARY, setsigmask=())


class LaunchError(Exception):
    """The user's program cannot be started. Worded as Docker words it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


def _launch_error(name: str, path: str, error: OSError) -> LaunchError:
    if error.errno == errno.ENOENT:
        if os.path.exists(path):
            missing = "the interpreter that its first line names is missing"
            return LaunchError(_NOT_FOUND, f"exec {path}: no such file or directory ({missing})")
        return LaunchError(_NOT_FOUND, f'exec: "{name}": stat {path}: no such file or directory')
    if os.path.isdir(path):
        return LaunchError(_CANNOT_EXECUTE, f'exec: "{name}": is a directory')
    if error.errno == errno.ENOEXEC:
        return LaunchError(_CANNOT_EXECUTE, f"exec {path}: exec format error")
    return LaunchError(_CANNOT_EXECUTE, f'exec: "{name}": {_reason(error)}')


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def reset_signals() -> None:
    """In a forked child: forget what the parent does on signals. SIGPIPE is ignored, nothing is blocked."""
    for number in _ORDINARY:
        if signal.getsignal(number) != signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class Children:
    """Wakes a poll when a child ends. One thread only."""

    def __init__(self) -> None:
        self.fd, writer = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(writer, False)
        signal.signal(signal.SIGCHLD, _nothing)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def ended(self) -> list[tuple[int, int]]:
        """(pid, exit code as a shell gives it) of the children that ended since the last call."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)
        found: list[tuple[int, int]] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if pid == 0:
                return found
            code = os.waitstatus_to_exitcode(status)
            found.append((pid, code if code >= 0 else 128 - code))


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """A handler, so that SIGCHLD interrupts."""


def attend(control: int, children: Children, first: int, deliver: Callable[[int], None]) -> int:
    """Pass signals on until ``first`` ends; its exit code. When the parent goes: KILLED, at once."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(children.fd, select.POLLIN)
    while True:
        for pid, code in children.ended():
            if pid == first:
                return code
        for fd, _ in poll.poll():
            if fd == control:
                try:
                    message = os.read(control, 16)
                except ConnectionResetError:  # it went without reading all that we said
                    message = b""
                if not message:
                    deliver(signal.SIGKILL)
                    return KILLED
                deliver(message[0])


def send(control: int, kind: bytes, text: str) -> None:
    """A message to the parent; nothing when it is gone."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        os.write(control, kind + text.encode("utf-8", "surrogateescape"))


def let_go_of_output() -> None:
    """The reader of the user's output sees its end when the user's processes are gone, whatever becomes of us."""
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


def first_process(control: int, argv: tuple[str, ...], environment: Mapping[str, str], directory: str) -> NoReturn:
    """All of process 1's life after the sandbox stands."""
    os.setsid()
    os.umask(0o022)
    children = Children()
    syscalls.set_name("selfmaker-init")
    syscalls.hide_memory()
    try:
        pid = _start(argv, environment, directory)
    except LaunchError as error:
        send(control, LAUNCH_ERROR, f"{error.code}\n{error.message}")
        os._exit(error.code)
    let_go_of_output()

    def deliver(number: int) -> None:
        for each in [-1] if number == signal.SIGKILL else hearers(pid, number):
            with contextlib.suppress(OSError):  # it has ended; or there is no such signal
                os.kill(each, number)

    code = attend(control, children, pid, deliver)
    send(control, EXITED, str(code))
    os._exit(code)
