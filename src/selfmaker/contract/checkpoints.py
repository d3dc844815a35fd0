"""Checkpoints: a folder of the job's that is kept in step with a prefix in the object store, in one direction.

The store's prefix is restored into the folder before the job starts; while it runs, files that are new or have
changed are put. Nothing is deleted in the store, as on AWS.
"""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from selfmaker.contract.channels import Objects as ReadableObjects
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

    A bucket that doesn't exist, or a prefix with nothing in it, is a first start.
    """
    bucket, prefix = parse_s3_uri(uri)
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    into.mkdir(parents=True, exist_ok=True)
    try:
        for stored in objects.list(bucket, folder):
            parts = [part for part in stored.key[len(folder) :].split("/") if part not in ("", ".")]
            if not parts or ".." in parts or stored.key.endswith("/"):
                continue
            target = into.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(stored.path, target)
    except NotFound:
        return {}
    return dict(_files(into))


def sync(objects: Objects, folder: Path, uri: str, known: Mapping[str, State], *, final: bool = False) -> Known:
    """Put the files that differ from ``known``; returns what the store has then.

    Unless ``final``, files that were written to a moment ago wait for the next call.
    """
    bucket, prefix = parse_s3_uri(uri)
    base = f"{prefix.rstrip('/')}/" if prefix else ""
    stored = dict(known)
    for name, state in _files(folder):
        if stored.get(name) == state or (not final and time.time() - state[1] / 1e9 < QUIET_SECONDS):
            continue
        try:
            objects.put_file(bucket, base + name, folder / name)
        except FileNotFoundError:
            continue  # the job has just removed it
        stored[name] = state
    return stored


def _files(folder: Path) -> Iterator[tuple[str, State]]:
    for top, inner, files in os.walk(folder):
        inner.sort()
        for name in sorted(files):
            path = Path(top, name)
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix(), (found.st_size, found.st_mtime_ns)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        remaining = os.fstat(reader.fileno()).st_size
        while remaining > 0:
            copied = os.copy_file_range(reader.fileno(), writer.fileno(), remaining)
            if copied == 0:
                break
            remaining -= copied
