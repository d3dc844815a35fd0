# Paths are strings here: pathlib costs a forked child more than the child's own work.
# ruff: noqa: PTH103
"""The process executor: a sandbox made of Linux namespaces, with nothing to install, in milliseconds.

    parent ── keeper ── process 1 ── the user's process

The keeper enters the namespaces and waits; process 1 is the first in the new process space, builds the file system,
starts the user's process and is all that the run hangs on: when it ends, the kernel kills whatever else is in there.
"""

import errno
import logging
import os
from typing import NoReturn

from selfmaker.errors import Invalid, Unavailable
from selfmaker.executors import bubblewrap, init, launch, mounts, refusal, root, syscalls
from selfmaker.executors.island import map_to_root
from selfmaker.executors.protocol import RunSpec

BACKENDS = ("namespaces", "bubblewrap")  # in the order in which ``auto`` tries them

_ATTEMPTS = 3
_log = logging.getLogger(__name__)
_NOT_ALLOWED = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL, errno.ENODEV, errno.EUSERS)


class ProcessExecutor:
    """An Executor, from any thread. ``backend``: ``namespaces``, ``bubblewrap``, or ``auto``: the first that works."""

    def __init__(self, backend: str = "auto") -> None:
        if backend not in ("auto", *BACKENDS):
            raise Invalid(f"sandbox: expected one of auto, {', '.join(BACKENDS)}, got {backend!r}")
        self._backends = BACKENDS if backend == "auto" else (backend,)

    def start(self, spec: RunSpec, output: int) -> launch.SandboxRun:
        """See Executor."""
        if not spec.argv:
            raise Invalid("there is no program to run: argv is empty")
        steps = mounts.plan(spec)
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
    scratch = str(spec.scratch)
    new_root = f"{scratch}/root"
    os.makedirs(new_root, exist_ok=True)
    privileged = os.geteuid() == 0 and syscalls.has_capability(syscalls.CAP_SYS_ADMIN)

    def keeper(control: int) -> NoReturn:
        try:
            _isolate(privileged, spec)
        except OSError as error:
            init.send(control, init.FAILED, f"{launch.REFUSED}\n{_told(error)}")
            os._exit(1)
        pid = os.fork()
        if pid == 0:
            _process_one(control, spec, steps, privileged)
        os.close(control)
        init.let_go_of_output()
        syscalls.hide_memory()
        syscalls.set_name("selfmaker-keep")
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os._exit(code if code >= 0 else 128 - code)

    kept = spec.island.descriptors if spec.island else ()
    return launch.launch(keeper, output, lambda: mounts.tidy(scratch), kept)


def _isolate(privileged: bool, spec: RunSpec) -> None:
    """Enter the namespaces. Without privileges also a user namespace, in which we are root and nobody else exists."""
    if spec.island is not None:
        spec.island.enter()
    user, group = os.geteuid(), os.getegid()
    flags = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
    if spec.island is not None:
        syscalls.unshare(flags)
    else:
        flags |= 0 if spec.network else syscalls.CLONE_NEWNET
        syscalls.unshare(flags if privileged else flags | syscalls.CLONE_NEWUSER)
        if not privileged:
            map_to_root(user, group)
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_SLAVE)


def _process_one(control: int, spec: RunSpec, steps: list[mounts.Step], privileged: bool) -> NoReturn:
    syscalls.die_with_parent()
    kind = launch.BROKEN
    try:
        notes = _furnish(spec, privileged)
        kind = launch.INVALID
        notes += mounts.lay(steps, f"{spec.scratch}/root", privileged)
        kind = launch.BROKEN
        syscalls.pivot_root(f"{spec.scratch}/root")
    except OSError as error:
        refused = error.errno in _NOT_ALLOWED
        init.send(control, init.FAILED, f"{launch.REFUSED if refused else kind}\n{_told(error)}")
        os._exit(1)
    init.send(control, init.READY, "\n".join(notes))

    syscalls.drop_capabilities()
    if not privileged:
        syscalls.pretend_chown()
    init.first_process(control, spec.argv, spec.environment, spec.directory)


def _furnish(spec: RunSpec, privileged: bool) -> list[str]:
    os.umask(0)
    syscalls.set_hostname(spec.hostname)
    if not spec.network and spec.island is None:
        syscalls.loopback_up()
    notes = root.build(f"{spec.scratch}/root", privileged)
    home = spec.environment.get("HOME", "")
    if home.strip("/") and home.startswith("/") and ".." not in home:
        root.mount_point(f"{spec.scratch}/root", os.path.normpath(home), is_folder=True)
    root.name_resolution(f"{spec.scratch}/root", str(spec.scratch), spec.hostname, spec.hosts)
    return notes


def _told(error: OSError) -> str:
    place = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror}{place}"


_START = {"namespaces": _start, "bubblewrap": bubblewrap.start}
