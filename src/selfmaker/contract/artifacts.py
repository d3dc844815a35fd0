"""Archives: what a job made, packed as AWS packs it, and archives of users', unpacked with care.

Members are named relative to the folder, without ``./``: ``tarfile.open(...).extractall(folder)`` restores it. Gzip
at level 1: models are mostly floating-point numbers, on which higher levels spend many times the time to save a few
per cent. Imported by the supervisor: only light parts of the standard library.

Jobs are not trusted with the host's files: what they left behind is read without following a symbolic link that leads
out of its folder.
"""

import errno
import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from selfmaker.contract.layout import ROOT, is_own
from selfmaker.errors import Invalid

LEVEL = 1

_BLOCK = 1024 * 1024
# Errors that are the machine's; any other that unpacking meets, or one without a number, is the archive's.
_OURS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE)


def pack(folders: Sequence[Path], archive: Path) -> int:
    """Pack the contents of ``folders`` (where two have a file of one name, the first's is taken) into ``archive``,
    whole or not at all, and on disk. Returns the number of members. Sockets, pipes and what can't be read are left
    out; symbolic links are kept as they are, those by an absolute path within the folder made relative."""
    temporary = archive.with_name(archive.name + ".tmp")
    count = 0
    with temporary.open("wb") as file:
        packed = gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=file)
        with packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, path in members(folders):
                tar.add(path, arcname=name, recursive=False, filter=_plain)
                count += 1
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(archive)
    _sync_folder(archive.parent)
    return count


def copy_tree(folders: Sequence[Path], into: Path) -> int:
    """Copy the same selection as plain files below ``into``; of the links, those to files of the folder. Returns their
    number."""
    count = 0
    for name, path in members(folders):
        target = into / name
        if path.is_dir() and not path.is_symlink():
            target.mkdir(parents=True, exist_ok=True)
            continue
        source = _within(next(folder for folder in folders if path.is_relative_to(folder)), path)
        if source is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            count += 1
    return count


def members(folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Name and path of everything below ``folders``, in order of name; a folder comes before what is in it. Where two
    have the same name, the first's is taken, unless both are folders."""
    seen: dict[str, bool] = {}
    for folder in folders:
        if not is_own(folder):
            continue
        for top, inner_folders, files in os.walk(folder):
            inner_folders.sort()
            for name in sorted([*inner_folders, *files]):
                path = Path(top, name)
                relative = path.relative_to(folder).as_posix()
                is_folder = path.is_dir() and not path.is_symlink()
                if relative in seen:
                    if is_folder and not seen[relative]:
                        inner_folders.remove(name)  # another host has a file of that name
                elif _packable(path, is_folder):
                    seen[relative] = is_folder
                    yield relative, path


def _packable(path: Path, is_folder: bool) -> bool:
    ordinary = is_folder or path.is_symlink() or path.is_file()
    return ordinary and os.access(path, os.R_OK, follow_symlinks=False)


def _within(folder: Path, path: Path) -> Path | None:
    """The ordinary file that ``path`` is or leads to, if that is in the folder."""
    if path.is_symlink():
        path = path.parent / _relative_link(os.readlink(path), path.relative_to(folder).as_posix())  # noqa: PTH115
    try:
        source = path.resolve(strict=True)
    except (OSError, RuntimeError):  # it leads nowhere, or in a circle
        return None
    return source if source.is_file() and source.is_relative_to(folder.resolve()) else None


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nobody's name and number: who ran the job is of no concern to who reads its model."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    if member.issym():
        member.linkname = _relative_link(member.linkname, member.name)
    return member


def _relative_link(link: str, name: str) -> str:
    """``link`` as seen from the member ``name``, where it is an absolute path in the folder as the job knows it."""
    for folder in (f"{ROOT}/model", f"{ROOT}/output/data"):
        if link.startswith(folder + "/"):
            return os.path.relpath(link, os.path.dirname(f"{folder}/{name}"))  # noqa: PTH120 - a path of the job's
    return link


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unpack(archive: Path, into: Path, what: str = "archive") -> None:
    """Unpack a tar file, compressed or not, that somebody else made. Raises Invalid, naming ``what``, for one that is
    damaged or reaches out of its folder; ``into`` then holds what came before."""
    into.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(into, filter="data")
            else:
                for member in tar:
                    _check(member, into, what)
                    tar.extract(member, into)
            while tar.fileobj is not None and tar.fileobj.read(_BLOCK):
                pass  # the compression's checksum comes last, and tarfile stops before it
    except (tarfile.TarError, EOFError, ValueError, KeyError, zlib.error) as error:
        raise Invalid(f"{what} cannot be unpacked: {error.args[0] if error.args else error}") from None
    except RecursionError:
        raise Invalid(f"{what} cannot be unpacked: its links go in a circle") from None
    except OSError as error:
        if error.errno in _OURS:
            raise
        raise Invalid(f"{what} cannot be unpacked: {error.strerror or error}") from None


def _check(member: tarfile.TarInfo, into: Path, what: str) -> None:
    """What Python's ``data`` filter refuses, for the Pythons that lack it (before 3.10.12 and 3.11.4)."""
    inside = not member.name.startswith("/") and _stays(into, member.name)
    if member.issym():
        parent = os.path.dirname(member.name)  # noqa: PTH120 - a name in the archive
        inside = inside and not member.linkname.startswith("/") and _stays(into, f"{parent}/./{member.linkname}")
    elif member.islnk():
        inside = inside and _stays(into, member.linkname)
    if not inside:
        raise Invalid(f"{what} cannot be unpacked: {member.name!r} would be outside of its folder")
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise Invalid(f"{what} cannot be unpacked: {member.name!r} is a device or a pipe")
    member.mode = (member.mode & 0o755) | (0o700 if member.isdir() else 0o600)
    member.uid, member.gid = os.getuid(), os.getgid()


def _stays(into: Path, name: str) -> bool:
    """Whether ``name``, through the links that are there already, is in the folder."""
    base = os.path.realpath(into)
    target = os.path.realpath(f"{base}/{name}")
    return os.path.commonpath([base, target]) == base
