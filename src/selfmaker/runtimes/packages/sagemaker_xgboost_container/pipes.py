"""Channels in Pipe mode: what comes through a pipe, as files that the readers know.

A pipe holds a channel's objects one after another, with nothing in between. That is one file of CSV or of records;
where one Parquet file ends and the next begins is told by their magic bytes, and by what reads as a file.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_EPOCH = "_0"
_PARQUET = b"PAR1"


@contextmanager
def spooled(paths: Sequence[str], parquet: bool) -> Iterator[list[str]]:
    """The files that the first epoch of the pipes holds, in a folder that is gone afterwards."""
    folder = tempfile.mkdtemp()
    try:
        found = []
        for number, path in enumerate(paths):
            name = os.path.join(folder, str(number), os.path.basename(path))
            os.makedirs(os.path.dirname(name))
            with open(path + _EPOCH, "rb") as pipe, open(name, "wb") as file:
                shutil.copyfileobj(pipe, file, 1 << 20)
            found += _parts(name) if parquet else [name]
        yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def exists(path: str) -> bool:
    return os.path.exists(path + _EPOCH)


def _parts(path: str) -> list[str]:
    with open(path, "rb") as file:
        data = file.read()
    found = []
    start = 0
    while start < len(data):
        end = _end(data, start)
        name = f"{path}.{len(found)}"
        with open(name, "wb") as file:
            file.write(data[start:end])
        found.append(name)
        start = end
    return found


def _end(data: bytes, start: int) -> int:
    """Where the Parquet file ends that begins at ``start``; all that is left, when nothing there is one."""
    seen = start
    while (seen := data.find(_PARQUET + _PARQUET, seen + 1)) >= 0:
        end = seen + len(_PARQUET)
        if _is_parquet(data[start:end]):
            return end
    return len(data)


def _is_parquet(data: bytes) -> bool:
    import pyarrow
    from pyarrow import parquet

    try:
        parquet.ParquetFile(io.BytesIO(data))
    except (pyarrow.ArrowException, OSError, ValueError):
        return False
    return True
