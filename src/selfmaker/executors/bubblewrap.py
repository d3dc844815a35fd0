# Paths are strings here: pathlib costs a forked child more than the child's own work.
# ruff: noqa: PTH101, PTH103, PTH110, PTH112, PTH113, PTH114, PTH115, PTH123, PTH208
"""The same sandbox by way of ``bwrap``, for machines whose policy lets only that program make user namespaces.

bwrap is given the finished file system as arguments, and runs a few lines of shell that say whether the program can
be started and then become it.
"""

import contextlib
import os
import select
import signal
from collections.abc import Iterable
from typing import NoReturn

from selfmaker.executors import init, launch, mounts, root, syscalls
from selfmaker.executors.hearers import hearers
from selfmaker.executors.protocol import Access, RunSpec

_STATUS = 3  # the descriptor on which the shell reports, inside the sandbox
_NAMES = (  # of init.KEPT_CAPABILITIES, in bwrap's spelling
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_CHROOT",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
)

# $0 is the program, $1 the working directory, and then NAME=VALUE..., the program and its arguments. What it says on
# descriptor 3 is R, and behind it, where the program cannot be started, the code and the reason.
_STARTER = r"""
refuse() { printf 'R%s\n%s' "$1" "$2" >&3; exit "$1"; }
n=$0 p=
mkdir -p "$1" 2>/dev/null
cd "$1" 2>/dev/null || refuse 127 "chdir to cwd ('$1') failed: no such file or directory"
shift
case $n in
*/*) [ -e "$n" ] || refuse 127 "exec: \"$n\": stat $n: no such file or directory"
  p=$n ;;
*) denied=
  IFS=:
  for d in $PATH; do
    [ -f "$d/$n" ] || continue
    if [ -x "$d/$n" ]; then p=$d/$n; break; fi
    denied=1
  done
  unset IFS
  [ -n "$p$denied" ] || refuse 127 "exec: \"$n\": executable file not found in \$PATH"
  [ -n "$p" ] || refuse 126 "exec: \"$n\": permission denied" ;;
esac
[ -d "$p" ] && refuse 126 "exec: \"$n\": is a directory"
[ -x "$p" ] || refuse 126 "exec: \"$n\": permission denied"
magic=$(head -c 4 "$p" 2>/dev/null | tr -d '\0\n\r')
case $magic in
'#!'*) i=$(head -n 1 "$p" | sed 's/^#![ \t]*//; s/[ \t].*//')
  [ -e "$i" ] || refuse 127 \
    "exec $p: no such file or directory (the interpreter that its first line names is missing)" ;;
?ELF|'') ;;
*) refuse 126 "exec $p: exec format error" ;;
esac
printf R >&3
exec env -i -- "$@" 2>&1 3>&-
"""


def program() -> str | None:
    """Where bwrap is, or None."""
    for folder in os.get_exec_path():
        if os.access(f"{folder}/bwrap", os.X_OK):
            return f"{folder}/bwrap"
    return None


def start(spec: RunSpec, steps: list[mounts.Step], output: int) -> launch.SandboxRun:
    """Like ProcessExecutor.start. Raises Refused where bwrap is not installed or fails."""
    path = program()
    if path is None:
        raise launch.Refused("bwrap is not installed")
    bwrap: str = path
    scratch = str(spec.scratch)
    privileged = os.geteuid() == 0 and syscalls.has_capability(syscalls.CAP_SYS_ADMIN)
    notes: list[str] = []
    arguments = [*_namespaces(spec, privileged), *_file_system(spec, steps, privileged, notes)]
    search_path = spec.environment.get("PATH") or init.DEFAULT_PATH
    arguments += ["--clearenv", "--setenv", "PATH", search_path, "--chdir", "/"]
    variables = [f"{name}={value}" for name, value in spec.environment.items()]
    command = ["--", "/bin/sh", "-c", _STARTER, spec.argv[0], spec.directory, *variables, *spec.argv]

    def keeper(control: int) -> NoReturn:
        if spec.island is not None:
            spec.island.enter()
        _keep(control, bwrap, arguments, command, notes)

    kept = spec.island.descriptors if spec.island else ()
    return launch.launch(keeper, output, lambda: mounts.tidy(scratch), kept)


def _namespaces(spec: RunSpec, privileged: bool) -> Iterable[str]:
    yield from ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", spec.hostname)
    yield from ("--die-with-parent", "--new-session")
    if not spec.network and spec.island is None:
        yield "--unshare-net"
    if not privileged:
        yield from ("--unshare-user", "--uid", "0", "--gid", "0")
    yield from ("--cap-drop", "ALL")
    for name in _NAMES:
        yield from ("--cap-add", name)


