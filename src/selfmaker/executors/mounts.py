# Paths are strings here: pathlib costs a forked child more than the child's own work.
# ruff: noqa: PTH101, PTH103, PTH108, PTH110, PTH112, PTH116, PTH123, PTH208, PTH211
"""The mounts of a run, laid into its new root.

The plan is made in the parent, where mistakes can be told as errors; the laying happens in the forked child.
"""

import errno
import fcntl
import os
import stat
from dataclasses import dataclass

from selfmaker.errors import Invalid
from selfmaker.executors import root as sandbox_root
from selfmaker.executors import syscalls
from selfmaker.executors.protocol import Access, RunSpec

_FORBIDDEN = ("/proc", "/sys", "/dev")
_COPY_LIMIT_BYTES = 256 * 1024 * 1024
_COPY_LIMIT_FILES = 20_000
_FICLONE = 0x40049409
_REFUSED = (errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Step:
    """``source`` (real path) at ``target``. ``access`` None: hide ``target``. ``work``: a copy-on-write's scratch."""

    source: str
    target: str
    access: Access | None
    work: str


def plan(spec: RunSpec) -> list[Step]:
    """The steps in the order in which to take them: a mount before what lies inside it. Raises Invalid."""
    steps: list[Step] = []
    for number, mount in enumerate(spec.mounts):
        source, target = os.path.realpath(mount.source), "/" + os.path.normpath(mount.target).lstrip("/")
        if not os.path.exists(source):
            raise Invalid(f"cannot mount {mount.source} at {mount.target}: there is no such file or folder")
        if not mount.target.startswith("/") or ".." in mount.target.split("/"):
            raise Invalid(f"cannot mount at {mount.target}: an absolute path without '..' is needed")
        if target == "/" or any(_inside(target, path) for path in _FORBIDDEN):
            raise Invalid(f"cannot mount at {mount.target}: that belongs to the system")
        steps.append(Step(source, target, mount.access, f"{spec.scratch}/cow/{number}"))
    return sorted(steps + _masks(spec, steps), key=lambda step: step.target.count("/"))


def _masks(spec: RunSpec, steps: list[Step]) -> list[Step]:
    """Where a hidden path would show through a mount, or through one of the system's own folders."""
    shown = [(step.source, step.target) for step in steps] + [(p, p) for p in sandbox_root.system_folders()]
    masks = []
    for hidden in sorted({os.path.realpath(path) for path in spec.hidden}):
        for source, target in shown:
            if hidden != source and _inside(hidden, source):
                masks.append(Step(hidden, target.rstrip("/") + hidden[len(source.rstrip("/")) :], None, ""))
    return masks


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def lay(steps: list[Step], root: str, privileged: bool) -> list[str]:
    """Take the steps below ``root``. Returns notes. Raises OSError, whose file name says which mount it was."""
    notes: list[str] = []
    masked: list[str] = []
    for step in steps:
        if step.access is None:
            if sandbox_root.mask(root + step.target, flags=0):
                masked.append(root + step.target)
            continue
        is_folder = os.path.isdir(step.source)
        point = sandbox_root.mount_point(root, step.target, is_folder)
        if step.access is Access.COPY_ON_WRITE:
            _copy_on_write(step, point, privileged, notes)
            continue
        syscalls.bind(step.source, point)
        if step.access is Access.READ_ONLY:
            syscalls.read_only(point)
    for path in masked:  # only now: a mount may lie inside a hidden folder
        syscalls.freeze(path)
    return notes


def _copy_on_write(step: Step, point: str, privileged: bool, notes: list[str]) -> None:
    if not os.path.isdir(step.source):
        _copy_file(step, point, privileged)
        return
    _make(step, "upper", "work")
    try:
        _overlay(step.source, step.work, point, privileged)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        copy = copied(step, notes)
        syscalls.bind(copy or step.source, point)
        if copy is None:
            syscalls.read_only(point)


def _make(step: Step, *names: str) -> None:
    """Scratch folders of a copy-on-write; no more than it needs: a new folder costs more than a mount."""
    for name in names:
        os.makedirs(f"{step.work}/{name}", exist_ok=True)


def _overlay(lower: str, work: str, point: str, privileged: bool) -> None:
    """The paths of an overlay's options are relative, through a link: no length limit and nothing to escape."""
    link = f"{work}/source"
    if not os.path.lexists(link):
        os.symlink(lower, link)
    upper_mode = stat.S_IMODE(os.stat(lower).st_mode)
    os.chmod(f"{work}/upper", upper_mode | stat.S_IRWXU)
    layers = "lowerdir=source,upperdir=upper,workdir=work"
    kind = ",redirect_dir=on" if privileged else ",userxattr"
    # Volatile: without it, the end of the sandbox waits until all that anybody wrote to the disk is on it.
    choices = [kind + ",volatile", kind]  # Linux 5.10 brought it
    if privileged:
        choices.append("")
    os.chdir(work)
    try:
        for options in choices:
            try:
                syscalls.mount("overlay", point, "overlay", data=layers + options)
                return
            except OSError:
                if options == choices[-1]:
                    raise
    finally:
        os.chdir("/")


def copied(step: Step, notes: list[str]) -> str | None:
    """Where there is no overlay: a copy of a file or of a small folder. None: too large, it has to be read-only."""
    import shutil  # slow to load, and seldom needed

    _make(step, "merged")
    copy = f"{step.work}/merged"
    if not os.path.isdir(step.source):
        if not _clone(step.source, f"{copy}/file"):
            shutil.copy2(step.source, f"{copy}/file")
        return f"{copy}/file"
    if not _is_small(step.source):
        notes.append(f"{step.target} is read-only: this machine refuses overlayfs, and the folder is too large to copy")
        return None
    shutil.copytree(step.source, copy, symlinks=True, dirs_exist_ok=True)
    return copy


def _is_small(folder: str) -> bool:
    files = total = 0
    for where, _, names in os.walk(folder):
        files += len(names)
        total += sum(os.lstat(f"{where}/{name}").st_size for name in names)
        if files > _COPY_LIMIT_FILES or total > _COPY_LIMIT_BYTES:
            return False
    return True


def _copy_file(step: Step, point: str, privileged: bool) -> None:
    """One file: a clone where the file system can; else an overlay of a folder that holds a link to it; else a copy."""
    _make(step, "upper", "work", "lower", "merged")
    copy = f"{step.work}/merged/file"
    if _clone(step.source, copy):
        syscalls.bind(copy, point)
        return
    try:
        os.link(step.source, f"{step.work}/lower/file")
        _overlay(f"{step.work}/lower", step.work, f"{step.work}/merged", privileged)
    except OSError:
        copied(step, [])
    syscalls.bind(copy, point)


def _clone(source: str, target: str) -> bool:
    with open(source, "rb") as original, open(target, "wb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
        except OSError:
            cloned = False
        else:
            cloned = True
            os.fchmod(copy.fileno(), stat.S_IMODE(os.fstat(original.fileno()).st_mode))
    if not cloned:
        os.unlink(target)
    return cloned


def tidy(scratch: str) -> None:
    """Give back to its owner what the kernel made unreadable, so that the folder can be removed."""
    try:
        numbers = os.listdir(f"{scratch}/cow")
    except FileNotFoundError:
        return
    for number in numbers:
        made = f"{scratch}/cow/{number}/work/work"
        for folder in (made, f"{made}/incompat", f"{made}/incompat/volatile"):
            try:
                os.chmod(folder, 0o700)
            except FileNotFoundError:
                break


def empty(scratch: str) -> None:
    """Remove what a sandbox that was given up has left."""
    import shutil  # slow to load, and seldom needed

    for entry in os.scandir(scratch):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)
