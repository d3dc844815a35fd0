"""The code of functions: archives by their digest, each unpacked once."""

import base64
import hashlib
import io
import os
import shutil
import stat
import threading
import zipfile
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

from selfmaker import ids
from selfmaker.errors import Invalid, NotFound

LARGEST = 262_144_000  # bytes, unpacked


class FunctionCode:
    """Thread safe. An archive that was put is on disk; unpacked folders are made anew from it when they are missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, archive: bytes) -> str:
        """Keep a zip archive; returns its name. Raises Invalid for what is none, or is too large unpacked."""
        _check(archive)
        name = hashlib.sha256(archive).hexdigest()
        path = self.archive(name)
        if not path.exists():
            written = self._folder / f".{ids.unique_id()}"
            with written.open("wb") as file:
                file.write(archive)
                file.flush()
                os.fsync(file.fileno())
            written.rename(path)
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(descriptor)
            os.close(descriptor)
        return name

    def archive(self, name: str) -> Path:
        return self._folder / f"{name}.zip"

    def unpacked(self, name: str) -> Path:
        """The folder with the archive's files. Raises NotFound."""
        folder = self._folder / name
        with self._lock:
            if folder.is_dir():
                return folder
            making = self._folder / f".{ids.unique_id()}"
            try:
                with zipfile.ZipFile(self.archive(name)) as archive:
                    _unpack(archive, making)
            except FileNotFoundError:
                raise NotFound("the function's code is gone") from None
            making.rename(folder)
            return folder

    def keep_only(self, names: Collection[str]) -> None:
        """Remove every other archive, and what begun and never finished."""
        for path in self._folder.iterdir():
            if path.stem not in names or path.name.startswith("."):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def digest(name: str) -> str:
    """CodeSha256: the digest in base64."""
    return base64.b64encode(bytes.fromhex(name)).decode()


def _check(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            names = archive.namelist()
            if size <= LARGEST:
                whole = archive.testzip() is None
                sound = whole and _has_room_for_each(archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, zlib.error):
        raise Invalid("Could not unzip uploaded file. Please check your file, then try to upload again.") from None
    if size > LARGEST:
        raise Invalid(f"Unzipped size must be smaller than {LARGEST} bytes")
    if not names:
        raise Invalid("Uploaded file must be a non-empty zip")
    if not sound:
        raise Invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")


def _has_room_for_each(entries: Sequence[zipfile.ZipInfo]) -> bool:
    """Whether no name is that of a file and of a folder, too."""
    names = [tuple(part for part in entry.filename.split("/") if part not in ("", ".", "..")) for entry in entries]
    files = {name for name, entry in zip(names, entries, strict=True) if not entry.is_dir()}
    folders = {name[:length] for name in names for length in range(1, len(name))}
    folders |= {name for name, entry in zip(names, entries, strict=True) if entry.is_dir()}
    return not files & folders


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    folder.mkdir(mode=0o755)
    for entry in archive.infolist():
        path = Path(archive.extract(entry, folder))  # which keeps to the folder, whatever the name says
        mode = entry.external_attr >> 16
        if not stat.S_ISLNK(mode):
            path.chmod(0o755 if path.is_dir() or mode & 0o111 else 0o644)
