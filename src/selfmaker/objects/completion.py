"""From parts to one object: which parts, which checksum, which file."""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from selfmaker.objects.digest import combined, composite
from selfmaker.objects.files import Files, sync
from selfmaker.objects.protocol import (
    MIN_PART_BYTES,
    Checksum,
    InvalidPart,
    InvalidPartOrder,
    PartTooSmall,
    Upload,
)

DEFAULT_ALGORITHM = "CRC64NVME"
"""What S3 computes when the sender names no checksum."""


@dataclass(frozen=True)
class NamedPart:
    """A part as a completion names it: ``etag`` in hexadecimal, ``checksum`` in base64 where one is given."""

    number: int
    etag: str
    checksum: Checksum | None = None


def check_parts(named: Sequence[NamedPart], there: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The rows of the parts named. Raises InvalidPartOrder, InvalidPart, PartTooSmall."""
    if any(after.number <= before.number for before, after in itertools.pairwise(named)):
        raise InvalidPartOrder("the parts are not in ascending order")
    by_number = {row.number: row for row in there}
    chosen = []
    for part in named:
        row = by_number.get(part.number)
        if row is None or row.etag != part.etag:
            raise InvalidPart(f"part {part.number}")
        if part.checksum is not None and Checksum.from_text(row.checksum) != part.checksum:
            raise InvalidPart(f"part {part.number}")
        chosen.append(row)
    for row in chosen[:-1]:
        if row.size < MIN_PART_BYTES:
            raise PartTooSmall(row.number, row.size, row.etag)
    return chosen


def whole_checksum(upload: Upload, parts: Sequence[Row[Any]]) -> Checksum:
    """The object's checksum, from those of its parts."""
    algorithm = upload.algorithm or DEFAULT_ALGORITHM
    values = [part_checksum(part) for part in parts]
    if upload.composite:
        return Checksum(algorithm, composite(algorithm, values), composite=True)
    return Checksum(algorithm, combined(algorithm, zip(values, (part.size for part in parts), strict=True)))


def part_checksum(part: Row[Any]) -> str:
    """In base64. Every part has one: ``put_part`` sees to it."""
    checksum = Checksum.from_text(part.checksum)
    assert checksum is not None
    return checksum.value


def assemble(files: Files, common: str, parts: Sequence[Row[Any]], *, reuse: bool) -> str:
    """One immutable file, on disk, with the bytes of ``parts`` one after another; its name. ``reuse``: the common
    file may become that file, because nobody else writes to it and it holds no part but these."""
    offsets = [0, *itertools.accumulate(part.size for part in parts)]
    placed = list(zip(parts, offsets, strict=False))
    moving = [(part, at) for part, at in placed if (part.file, part.position) != (common, at)]
    if reuse and all(part.file != common for part, _ in moving):
        with files.opened(common) as descriptor:
            _fill(files, descriptor, moving)
            _seal(descriptor, offsets[-1])
        return common
    blank = files.take()
    try:
        _fill(files, blank.descriptor, placed)
        _seal(blank.descriptor, offsets[-1])
    except BaseException:
        files.drop(blank)
        raise
    os.close(blank.descriptor)
    return blank.name


def _fill(files: Files, descriptor: int, moving: Sequence[tuple[Row[Any], int]]) -> None:
    for part, at in moving:
        files.copy(part.file, part.position, part.size, (descriptor, at))


def _seal(descriptor: int, size: int) -> None:
    os.ftruncate(descriptor, size)
    os.fchmod(descriptor, 0o444)
    sync(descriptor)
