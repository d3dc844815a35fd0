"""Pipe mode: a channel as a sequence of named pipes, ``/opt/ml/input/data/<channel>_<epoch>``, one for each epoch.

The rules are those of "Input modes" in the developer guide: reading a pipe to its end is one pass over the data, the
next epoch is the next pipe. Imported by the supervisor: only light parts of the standard library.
"""

import gzip
import itertools
import json
import os
import random
import shutil
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

RECORD_MAGIC = 0xCED7230A  # of MXNet's RecordIO, which SageMaker wraps records in
_LONGEST_RECORD = (1 << 29) - 1

# An item of a channel: ["file", path] or ["text", text].
Item = list[str]


class PipeFeeder:
    """Feeds one channel of one host for as long as the supervisor lives; ``run`` never returns.

    ``channel``: {"name", "items", "records": whether each item is wrapped as a RecordIO record, "gzip": whether the
    files are to be decompressed, "seed": of the shuffling, or None}.
    """

    def __init__(self, data: Path, channel: Mapping[str, Any]) -> None:
        self._data = data
        self._channel = channel

    def prepare(self) -> None:
        """Make the first pipe; before the job starts."""
        self._make(0)

    def run(self) -> None:
        """Serve epoch after epoch. A reader that leaves early ends its epoch, no more."""
        for epoch in itertools.count():
            descriptor = os.open(self._path(epoch), os.O_WRONLY)  # waits for a reader
            self._make(epoch + 1)
            try:
                with os.fdopen(descriptor, "wb", buffering=1 << 20) as pipe:
                    for item in self._items(epoch):
                        self._write(pipe, item)
            except BrokenPipeError:
                continue

    def _path(self, epoch: int) -> Path:
        return self._data / f"{self._channel['name']}_{epoch}"

    def _make(self, epoch: int) -> None:
        os.mkfifo(self._path(epoch), 0o666)

    def _items(self, epoch: int) -> Iterator[Item]:
        items: list[Item] = list(self._channel["items"])
        if self._channel["seed"] is not None:
            random.Random(self._channel["seed"] + epoch).shuffle(items)
        yield from items

    def _write(self, pipe: IO[bytes], item: Item) -> None:
        kind, value = item
        if kind == "text":
            self._record(pipe, value.encode())
            return
        with gzip.open(value) if self._channel["gzip"] else Path(value).open("rb") as source:
            if self._channel["records"]:
                self._record(pipe, source.read())
            else:
                shutil.copyfileobj(source, pipe, 1 << 20)

    def _record(self, pipe: IO[bytes], data: bytes) -> None:
        if not self._channel["records"]:
            pipe.write(data)
            return
        if len(data) > _LONGEST_RECORD:
            raise ValueError(f"a record of {len(data)} bytes is longer than RecordIO allows")
        pipe.write(struct.pack("<II", RECORD_MAGIC, len(data)))
        pipe.write(data)
        pipe.write(bytes(-len(data) % 4))


def items_of_folder(folder: Path) -> list[Item]:
    """The files of a linked channel, in order of name."""
    return [["file", str(path)] for path in sorted(folder.rglob("*")) if path.is_file()]


def manifest_attributes(line: str, names: list[str]) -> list[tuple[bool, str]]:
    """One line of an augmented manifest: for each attribute, whether it is a reference to an object, and its value.

    Raises ValueError when the line is no JSON object or lacks an attribute.
    """
    document = json.loads(line)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    missing = [name for name in names if name not in document]
    if missing:
        raise ValueError(f"there is no attribute {missing[0]!r}")
    found = []
    for name in names:
        value = document[name]
        reference = name.endswith("-ref")
        found.append((reference, value if isinstance(value, str) else json.dumps(value)))
    return found
