"""Archives: what a job made, packed as AWS packs it, and archives of users', unpacked with care.

Members are named relative to the folder, without ``./``: ``tarfile.open(...).extractall(folder)`` restores it. Gzip
at level 1: models are mostly floating-point numbers, on which higher levels spend many times the time to save a few
per cent. Imported by the supervisor: only light parts of the standard library.
"""

import os
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from selfmaker.errors import Invalid

LEVEL = 1


def pack(folders: Sequence[Path], archive: Path) -> int:
    """Pack the contents of ``folders`` (where two have a file of one name, the first's is taken) into ``archive``,
    whole or not at all. Returns the number of members. Sockets, pipes and what can't be read are left out."""
    temporary = archive.with_name(archive.name + ".tmp")
    count = 0
    with temporary.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=LEVEL, format=tarfile.PAX_FORMAT) as tar:
            for name, path in members(folders):
                tar.add(path, arcname=name, recursive=False, filter=_plain)
                count += 1
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(archive)
    return count


def copy_tree(folders: Sequence[Path], into: Path) -> int:
    """Copy the same selection as plain files below ``into``, links followed. Returns their number."""
    count = 0
    for name, path in members(folders):
        target = into / name
        if path.is_dir() and not path.is_symlink():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        source = path.resolve()
        if source.is_file():
            shutil.copyfile(source, target)
            count += 1
    return count


def members(folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Name and path of everything below ``folders``, in order of name; a folder comes before what is in it."""
    seen: set[str] = set()
    for folder in folders:
        for top, inner_folders, files in os.walk(folder):
            inner_folders.sort()
            for name in sorted([*inner_folders, *files]):
                path = Path(top, name)
                relative = path.relative_to(folder).as_posix()
                ordinary = path.is_symlink() or path.is_dir() or path.is_file()
                if relative not in seen and ordinary and os.access(path, os.R_OK, follow_symlinks=False):
                    seen.add(relative)
                    yield relative, path


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
                    _check(member, what)
                    tar.extract(member, into)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise Invalid(f"{what} cannot be unpacked: {error}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise Invalid(f"{what} cannot be unpacked: {error}") from None  # damaged gzip


def _check(member: tarfile.TarInfo, what: str) -> None:
    """What Python's ``data`` filter refuses, for the Pythons that lack it (before 3.10.12 and 3.11.4)."""
    inside = _stays(member.name)
    if member.issym():
        inside = inside and not member.linkname.startswith("/")
        inside = inside and _stays(f"{member.name}/../{member.linkname}")
    elif member.islnk():
        inside = inside and _stays(member.linkname)
    if not inside:
        raise Invalid(f"{what} cannot be unpacked: {member.name!r} would be outside of its folder")
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise Invalid(f"{what} cannot be unpacked: {member.name!r} is a device or a pipe")
    member.mode &= 0o755
    member.uid = member.gid = os.getuid()


def _stays(name: str) -> bool:
    normal = os.path.normpath(name)
    return not name.startswith("/") and normal != ".." and not normal.startswith("../")


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nobody's name and number: who ran the job is of no concern to who reads its model."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
