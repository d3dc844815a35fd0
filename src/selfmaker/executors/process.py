# Paths are strings here: pathlib costs a forked child more than the child's own work.
# ruff: noqa: PTH103, PTH123
"""The process executor: a sandbox made of Linux namespaces, with nothing to install, in milliseconds.

    parent ── keeper ── process 1 ── the user's process

The keeper enters the namespaces and waits; process 1 is the first in the new process space, builds the file system,
starts the user's process and is all that the run hangs on: when it ends, the kernel kills whatever else is in there.
"""

import contextlib
import errno
import logging
import os
from collections.abc import Callable, Iterator
from typing import NoReturn

from selfmaker.errors import Invalid, Unavailable
from selfmaker.executors import bubblewrap, init, launch, mounts, refusal, root, spare, syscalls
from selfmaker.executors.island import Island, map_to_root
from selfmaker.executors.protocol import RunSpec
from selfmaker.executors.spare import Spare

BACKENDS = ("namespaces", "bubblewrap")  # in the order in which ``auto`` tries them

_ATTEMPTS = 3
_log = logging.getLogger(__name__)
_NOT_ALLOWED = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL, errno.ENODEV, errno.EUSERS)


class ProcessExecutor:
    """An Executor, from any thread. ``backend``: ``namespaces``, ``bubblewrap``, or ``auto``: the first that works.
    ``spare``: the sandbox for the first run, which is started before any other thread starts one."""

    def __init__(self, backend: str = "auto", spare: Spare | None = None) -> None:
        if backend not in ("auto", *BACKENDS):
            raise Invalid(f"sandbox: expected one of auto, {', '.join(BACKENDS)}, got {backend!r}")
        self._backends = BACKENDS if backend == "auto" else (backend,)
        self._spare = spare if "namespaces" in self._backends else None

    def start(self, spec: RunSpec, output: int) -> launch.SandboxRun:
        """See Executor."""
        if not spec.argv:
            raise Invalid("there is no program to run: argv is empty")
        steps = mounts.plan(spec)
        run = self._spare.take(spec, steps, output) if self._spare is not None else None
        if run is not None:
            return run
        refusals: dict[str, str] = {}
        for backend in self._backends:
            try:
                run = _started(backend, spec, steps, output)
            except launch.Refused as refused:
                refusals[backend] = refused.message
            else:
                self._backends = (backend,)
                return run
        raise Unavailable(refusal.explain(refusals))


def stand_by(root: str) -> Spare:
    """Build a sandbox of namespaces around ``root``, an empty folder, ahead of its run. Raises as Executor does."""
    privileged = _privileged()

    def first(control: int) -> NoReturn:
        notes = _built(control, root, privileged)
        init.send(control, init.READY, "\n".join(notes))
        work = spare.work(control)
        if work is None:
            os._exit(0)
        _move_in(control, *work, privileged, notes)

    with open(os.devnull, "wb") as nowhere:
        return Spare(root, *launch.fork(_keeper(first, privileged, None, network=True), nowhere.fileno()))


def _started(backend: str, spec: RunSpec, steps: list[mounts.Step], output: int) -> launch.SandboxRun:
    """A sandbox that says nothing is built anew, from nothing."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return _START[backend](spec, steps, output)
        except launch.Standstill as still:
            _log.warning("a sandbox does not stand after %g s (%s)", launch.START_SECONDS, still.place)
            mounts.empty(str(spec.scratch))
    return _START[backend](spec, steps, output)


def _start(spec: RunSpec, steps: list[mounts.Step], output: int) -> launch.SandboxRun:
    scratch, privileged = str(spec.scratch), _privileged()
    os.makedirs(f"{scratch}/root", exist_ok=True)

    def first(control: int) -> NoReturn:
        _move_in(control, spec, steps, privileged, _built(control, f"{scratch}/root", privileged))

    keeper = _keeper(first, privileged, spec.island, network=spec.network)
    kept = spec.island.descriptors if spec.island else ()
    return launch.launch(keeper, output, lambda: mounts.tidy(scratch), kept)


def _privileged() -> bool:
    return os.geteuid() == 0 and syscalls.has_capability(syscalls.CAP_SYS_ADMIN)


def _keeper(
    first: Callable[[int], NoReturn], privileged: bool, island: Island | None, *, network: bool
) -> Callable[[int], NoReturn]:
    """``first`` is process 1's."""

    def keep(control: int) -> NoReturn:
        try:
            _isolate(privileged, island, network=network)
        except OSError as error:
            init.send(control, init.FAILED, f"{launch.REFUSED}\n{_told(error)}")
            os._exit(1)
        pid = os.fork()
        if pid == 0:
            syscalls.die_with_parent()
            first(control)
        os.close(control)
        init.let_go_of_output()
        syscalls.hide_memory()
        syscalls.set_name("selfmaker-keep")
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os._exit(code if code >= 0 else 128 - code)

    return keep


def _isolate(privileged: bool, island: Island | None, *, network: bool) -> None:
    """Enter the namespaces. Without privileges also a user namespace, in which we are root and nobody else exists."""
    if island is not None:
        island.enter()
    user, group = os.geteuid(), os.getegid()
    flags = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
    if island is not None:
        syscalls.unshare(flags)
    else:
        flags |= 0 if network else syscalls.CLONE_NEWNET
        syscalls.unshare(flags if privileged else flags | syscalls.CLONE_NEWUSER)
        if not privileged:
            map_to_root(user, group)
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_SLAVE)


def _built(control: int, new_root: str, privileged: bool) -> list[str]:
    """What is the same for every run; notes for people."""
    os.umask(0)
    with _telling(control, launch.BROKEN):
        return root.build(new_root, privileged)


def _move_in(control: int, spec: RunSpec, steps: list[mounts.Step], privileged: bool, notes: list[str]) -> NoReturn:
    """From the built root to the user's process."""
    new_root = f"{spec.scratch}/root"
    with _telling(control, launch.BROKEN):
        _furnish(spec, new_root, privileged)
    with _telling(control, launch.INVALID):
        notes = notes + mounts.lay(steps, new_root, privileged)
    with _telling(control, launch.BROKEN):
        syscalls.pivot_root(new_root)
    init.send(control, init.READY, "\n".join(notes))

    syscalls.drop_capabilities()
    if not privileged:
        syscalls.pretend_chown()
    init.first_process(control, spec.argv, spec.environment, spec.directory)


def _furnish(spec: RunSpec, new_root: str, privileged: bool) -> None:
    syscalls.set_hostname(spec.hostname)
    if not spec.network and spec.island is None:
        syscalls.loopback_up()
    root.renew(new_root, privileged)
    home = spec.environment.get("HOME", "")
    if home.strip("/") and home.startswith("/") and ".." not in home:
        root.mount_point(new_root, os.path.normpath(home), is_folder=True)
    root.name_resolution(new_root, str(spec.scratch), spec.hostname, spec.hosts)


@contextlib.contextmanager
def _telling(control: int, kind: str) -> Iterator[None]:
    """Where the machine says no, the parent is told, and this process ends."""
    try:
        yield
    except OSError as error:
        refused = error.errno in _NOT_ALLOWED
        init.send(control, init.FAILED, f"{launch.REFUSED if refused else kind}\n{_told(error)}")
        os._exit(1)


def _told(error: OSError) -> str:
    place = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror}{place}"


_START = {"namespaces": _start, "bubblewrap": bubblewrap.start}
