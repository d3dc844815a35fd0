# Paths are strings here: pathlib costs a forked child more than the child's own work.
# ruff: noqa: PTH123
"""The Linux system calls that the standard library lacks, by way of libc.

Every function raises OSError with the kernel's errno. Nothing is loaded before the first call; load once in the
parent (``load()``) so that a forked child finds the library there.
"""

import ctypes
import errno
import fcntl
import os
import signal
import socket
import struct
from functools import lru_cache

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000
_MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4

CAP_SYS_ADMIN = 21
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITIES_KNOWN = 64

# Docker's default set without CAP_MKNOD: what a container's root may do, short of undoing its mounts, tracing others
# or making devices.
KEPT_CAPABILITIES = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 29, 31)

_SYS_MOUNT_SETATTR = 442  # the same number on every architecture since Linux 5.12
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 0x1

_NUMBERS = {  # pivot_root, seccomp, AUDIT_ARCH, and the chown family
    "x86_64": (155, 317, 0xC000003E, (92, 93, 94, 260)),
    "aarch64": (41, 277, 0xC00000B7, (54, 55)),
}


@lru_cache(maxsize=1)
def load() -> ctypes.CDLL:
    """libc, with the argument types that matter declared."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
    libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
    libc.syscall.restype = ctypes.c_long
    return libc


def _check(result: int, *names: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), *names[:1])


def unshare(flags: int) -> None:
    _check(load().unshare(ctypes.c_int(flags)), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Enter the namespace of that kind (CLONE_NEW...) that the descriptor is open on."""
    _check(load().setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    result = load().mount(os.fsencode(source), os.fsencode(target), os.fsencode(kind), flags, os.fsencode(data))
    _check(result, target)


def bind(source: str, target: str) -> None:
    """The tree at ``source``, with what is mounted below it, also at ``target`` (which exists)."""
    mount(source, target, flags=MS_BIND | MS_REC)


def detach(target: str) -> None:
    _check(load().umount2(os.fsencode(target), _MNT_DETACH), target)


def read_only(target: str) -> None:
    """Make the mount at ``target`` and all mounts below it read-only."""
    attributes = struct.pack("QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    result = load().syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_uint(_AT_RECURSIVE),
        ctypes.c_char_p(attributes),
        ctypes.c_size_t(len(attributes)),
    )
    if result == 0:
        return
    if ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM, errno.EINVAL):
        _check(-1, target)
    _read_only_one_by_one(target)


def _read_only_one_by_one(target: str) -> None:
    """For kernels before 5.12."""
    for point in mount_points(target):
        freeze(point)


def freeze(target: str) -> None:
    """Make the one mount at ``target`` read-only; what is mounted below it stays as it is.

    The flags that it already has are repeated, since a user namespace may not clear them.
    """
    present = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("none", target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | present)


def mount_points(below: str) -> list[str]:
    """``below`` and the mount points under it, outermost first."""
    with open("/proc/self/mountinfo", "rb") as table:
        points = [line.split()[4].decode("unicode_escape").encode("latin-1") for line in table]
    base = os.fsencode(below)
    return [os.fsdecode(p) for p in sorted(set(points)) if p == base or p.startswith(base.rstrip(b"/") + b"/")]


def pivot_root(new_root: str) -> None:
    """Make the mount at ``new_root`` the root and let go of the old one."""
    os.chdir(new_root)
    numbers = _NUMBERS.get(os.uname().machine)
    if numbers is None:
        raise OSError(errno.ENOSYS, f"pivot_root's number is not known for {os.uname().machine}")
    here = ctypes.c_char_p(b".")
    _check(int(load().syscall(ctypes.c_long(numbers[0]), here, here)), new_root)
    detach(".")
    os.chdir("/")


def set_hostname(name: str) -> None:
    encoded = name.encode()
    _check(load().sethostname(ctypes.c_char_p(encoded), ctypes.c_size_t(len(encoded))), name)


def loopback_up() -> None:
    """Bring up ``lo`` in a fresh network namespace."""
    get_flags, set_flags, up_and_running = 0x8913, 0x8914, 0x1 | 0x40
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, get_flags, struct.pack("16sH22x", b"lo", 0))
        flags = struct.unpack_from("16sH", answer)[1] | up_and_running
        fcntl.ioctl(control, set_flags, struct.pack("16sH22x", b"lo", flags))


def _prctl(option: int, value: int = 0) -> None:
    zero = ctypes.c_ulong(0)
    _check(load().prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero), "prctl")


def die_with_parent() -> None:
    """SIGKILL when the parent ends. Only for a parent of one thread: the kernel goes by the thread that forked."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def hide_memory(hidden: bool = True) -> None:
    """Keep other processes of the same user from reading this one's memory and environment through /proc.

    ``hidden`` False: let our own /proc files be ours again, which they are not in a process that changed its user.
    """
    _prctl(_PR_SET_DUMPABLE, 0 if hidden else 1)


def set_name(name: str) -> None:
    """The process's name as ``ps`` shows it (15 characters)."""
    text = ctypes.create_string_buffer(name.encode()[:15])
    zero = ctypes.c_ulong(0)
    _check(load().prctl(ctypes.c_int(_PR_SET_NAME), text, zero, zero, zero), "prctl")


def has_capability(number: int) -> bool:
    """Whether this process has the capability in force."""
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0))
    data = ctypes.create_string_buffer(24)
    _check(load().capget(header, data), "capget")
    low, high = struct.unpack_from("III", data.raw, 0)[0], struct.unpack_from("III", data.raw, 12)[0]
    return bool((low | high << 32) >> number & 1)


def drop_capabilities() -> None:
    """Keep only KEPT_CAPABILITIES, for this process and all that it starts."""
    for number in range(_CAPABILITIES_KNOWN):
        if number not in KEPT_CAPABILITIES:
            try:
                _prctl(_PR_CAPBSET_DROP, number)
            except OSError as error:
                if error.errno == errno.EINVAL:  # past the last capability that this kernel knows
                    break
                raise
    mask = sum(1 << number for number in KEPT_CAPABILITIES if has_capability(number))
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0))
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = ctypes.create_string_buffer(struct.pack("IIIIII", low, low, 0, high, high, 0))
    _check(load().capset(header, data), "capset")


def pretend_chown() -> None:
    """Let chown succeed without effect, and forbid new privileges.

    In a user namespace that maps one user, chown to any other fails with EINVAL, and ``tar -x`` run as root, as
    SageMaker's own scripts do, fails with it. Where the architecture's numbers are not known, chown keeps failing.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    program = chown_filter()
    if not program:
        return
    instructions = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("@HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions)))
    set_mode_filter = ctypes.c_uint(1)
    seccomp = _NUMBERS[os.uname().machine][1]
    # Its failure is no matter: without the filter, chown fails, and no more.
    load().syscall(ctypes.c_long(seccomp), set_mode_filter, ctypes.c_uint(0), header)


def chown_filter() -> bytes:
    """Classic BPF: the chown family returns 0 unexecuted. Empty where we don't know the architecture's numbers."""
    if os.uname().machine not in _NUMBERS:
        return b""
    _, _, architecture, calls = _NUMBERS[os.uname().machine]
    load_word, equal, answer = 0x20, 0x15, 0x06
    allow, errno_zero = 0x7FFF0000, 0x00050000
    code = [(load_word, 0, 0, 4), (equal, 0, len(calls) + 1, architecture), (load_word, 0, 0, 0)]
    code += [(equal, len(calls) - i, 0, number) for i, number in enumerate(calls)]
    code += [(answer, 0, 0, allow), (answer, 0, 0, errno_zero)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)
