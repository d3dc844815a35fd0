"""A network that the runs of one job share, and nobody else: a loopback, and no way out of it.

It is a network namespace (and, without privileges, the user namespace that owns it), held by descriptors: it lives
until they are closed and the last run in it has ended.
"""

import os
import socket
import struct

from selfmaker.errors import Unavailable
from selfmaker.executors import syscalls

_KINDS = (b"dummy", b"bridge", b"ifb")
_NEW_LINK, _NEW_ADDRESS = 16, 20
_NAME, _INFO, _UP = 3, 18, 1


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
        _second_interface()
        os.write(tell, b"R")
    except OSError as error:
        os.write(tell, str(error.strerror).encode())
    finally:
        os.read(hold, 1)
        os._exit(0)


def _second_interface() -> None:
    """An interface beside the loopback: there is software (Open MPI's daemons) that never uses a loopback for others.

    Nothing is connected to it. Where the kernel has no such kind, there is none.
    """
    for kind in _KINDS:
        try:
            _request(_NEW_LINK, bytes(16) + _attribute(_NAME, b"eth0\0") + _attribute(_INFO, _attribute(1, kind)))
            index = socket.if_nametoindex("eth0")
            _request(_NEW_LINK, struct.pack("BBHiII", 0, 0, 0, index, _UP, _UP))
            place = struct.pack("BBBBI", socket.AF_INET, 24, 0, 0, index)
            address = socket.inet_aton("10.255.255.1")
            _request(_NEW_ADDRESS, place + _attribute(1, address) + _attribute(2, address))
        except OSError:
            continue
        return


def _attribute(kind: int, data: bytes) -> bytes:
    length = 4 + len(data)
    return struct.pack("HH", length, kind) + data + bytes(-length % 4)


def _request(kind: int, body: bytes) -> None:
    """One request of rtnetlink(7), to create where it is new. Raises OSError."""
    create_and_acknowledge = 0x400 | 0x4 | 0x1
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as kernel:
        kernel.bind((0, 0))
        kernel.send(struct.pack("IHHII", 16 + len(body), kind, create_and_acknowledge, 1, 0) + body)
        code = -struct.unpack_from("i", kernel.recv(65536), 16)[0]
    if code:
        raise OSError(code, os.strerror(code))
