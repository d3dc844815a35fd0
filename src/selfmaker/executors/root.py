# Paths are strings here: pathlib costs a forked child more than the child's own work.
# ruff: noqa: PTH102, PTH110, PTH112, PTH113, PTH114, PTH115, PTH123, PTH208, PTH211
"""What a sandboxed process finds around its mounts: the system's programs, and private writable folders.

Runs in the forked child, before it changes its root.
"""

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from selfmaker.executors import syscalls

_SYSTEM = ("usr", "bin", "sbin", "etc", "nix", "gnu")
_SYSTEM_BELOW_RUN = ("/run/current-system", "/run/opengl-driver")  # NixOS keeps programs and drivers there
PROFILE = str(Path(__file__).with_name("profile.sh"))  # for login shells
FOLDERS = (
    ("dev", 0o755),
    ("proc", 0o555),
    ("sys", 0o555),
    ("run", 0o755),
    ("run/lock", 0o1777),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/tmp", 0o1777),
    ("var/log", 0o755),
    ("opt", 0o755),
    ("root", 0o700),
    ("home", 0o755),
    ("mnt", 0o755),
)
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_ACCELERATORS = ("nvidia", "dri", "kfd", "dxg", "neuron", "infiniband", "accel")
_LINKS = (
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
    ("dev/ptmx", "pts/ptmx"),
    ("var/run", "/run"),
    ("var/lock", "/run/lock"),
)

# What Docker hides from, or forbids to write to, the root of a container that has no user namespace of its own.
_MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
FROZEN = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_SECRET = (
    "ssh",
    "ssl/private",
    "sudoers.d",
    "NetworkManager/system-connections",
    "wireguard",
    "letsencrypt",
    "docker",
    "kubernetes",
    "pki/tls/private",
    "pki/consumer",
    "polkit-1",
)


def build(root: str, privileged: bool) -> list[str]:
    """Fill the empty folder ``root`` with what is the same for every run. Returns notes for people about what could not
    be had."""
    notes: list[str] = []
    syscalls.bind(root, root)
    for name, mode in FOLDERS:
        os.mkdir(f"{root}/{name}", mode)
    _system(root)
    _devices(root, privileged)
    for name, target in _LINKS:
        os.symlink(target, f"{root}/{name}")
    _kernel(root, privileged, notes)
    return notes


def renew(root: str, privileged: bool) -> None:
    """Add what depends on the machine at the moment of the run: what is secret, and the accelerators."""
    if privileged:
        for name in unreadable_by_others():
            mask(f"{root}/etc/{name}")
    _bind_devices(root, accelerators())


def system_folders() -> list[str]:
    """The host's paths that every sandbox shows at the same place, read-only."""
    names = [n for n in os.listdir("/") if n in _SYSTEM or n.startswith("lib")]
    return [f"/{n}" for n in names] + [p for p in _SYSTEM_BELOW_RUN if os.path.lexists(p)]


def _system(root: str) -> None:
    for path in system_folders():
        if os.path.islink(path):
            os.symlink(os.readlink(path), root + path)
        elif os.path.isdir(path):
            os.mkdir(root + path)
            syscalls.bind(path, root + path)
            syscalls.read_only(root + path)
    if own_profile():
        syscalls.bind(PROFILE, f"{root}/etc/profile")
        syscalls.read_only(f"{root}/etc/profile")


def own_profile() -> bool:
    """Whether there is a file in whose place login shells find ours."""
    return os.path.isfile("/etc/profile") and not os.path.islink("/etc/profile")


def unreadable_by_others() -> list[str]:
    """What of /etc only the host's root may read: a job that runs as that root must not."""
    found = [name for name in _SECRET if os.path.isdir(f"/etc/{name}")]
    for entry in os.scandir("/etc"):
        if not entry.is_symlink():
            wanted = 0o005 if entry.is_dir(follow_symlinks=False) else 0o004
            if entry.stat(follow_symlinks=False).st_mode & wanted != wanted and entry.name not in found:
                found.append(entry.name)
    return found


