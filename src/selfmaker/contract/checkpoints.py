"""Checkpoints: a folder of the job's that is kept in step with a prefix in the object store, in one direction.

The store's prefix is restored into the folder before the job starts; while it runs, files that are new or have
changed are put. Nothing is deleted in the store, as on AWS. The job may do to the folder what it likes meanwhile: no
symbolic link of its making is followed.
"""

import os
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from selfmaker.contract.channels import Objects as ReadableObjects
from selfmaker.contract.channels import place
from selfmaker.contract.layout import is_own
from selfmaker.errors import NotFound
from selfmaker.objects.uri import parse_s3_uri

QUIET_SECONDS = 1.0  # a file written to within this time is probably still being written

State = tuple[int, int]  # size, modification time in nanoseconds
Known = dict[str, State]


class Objects(ReadableObjects, Protocol):
    """What is needed of the object store."""

    def put_file(self, bucket: str, key: str, path: Path) -> Any: ...


def restore(objects: ReadableObjects, uri: str, into: Path) -> Known:
    """Copy what is below ``uri`` into the folder (real copies: the job may write to them). Returns what is there then.

    A bucket that doesn't exist, or a prefix with nothing in it, is a first start. Raises Invalid for keys that no
    file system can hold.
    """
    bucket, folder = _prefix(uri)
    into.mkdir(parents=True, exist_ok=True)
    try:
        for stored in objects.list(bucket, folder):
            if not stored.key.endswith("/"):
                _copy(stored.path, place(into, stored.key[len(folder) :], stored.key))
    except NotFound:
        return {}
    return {name: state for name, state, _, _ in _files(into)}


def sync(objects: Objects, folder: Path, uri: str, known: Mapping[str, State], *, final: bool = False) -> Known:
    """Put the files that differ from ``known``; returns what the store has then.

    Unless ``final``, files that were written to a moment ago wait for the next call. One that is written to while it
    is put is put again by the next call. Raises NotFound when the bucket is gone.
    """
    bucket, base = _prefix(uri)
    stored = dict(known)
    for name, state, file, folder_fd in _files(folder):
        if stored.get(name) == state or (not final and time.time() - state[1] / 1e9 < QUIET_SECONDS):
            continue
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder_fd)
        except OSError:
            continue  # the job has just removed or replaced it
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                objects.put_file(bucket, base + name, Path(f"/proc/self/fd/{descriptor}"))
                stored[name] = state
        finally:
            os.close(descriptor)
    return stored


def _prefix(uri: str) -> tuple[str, str]:
    """Bucket, and the prefix with the slash that makes it a folder."""
    bucket, prefix = parse_s3_uri(uri)
    return bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""


def _files(folder: Path) -> Iterator[tuple[str, State, str, int]]:
    """Relative name, state, file name and its folder's descriptor of the ordinary files; in order of name."""
    if not is_own(folder):
        return
    for top, inner, files, descriptor in os.fwalk(folder):
        inner.sort()
        for file in sorted(files):
            try:
                found = os.stat(file, dir_fd=descriptor, follow_symlinks=False)
                name = os.path.relpath(os.path.join(top, file), folder)  # noqa: PTH118 - fwalk speaks text
                name.encode()
            except (FileNotFoundError, UnicodeEncodeError):
                continue  # removed this moment; or no name that a key could have
            if stat.S_ISREG(found.st_mode):
                yield name, (found.st_size, found.st_mtime_ns), file, descriptor


def _copy(source: Path, target: Path) -> None:
    """A copy that shares the bytes where the file system can (btrfs, XFS)."""
    with source.open("rb") as reader, target.open("wb") as writer:
        remaining = os.fstat(reader.fileno()).st_size
        try:
            while remaining > 0 and (copied := os.copy_file_range(reader.fileno(), writer.fileno(), remaining)):
                remaining -= copied
        except OSError:  # the file systems don't agree on it
            reader.seek(0)
            writer.seek(0)
            shutil.copyfileobj(reader, writer, 1024 * 1024)
