# Paths are strings here, as in the other files that a forked child runs.
# ruff: noqa: PTH123
"""A network that the runs of one job share, and nobody else: a loopback, and no way out of it.

It is a network namespace (and, without privileges, the user namespace that owns it), held by descriptors: it lives
until they are closed and the last run in it has ended.
"""

import os

from selfmaker.errors import Unavailable
from selfmaker.executors import syscalls


class Island:
    """Open until ``close``. Made in a process of one thread, or beside threads that hold no locks that a fork needs."""

    def __init__(self, user: int | None, network: int) -> None:
        self._user = user
        self._network = network

    @classmethod
    def make(cls) -> "Island":
        """Raises Unavailable where the kernel does not allow it."""
        syscalls.load()
        privileged = os.geteuid() == 0 and syscalls.has_capability(syscalls.CAP_SYS_ADMIN)
        told, tell = os.pipe()
        hold, held = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(held)
            _found(privileged, tell, hold)
        os.close(tell)
        os.close(hold)
        try:
            said = os.read(told, 4096)
            if said != b"R":
                why = said.decode("utf-8", "replace") or "it was killed"
                raise Unavailable(f"a network for the hosts of this job alone cannot be made on this machine: {why}")
            user = None if privileged else os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            return cls(user, os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        finally:
            os.close(told)
            os.close(held)
            os.waitpid(pid, 0)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a forked child must keep open until it has entered."""
        return (self._network,) if self._user is None else (self._user, self._network)

    def enter(self) -> None:
        """Take this process onto the island: without privileges it becomes root there, and nobody else exists."""
        if self._user is not None:
            syscalls.setns(self._user, syscalls.CLONE_NEWUSER)
        syscalls.setns(self._network, syscalls.CLONE_NEWNET)

    def close(self) -> None:
        """Let go of it; runs that are there stay."""
        for descriptor in self.descriptors:
            os.close(descriptor)


def map_to_root(user: int, group: int) -> None:
    """In a fresh user namespace: we are root in it, by the outer ``user`` and ``group``."""
    syscalls.hide_memory(False)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        os.write(descriptor, text.encode())
        os.close(descriptor)


def _found(privileged: bool, tell: int, hold: int) -> None:
    """The child's whole life: make the namespaces, say so, and wait until somebody else holds them."""
    user, group = os.geteuid(), os.getegid()
    try:
        syscalls.unshare(syscalls.CLONE_NEWNET | (0 if privileged else syscalls.CLONE_NEWUSER))
        if not privileged:
            map_to_root(user, group)
        syscalls.loopback_up()
        os.write(tell, b"R")
    except OSError as error:
        os.write(tell, str(error.strerror).encode())
    finally:
        os.read(hold, 1)
        os._exit(0)
