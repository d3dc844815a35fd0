"""Which bytes a reader wants."""

import itertools
import re
from dataclasses import dataclass

from selfmaker.aws.errors import AwsError
from selfmaker.objects.protocol import MAX_PARTS, ObjectInfo
from selfmaker.s3.wording import invalid_argument, invalid_request

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Span:
    """``length`` bytes from ``offset`` of an object of ``size`` bytes."""

    offset: int
    length: int
    size: int

    @property
    def header(self) -> str:
        """Content-Range."""
        return f"bytes {self.offset}-{self.offset + self.length - 1}/{self.size}"


def of_range(header: str | None, size: int) -> Span | None:
    """The span of a Range header; None for the whole: S3 ignores what is not one range of bytes. Raises AwsError
    416."""
    found = _RANGE.fullmatch(header.strip().replace(" ", "")) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if found[1]:
        first, last = int(found[1]), int(found[2]) if found[2] else size - 1
        if found[2] and int(found[2]) < first:
            return None
    else:
        first, last = max(0, size - int(found[2])), size - 1
    if first >= size:
        message = "The requested range is not satisfiable"
        raise AwsError("InvalidRange", message, 416, RangeRequested=header, ActualObjectSize=size)
    return Span(first, min(last, size - 1) - first + 1, size)


def of_copy(header: str | None, size: int) -> Span:
    """The span of an x-amz-copy-source-range, which must be exact. Raises AwsError."""
    if header is None:
        return Span(0, size, size)
    found = _RANGE.fullmatch(header)
    if found is None or not found[1] or not found[2] or int(found[2]) < int(found[1]):
        message = (
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy"
        )
        raise invalid_argument(message, "x-amz-copy-source-range", header)
    first, last = int(found[1]), int(found[2])
    if last >= size:
        message = f"Range specified is not valid for source object of size: {size}"
        raise invalid_argument(message, "x-amz-copy-source-range", header)
    return Span(first, last - first + 1, size)


def of_part(number: int | None, header: str | None, info: ObjectInfo) -> Span | None:
    """The span of one part of an object, as it was uploaded. Raises AwsError."""
    if number is None:
        return None
    if header is not None:
        raise invalid_request("Cannot specify both Range header and partNumber query parameter")
    if not 1 <= number <= MAX_PARTS:
        raise invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", number)
    sizes = info.part_sizes or (info.size,)
    if number > len(sizes):
        message = "The requested partnumber is not satisfiable"
        raise AwsError("InvalidPartNumber", message, 416, ActualPartCount=len(sizes), PartNumberRequested=number)
    if not sizes[number - 1]:
        return None
    offsets = [0, *itertools.accumulate(sizes)]
    return Span(offsets[number - 1], sizes[number - 1], info.size)
