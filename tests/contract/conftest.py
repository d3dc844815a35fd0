"""A stand-in for the object store, of plain files, for the tests of what reads from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from selfmaker.errors import NotFound


@dataclass
class Stored:
    """One object."""

    key: str
    size: int
    path: Path


class Bucket:
    """One bucket, ``b``. Files are read-only, as the store's are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects: dict[str, Stored] = {}
        folder.mkdir()

    def add(self, *keys: str, content: bytes | None = None) -> "Bucket":
        for key in keys:
            path = self.folder / str(len(list(self.folder.iterdir())))
            path.write_bytes(key.encode() if content is None else content)
            path.chmod(0o444)
            self.objects[key] = Stored(key, path.stat().st_size, path)
        return self

    def list(self, bucket: str, prefix: str = "") -> Iterator[Stored]:
        self._check(bucket)
        return (self.objects[key] for key in sorted(self.objects, key=str.encode) if key.startswith(prefix))

    def head(self, bucket: str, key: str) -> Stored:
        self._check(bucket)
        if key not in self.objects:
            raise NotFound("The specified key does not exist.")
        return self.objects[key]

    def link(self, bucket: str, key: str, target: Path) -> Stored:
        found = self.head(bucket, key)
        target.hardlink_to(found.path)
        return found

    def put_file(self, bucket: str, key: str, path: Path) -> None:
        self._check(bucket)
        self.add(key, content=path.read_bytes())

    def content(self) -> dict[str, bytes]:
        return {key: stored.path.read_bytes() for key, stored in self.objects.items()}

    def _check(self, bucket: str) -> None:
        if bucket != "b":
            raise NotFound("The specified bucket does not exist")


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    """An empty bucket ``b``."""
    return Bucket(tmp_path / "bucket")