def _file_system(spec: RunSpec, steps: list[mounts.Step], privileged: bool, notes: list[str]) -> list[str]:
    base = f"{spec.scratch}/bwrap-root"
    os.makedirs(base, exist_ok=True)
    found = ["--bind", base, "/"]
    for folder, mode in root.FOLDERS:
        os.makedirs(f"{base}/{folder}", exist_ok=True)
        os.chmod(f"{base}/{folder}", mode)
    home = spec.environment.get("HOME", "")
    if home.strip("/") and home.startswith("/"):
        found += ["--dir", home]
    for path in root.system_folders():
        if os.path.islink(path):
            found += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            found += ["--ro-bind", path, path]
    if root.own_profile():
        found += ["--ro-bind", root.PROFILE, "/etc/profile"]
    found += ["--dev", "/dev", "--proc", "/proc", "--ro-bind", "/sys", "/sys"]
    for name in root.accelerators():
        found += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    if privileged:
        for secret in root.unreadable_by_others():
            found += _hidden(f"/etc/{secret}", os.path.isdir(f"/etc/{secret}"))
        for path in root.FROZEN:
            found += ["--ro-bind-try", path, path]
    found += ["--bind", root.own_hosts(str(spec.scratch), spec.hostname, spec.hosts), os.path.realpath("/etc/hosts")]
    resolver = os.path.realpath("/etc/resolv.conf")
    if os.path.isfile(resolver):
        found += ["--ro-bind", resolver, resolver]
    for step in steps:
        found += _step(step, notes)
    return found


def _step(step: mounts.Step, notes: list[str]) -> list[str]:
    if step.access is None:
        return _hidden(step.target, os.path.isdir(step.source)) if os.path.exists(step.source) else []
    if step.access is Access.READ_WRITE:
        return ["--bind", step.source, step.target]
    if step.access is Access.READ_ONLY:
        return ["--ro-bind", step.source, step.target]
    copy = mounts.copied(step, notes)
    return ["--ro-bind", step.source, step.target] if copy is None else ["--bind", copy, step.target]


def _hidden(path: str, is_folder: bool) -> list[str]:
    return ["--tmpfs", path] if is_folder else ["--ro-bind", "/dev/null", path]


def _keep(control: int, bwrap: str, arguments: list[str], command: list[str], notes: list[str]) -> NoReturn:
    """The keeper: starts bwrap, reports, and attends to it."""
    children = init.Children()
    said, status = os.pipe()
    complaint, errors = os.pipe()
    child, ids = os.pipe()
    chown = _in_memory(syscalls.chown_filter())
    arguments = ["--info-fd", str(ids), "--seccomp", str(chown), *arguments]
    packed = _in_memory(b"\0".join(os.fsencode(argument) for argument in arguments) + b"\0")
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.dup2(errors, 2)
        os.set_inheritable(ids, True)
        os.dup2(status, _STATUS)
        os.execve(bwrap, ["bwrap", "--args", str(packed), *command], {"PATH": "/usr/bin:/bin"})
    for fd in (status, errors, ids, packed, chown):
        os.close(fd)
    init.let_go_of_output()
    report = _read_report(said)
    if not report:
        text = os.read(complaint, 65536).decode("utf-8", "replace").strip()
        init.send(control, init.FAILED, f"{launch.REFUSED}\n{text or 'bwrap ended without a word'}")
        os._exit(1)
    init.send(control, init.READY, "\n".join(notes))
    if report != b"R":
        init.send(control, init.LAUNCH_ERROR, report[1:].decode("utf-8", "replace"))
    inside = _child_pid(os.read(child, 4096))

    def deliver(number: int) -> None:
        if number == signal.SIGKILL:
            told = [inside or pid]
        else:
            first = _first(inside)
            told = hearers(first, number) if first else [pid]
        for each in told:
            with contextlib.suppress(OSError):  # it has ended; or there is no such signal
                os.kill(each, number)

    code = init.attend(control, children, pid, deliver)
    init.send(control, init.EXITED, str(code))
    os._exit(code)


def _in_memory(content: bytes) -> int:
    """A descriptor, to be inherited, from which ``content`` can be read."""
    fd = os.memfd_create("selfmaker", 0)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _read_report(fd: int) -> bytes:
    """``R`` alone: it starts; ``R`` and more: why not; nothing: bwrap failed before."""
    report = b""
    while block := os.read(fd, 4096):
        report += block
    return report


def _child_pid(text: bytes) -> int:
    """bwrap's info: ``{"child-pid": 123}``, among other numbers in newer versions."""
    _, _, rest = text.partition(b'"child-pid":')
    digits = rest.split(b",")[0].strip(b" \n}")
    return int(digits) if digits.isdigit() else 0


def _first(inside: int) -> int:
    """The oldest child of bwrap's process 1: the user's process. It is there a moment after bwrap says that it is."""
    for _ in range(1000):
        found = _children_of(inside)
        if found:
            return min(found)[1]
        select.select([], [], [], 0.001)
    return 0


def _children_of(parent: int) -> list[tuple[int, int]]:
    """(start time, pid) of each."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == parent:
                found.append((int(fields[19]), int(name)))
    return found