def mask(path: str, flags: int = syscalls.MS_RDONLY) -> bool:
    """Put an empty nothing over ``path`` (a file, or a folder), if it is there. Whether it was a folder."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        syscalls.mount("tmpfs", path, "tmpfs", flags | syscalls.MS_NOSUID | syscalls.MS_NODEV, "size=1m,mode=0555")
        return True
    if not stat.S_ISLNK(mode):
        syscalls.mount("/dev/null", path, flags=syscalls.MS_BIND)
    return False


def accelerators() -> list[str]:
    """The names in /dev of graphics cards and their like."""
    return [name for name in os.listdir("/dev") if name.startswith(_ACCELERATORS)]


def _devices(root: str, privileged: bool) -> None:
    dev = f"{root}/dev"
    syscalls.mount("tmpfs", dev, "tmpfs", syscalls.MS_NOSUID, "mode=755,size=64m")
    _bind_devices(root, _DEVICES)
    for name in ("shm", "pts"):
        os.mkdir(f"{dev}/{name}", 0o755)
    safe = syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount("tmpfs", f"{dev}/shm", "tmpfs", safe, "mode=1777")
    group = ",gid=5" if privileged else ""  # the group tty, which a user namespace of one user doesn't have
    syscalls.mount(
        "devpts",
        f"{dev}/pts",
        "devpts",
        syscalls.MS_NOSUID | syscalls.MS_NOEXEC,
        f"newinstance,ptmxmode=0666,mode=620{group}",
    )


def _bind_devices(root: str, names: Iterable[str]) -> None:
    for name in names:
        if os.path.isdir(f"/dev/{name}"):
            os.mkdir(f"{root}/dev/{name}", 0o755)
        else:
            touch(f"{root}/dev/{name}")
        syscalls.bind(f"/dev/{name}", f"{root}/dev/{name}")


def _kernel(root: str, privileged: bool, notes: list[str]) -> None:
    safe = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    try:
        syscalls.mount("proc", f"{root}/proc", "proc", safe)
    except PermissionError:
        if privileged:
            raise
        # Inside a container that masks parts of /proc the kernel refuses a fresh one. The host's shows more processes,
        # and our user namespace keeps the job from touching them.
        syscalls.bind("/proc", f"{root}/proc")
        notes.append("/proc shows the processes outside the sandbox: a fresh one is not allowed on this machine")
    try:
        syscalls.mount("sysfs", f"{root}/sys", "sysfs", safe | syscalls.MS_RDONLY)
        if os.path.isdir(f"{root}/sys/fs/cgroup"):
            syscalls.bind("/sys/fs/cgroup", f"{root}/sys/fs/cgroup")
    except PermissionError:
        syscalls.bind("/sys", f"{root}/sys")
    syscalls.read_only(f"{root}/sys")
    if privileged:
        for path in FROZEN:
            if os.path.exists(root + path):
                syscalls.mount(root + path, root + path, flags=syscalls.MS_BIND)
                syscalls.freeze(root + path)
        for path in _MASKED:
            mask(root + path)


def name_resolution(root: str, scratch: str, hostname: str, hosts: Mapping[str, str]) -> None:
    """/etc/hosts of the run's own (writable, as in a container), and an /etc/resolv.conf that leads somewhere."""
    own = own_hosts(scratch, hostname, hosts)
    target = root + os.path.realpath("/etc/hosts")
    if os.path.isfile(target) and not os.path.islink(target):
        syscalls.mount(own, target, flags=syscalls.MS_BIND)
    resolver = os.path.realpath("/etc/resolv.conf")
    if os.path.isfile(resolver) and not os.path.lexists(root + resolver):
        with open(resolver, encoding="utf-8", errors="surrogateescape") as source:
            write(mount_point(root, resolver, is_folder=False), source.read())


def own_hosts(scratch: str, hostname: str, hosts: Mapping[str, str]) -> str:
    """Write the run's /etc/hosts; its path on the host."""
    table = {"localhost": "127.0.0.1", hostname: "127.0.0.1", **hosts}
    lines = "".join(f"{address}\t{name}\n" for name, address in table.items())
    write(f"{scratch}/hosts", lines + "::1\tlocalhost ip6-localhost ip6-loopback\n")
    return f"{scratch}/hosts"


def mount_point(root: str, target: str, is_folder: bool) -> str:
    """Make sure that there is something at ``target`` to mount on; its path as seen from here.

    Symbolic links are refused: what an earlier run left in a writable folder must not lead us, who still see the host,
    out of the sandbox.
    """
    path = root
    names = target.strip("/").split("/")
    for position, name in enumerate(names):
        path = f"{path}/{name}"
        wants_folder = is_folder or position < len(names) - 1
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            if wants_folder:
                os.mkdir(path, 0o755)
            else:
                touch(path)
            continue
        if stat.S_ISLNK(mode):
            raise OSError(errno.ELOOP, "a symbolic link is in the way", target)
        if stat.S_ISDIR(mode) != wants_folder:
            raise OSError(errno.ENOTDIR, "a file is where a folder must be, or a folder where a file must be", target)
    return path


def touch(path: str) -> None:
    """An empty file to mount something on."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
