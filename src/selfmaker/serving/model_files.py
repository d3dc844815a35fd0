"""Models' files, unpacked: one folder for each stored object or set of objects, however many endpoints serve it.

A folder is made whole and renamed into place, and never changes: workers see it copy-on-write. Its name says what it
was made from: an object that was replaced since makes another folder, and endpoints go on with the one they had.
"""

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from selfmaker import ids
from selfmaker.contract.artifacts import unpack
from selfmaker.errors import Invalid, NotFound, Unavailable
from selfmaker.objects.protocol import ObjectInfo
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import parse_s3_uri
from selfmaker.serving.spec import ARCHIVE, OBJECT

Fill = Callable[[Path], None]


class MissingData(Invalid):
    """There is no object, or none below the prefix, where the model's data should be."""

    def __init__(self, uri: str, bucket: str, key: str) -> None:
        super().__init__(f"Could not find model data at {uri}.")
        self.bucket = bucket
        self.key = key


class ModelFiles:
    """Thread safe. ``hold`` what is in use; what nobody holds any more is removed by ``drop``."""

    def __init__(self, objects: ObjectStore, folder: Path) -> None:
        self._objects = objects
        self._folder = folder
        self._lock = threading.Lock()
        self._holders: dict[str, int] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        return self._folder / name

    def fetch(self, uri: str, form: str) -> str:
        """The name of the folder with the files of ``uri``, made if need be and held for the caller.

        Raises Invalid, with what is wrong with the data, and Unavailable when the disk is full.
        """
        bucket, key = _location(uri)
        try:
            if form in (ARCHIVE, OBJECT):
                info = self._objects.head(bucket, key)
                return self._held(_name(form, [info]), lambda target: _fill(target, info, form, uri))
            found = list(self._objects.list(bucket, key))
        except NotFound:
            raise MissingData(uri, bucket, key) from None
        if not found:
            raise MissingData(uri, bucket, key)
        return self._held(_name(form, found), lambda target: _link_all(target, found, key))

    def hold(self, name: str) -> bool:
        """Hold a folder that was made earlier; False when it is not there any more."""
        with self._lock:
            if not self.path(name).is_dir():
                return False
            self._holders[name] = self._holders.get(name, 0) + 1
            return True

    def drop(self, names: Iterable[str]) -> None:
        """Give up one hold on each; a folder that nobody holds is removed."""
        for name in names:
            with self._lock:
                left = self._holders.get(name, 1) - 1
                if left > 0:
                    self._holders[name] = left
                    continue
                self._holders.pop(name, None)
                doomed = self._folder / f"tmp-{ids.unique_id()}"
                with contextlib.suppress(FileNotFoundError):
                    self.path(name).rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)

    def sweep(self, keep: set[str]) -> None:
        """Remove what an earlier server left, but for the folders in ``keep``. Before anything is fetched."""
        for entry in self._folder.iterdir():
            if entry.name not in keep:
                shutil.rmtree(entry, ignore_errors=True)

    def _held(self, name: str, fill: Fill) -> str:
        if self.hold(name):
            return name
        temporary = self._folder / f"tmp-{ids.unique_id()}"
        temporary.mkdir(mode=0o755)
        try:
            fill(temporary)
            with self._lock:
                if not self.path(name).is_dir():
                    temporary.rename(self.path(name))
                self._holders[name] = self._holders.get(name, 0) + 1
        except OSError as error:
            raise Unavailable(f"The model's files could not be stored: {error.strerror or error}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return name


def _location(uri: str) -> tuple[str, str]:
    try:
        return parse_s3_uri(uri)
    except ValueError:
        raise Invalid(f"The model data's location must be of the form s3://bucket/key, got {uri!r}.") from None


def _name(form: str, objects: list[ObjectInfo]) -> str:
    digest = hashlib.sha256(form.encode())
    for info in objects:
        digest.update(f"\0{info.bucket}\0{info.key}\0{info.path.name}".encode())
    return digest.hexdigest()[:40]


def _fill(target: Path, info: ObjectInfo, form: str, uri: str) -> None:
    if form == OBJECT:
        _link(info.path, target / PurePosixPath(info.key).name)
        return
    try:
        unpack(info.path, target, uri)
    except Invalid as error:
        raise Invalid(
            f'Failed to extract model data archive from URL "{uri}". Please ensure that the object located at the URL '
            f"is a valid tar.gz archive. ({error.message})"
        ) from error
    with contextlib.suppress(OSError):  # ModelBuilder's, mostly empty; its code would copy it to /lib, which nobody may
        (target / "shared_libs").rmdir()


def _link_all(target: Path, objects: list[ObjectInfo], prefix: str) -> None:
    base = prefix if prefix.endswith("/") else prefix.rpartition("/")[0] + "/" if "/" in prefix else ""
    for info in objects:
        relative = PurePosixPath(info.key.removeprefix(base))
        if info.key.endswith("/"):
            continue
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise Invalid(f"The key {info.key!r} cannot be a file of the model's folder.")
        path = target / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        _link(info.path, path)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
