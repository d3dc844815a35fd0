"""Single values on the wire: numbers, booleans, timestamps and blobs, as text and as JSON tokens."""

import base64
import binascii
import math
import re
from datetime import datetime, timedelta, timezone
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

from selfmaker.aws.model import Shape

_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d)(\.\d+)?)?)?\s*([Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)
_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_BITS = {"integer": 31, "long": 63, "short": 15, "byte": 7}
_LAST_MOMENT = 253402300799.999  # 9999-12-31T23:59:59.999Z


class MalformedError(Exception):
    """A value that is not of its shape's type. ``path`` is filled in on the way up, the innermost name last."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str] = []

    def __str__(self) -> str:
        where = ".".join(reversed(self.path))
        return f"{self.problem} (at '{where}')" if where else self.problem


def token(value: Any) -> str:
    """A JSON value in the words of AWS's parser."""
    if value is True:
        return "TRUE_VALUE"
    if value is False:
        return "FALSE_VALUE"
    if value is None:
        return "NULL_VALUE"
    if isinstance(value, str):
        return "STRING_VALUE"
    if isinstance(value, (int, float)):
        return "NUMBER_VALUE"
    if isinstance(value, (bytes, bytearray)):
        return "BLOB_VALUE"
    return "START_OBJECT" if isinstance(value, dict) else "START_ARRAY"


def integer(kind: str, value: Any) -> int:
    """A JSON number as an integer of ``kind`` (integer, long, ...)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MalformedError(f"{token(value)} can not be converted to {'a Long' if kind == 'long' else 'an Integer'}")
    if isinstance(value, float) and not value.is_integer():
        raise MalformedError("a number with a fraction can not be converted to an Integer")
    return bounded(kind, int(value))


def bounded(kind: str, value: int) -> int:
    bits = _BITS.get(kind)
    if bits is not None and not -(1 << bits) <= value < 1 << bits:
        raise MalformedError(f"Numeric value ({value}) out of range of {kind}")
    return value


def floating(value: Any) -> float:
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MalformedError(f"{token(value)} can not be converted to a Double")
    try:
        return float(value)
    except OverflowError:
        raise MalformedError("Numeric value out of range of double") from None


def text(value: Any) -> str:
    """A JSON string that can be written as UTF-8 again."""
    if not isinstance(value, str):
        raise MalformedError(f"{token(value)} can not be converted to a String")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise MalformedError("the string holds half of a surrogate pair") from None
    return value


def blob(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise MalformedError(f"{token(value)} can not be converted to a Blob")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError("the blob is not base64") from None


def timestamp(value: Any) -> float:
    """Seconds since the epoch from any form in which clients write a time."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise MalformedError(f"{token(value)} can not be converted to a Timestamp")
    try:
        seconds = _moment(value.strip()) if isinstance(value, str) else float(value)
    except (ValueError, OverflowError, TypeError, IndexError):
        raise MalformedError(f"{str(value)[:64]!r} is not a timestamp") from None
    if not -62135596800 <= seconds <= _LAST_MOMENT:
        raise MalformedError("the timestamp is out of range")
    return seconds


def _moment(value: str) -> float:
    found = _ISO.fullmatch(value)
    if found and ("-" in value[1:] or "T" in value):
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
        moment = datetime(year, month, day, hour, minute, 0, tzinfo=_zone(found[8]))
        return moment.timestamp() + second + float(found[7] or 0)
    try:
        return float(value)
    except ValueError:
        moment = parsedate_to_datetime(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _zone(offset: str | None) -> timezone:
    if not offset or offset in "Zz":
        return timezone.utc
    sign = -1 if offset[0] == "-" else 1
    digits = offset[1:].replace(":", "")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))


def from_text(shape: Shape, value: str) -> Any:
    """A scalar from a header, a query parameter, a form field or an XML text."""
    kind = shape.type_name
    if kind in ("string", "char"):
        return value
    if kind in _BITS:
        if not _INTEGER.fullmatch(value.strip()):
            raise MalformedError(f"{value[:64]!r} is not an integer")
        return bounded(kind, int(value))
    if kind in ("float", "double"):
        try:
            return floating(value if value in _NOT_FINITE else float(value))
        except ValueError:
            raise MalformedError(f"{value[:64]!r} is not a number") from None
    if kind == "boolean":
        return boolean_text(value)
    if kind == "timestamp":
        return timestamp(value)
    if kind == "blob":
        return blob(value)
    raise MalformedError(f"a {kind} can not be given as text")


def boolean_text(value: str) -> bool:
    lowered = value.strip().lower()
    if lowered not in ("true", "false", "1", "0"):
        raise MalformedError(f"{value[:64]!r} is not a boolean")
    return lowered in ("true", "1")


def to_text(shape: Shape, value: Any, timestamps: str) -> str:
    """A scalar as text; ``timestamps`` is the protocol's default format there."""
    kind = shape.type_name
    if kind == "timestamp":
        return format_timestamp(value, shape.serialization.get("timestampFormat", timestamps))
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "blob":
        return base64.b64encode(value if isinstance(value, (bytes, bytearray)) else str(value).encode()).decode()
    if kind in ("float", "double"):
        return float_text(float(value))
    return str(value)


def float_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def format_timestamp(seconds: float, form: str) -> str:
    if form == "rfc822":
        return formatdate(int(seconds), usegmt=True)
    if form.lower() == "unixtimestamp":
        return repr(epoch(seconds))
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=math.floor(seconds * 1000 + 0.5))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def epoch(seconds: float) -> int | float:
    """The JSON number of a timestamp, to the millisecond."""
    rounded = round(seconds, 3)
    return int(rounded) if rounded == int(rounded) else rounded
