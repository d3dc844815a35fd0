"""An object's bytes, cut into the payloads of requests. No payload is larger than the limit; nothing else is held.

The rules are those of SplitType and BatchStrategy in SageMaker's API reference: a batch of several records keeps each
record's own frame (the newline, the header of RecordIO or TFRecord), a single record comes without it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from selfmaker.errors import Invalid

NONE, LINE, RECORD_IO, TF_RECORD = "None", "Line", "RecordIO", "TFRecord"
MULTI_RECORD, SINGLE_RECORD = "MultiRecord", "SingleRecord"

MEGABYTE = 1 << 20
LONGEST = (1 << 31) - (1 << 20)  # bytes of one payload where no limit is set
TOGETHER = 100 * MEGABYTE  # bytes of records that go together where no limit is set; one record may be larger

_RECORD_IO = struct.Struct("<II")
_RECORD_IO_MAGIC = 0xCED7230A
_RECORD_IO_LENGTH = (1 << 29) - 1  # the three bits above say whether the record goes on in the next frame
_TF_LENGTH = struct.Struct("<Q")
_TF_FRAME = 16  # length, its checksum, the data's checksum


class Unsplittable(Invalid):
    """The object cannot be cut: a record is too large, or is none. The message names it."""


@dataclass(frozen=True)
class Batch:
    """One payload: ``count`` records, the first of which is number ``first`` (from 1; of lines, the line's number)."""

    first: int
    count: int
    data: bytes

    @property
    def named(self) -> str:
        """For messages."""
        if self.count <= 1:
            return f"record {self.first}"
        return f"records {self.first} to {self.first + self.count - 1}"

    def halves(self) -> tuple["Batch", "Batch"]:
        """Two batches of lines, of about the same size. For one of several lines."""
        middle = len(self.data) // 2
        cut = self.data.rfind(b"\n", 0, middle) + 1 or self.data.index(b"\n") + 1
        count = self.data.count(b"\n", 0, cut)
        return (
            Batch(self.first, count, self.data[:cut]),
            Batch(self.first + count, self.count - count, self.data[cut:]),
        )


@dataclass(frozen=True)
class Splitting:
    """How to cut. ``limit`` in bytes, 0 for none."""

    split_type: str
    strategy: str
    limit: int

    def batches(self, stream: BinaryIO) -> Iterator[Batch]:
        """All payloads of ``stream``, in order; none when it is empty. Raises Unsplittable when it comes to it."""
        limit, together = self.limit or LONGEST, self.limit or TOGETHER
        if self.split_type == NONE:
            return _whole(stream, limit)
        single = self.strategy == SINGLE_RECORD
        if self.split_type == LINE:
            return _lines(stream, limit) if single else _blocks(stream, together, limit)
        frames = _record_io(stream, limit) if self.split_type == RECORD_IO else _tf_records(stream, limit)
        return _single(frames) if single else _together(frames, together, limit)


@dataclass(frozen=True)
class _Frame:
    """A record with its frame, and without."""

    framed: bytes
    bare: bytes


def _too_much(what: str, limit: int) -> Unsplittable:
    size = f"{limit / MEGABYTE:g} MB" if limit >= MEGABYTE else f"{limit} bytes"
    return Unsplittable(f"{what}: Too much data for max payload size: it is larger than {size}")


def _whole(stream: BinaryIO, limit: int) -> Iterator[Batch]:
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise _too_much("the object", limit)
    if data:
        yield Batch(1, 1, data)


def _blocks(stream: BinaryIO, wanted: int, limit: int) -> Iterator[Batch]:
    """As many whole lines as fit into what is wanted; of a longer line as much as fits into the limit."""
    first, rest, size = 1, b"", wanted
    while True:
        data = stream.read(max(0, size + 1 - len(rest)))
        block = rest + data if rest else data
        if not block:
            return
        if len(block) <= size:
            if data:
                rest = block
                continue
            end = len(block)
        else:
            end = block.rfind(b"\n", 0, size) + 1
        if not end:
            if size >= limit:
                raise _too_much(f"record {first}", limit)
            size, rest = min(2 * size, limit), block
            continue
        size = wanted
        part, rest = block[:end], block[end:]
        del block, data
        count = part.count(b"\n") + (not part.endswith(b"\n"))
        yield Batch(first, count, part)
        first += count


def _lines(stream: BinaryIO, limit: int) -> Iterator[Batch]:
    number = 0
    while line := stream.readline(limit + 3):
        number += 1
        data = line.removesuffix(b"\n").removesuffix(b"\r")
        if len(data) > limit:
            raise _too_much(f"record {number}", limit)
        if data.strip():
            yield Batch(number, 1, data)


def _record_io(stream: BinaryIO, limit: int) -> Iterator[_Frame]:
    number = 1
    framed, bare = b"", b""
    while head := stream.read(_RECORD_IO.size):
        magic, length = _RECORD_IO.unpack(head) if len(head) == _RECORD_IO.size else (0, 0)
        if magic != _RECORD_IO_MAGIC:
            raise Unsplittable(f"record {number} is not RecordIO: it does not begin with the format's magic number")
        goes_on, size = length >> 29, length & _RECORD_IO_LENGTH
        if len(bare) + size > limit:
            raise _too_much(f"record {number}", limit)
        data = _exactly(stream, size, number)
        padding = _exactly(stream, -size % 4, number)
        framed += head + data + padding
        bare += data if goes_on in (0, 1) else _RECORD_IO_MAGIC.to_bytes(4, "little") + data
        if goes_on in (0, 3):  # whole, or the last part of a record that held the magic number itself
            yield _Frame(framed, bare)
            framed, bare = b"", b""
            number += 1
    if framed:
        raise Unsplittable(f"record {number} is cut short")


def _tf_records(stream: BinaryIO, limit: int) -> Iterator[_Frame]:
    number = 1
    while head := stream.read(_TF_LENGTH.size):
        if len(head) < _TF_LENGTH.size:
            raise Unsplittable(f"record {number} is cut short")
        (size,) = _TF_LENGTH.unpack(head)
        if size > limit:
            raise _too_much(f"record {number}", limit)
        rest = _exactly(stream, size + _TF_FRAME - _TF_LENGTH.size, number)
        yield _Frame(head + rest, rest[4:-4])
        number += 1


def _exactly(stream: BinaryIO, size: int, number: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise Unsplittable(f"record {number} is cut short")
    return data


def _single(frames: Iterator[_Frame]) -> Iterator[Batch]:
    for number, frame in enumerate(frames, start=1):
        yield Batch(number, 1, frame.bare)


def _together(frames: Iterator[_Frame], wanted: int, limit: int) -> Iterator[Batch]:
    held: list[bytes] = []
    size, first = 0, 1
    for frame in frames:
        if len(frame.framed) > limit:
            raise _too_much(f"record {first + len(held)}", limit)
        if held and size + len(frame.framed) > wanted:
            yield Batch(first, len(held), b"".join(held))
            first += len(held)
            held, size = [], 0
        held.append(frame.framed)
        size += len(frame.framed)
    if held:
        yield Batch(first, len(held), b"".join(held))
