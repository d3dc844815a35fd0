"""CBOR (RFC 8949), as far as AWS uses it: no tag but that of times, no integers beyond 64 bits, text keys only."""

import struct
from dataclasses import dataclass
from typing import Any

from selfmaker.aws.protocols.scalars import MalformedError

_DEEPEST = 64
_INDEFINITE = 31
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_SIMPLE = {20: False, 21: True, 22: None, 23: None}
_SIZES = {24: 1, 25: 2, 26: 4, 27: 8}
_BREAK = object()


@dataclass(frozen=True)
class Moment:
    """A time, to be written with the tag that says so."""

    seconds: float


def decode(data: bytes) -> Any:
    """The one value that ``data`` holds; times as numbers of seconds. Raises MalformedError."""
    reader = _Reader(data)
    value = reader.item(0)
    if value is _BREAK or reader.at != len(data):
        raise MalformedError("the body is not valid CBOR")
    return value


class _Reader:
    """Lengths are believed only as far as there are bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def item(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise MalformedError("the body is nested too deeply")
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if major == 7:
            return self._simple(info)
        if info == _INDEFINITE and major in (2, 3, 4, 5):
            return self._indefinite(major, depth)
        if info >= 24 and info not in _SIZES:
            raise MalformedError("the body is not valid CBOR")
        count = info if info < 24 else int.from_bytes(self._take(_SIZES[info]), "big")
        if major in (0, 1):
            return count if major == 0 else -1 - count
        if major in (2, 3):
            return self._string(major, count)
        if major == 6:
            return self.item(depth + 1)
        if count > len(self._data) - self.at:
            raise MalformedError("the body ends too early")
        if major == 4:
            return [self._value(depth) for _ in range(count)]
        return dict(self._pair(depth) for _ in range(count))

    def _take(self, count: int) -> bytes:
        taken = self._data[self.at : self.at + count]
        if len(taken) < count:
            raise MalformedError("the body ends too early")
        self.at += count
        return taken

    def _value(self, depth: int) -> Any:
        value = self.item(depth + 1)
        if value is _BREAK:
            raise MalformedError("the body is not valid CBOR")
        return value

    def _pair(self, depth: int, key: Any = _BREAK) -> tuple[str, Any]:
        key = self._value(depth) if key is _BREAK else key
        if not isinstance(key, str):
            raise MalformedError("a map's key is not a string")
        return key, self._value(depth)

    def _string(self, major: int, count: int) -> Any:
        taken = self._take(count)
        if major == 2:
            return taken
        try:
            return taken.decode()
        except UnicodeDecodeError:
            raise MalformedError("a string is not valid UTF-8") from None

    def _indefinite(self, major: int, depth: int) -> Any:
        items: list[Any] = []
        while (value := self.item(depth + 1)) is not _BREAK:
            items.append(self._pair(depth, value) if major == 5 else value)
        if major == 4:
            return items
        if major == 5:
            return dict(items)
        kind = bytes if major == 2 else str
        if not all(isinstance(piece, kind) for piece in items):
            raise MalformedError("the body is not valid CBOR")
        return kind().join(items)

    def _simple(self, info: int) -> Any:
        if info == _INDEFINITE:
            return _BREAK
        if info in _FLOATS:
            return struct.unpack(_FLOATS[info], self._take(_SIZES[info]))[0]
        if info not in _SIMPLE:
            raise MalformedError("the body holds a value that AWS does not know")
        return _SIMPLE[info]


def encode(value: Any) -> bytes:
    """``value``, of plain Python values and Moments."""
    out = bytearray()
    _write(value, out)
    return bytes(out)


def _write(value: Any, out: bytearray) -> None:
    if isinstance(value, dict):
        _head(5, len(value), out)
        for key, item in value.items():
            _write(str(key), out)
            _write(item, out)
    elif isinstance(value, (list, tuple)):
        _head(4, len(value), out)
        for item in value:
            _write(item, out)
    elif isinstance(value, str):
        data = value.encode("utf-8", "replace")
        _head(3, len(data), out)
        out += data
    elif isinstance(value, (bytes, bytearray)):
        _head(2, len(value), out)
        out += value
    elif isinstance(value, Moment):
        out += b"\xc1\xfb" + struct.pack(">d", value.seconds)
    elif value is None or isinstance(value, bool):
        out.append(0xF6 if value is None else 0xF4 + value)
    elif isinstance(value, float):
        out += b"\xfb" + struct.pack(">d", value)
    else:
        _head(0 if value >= 0 else 1, value if value >= 0 else -1 - value, out)


def _head(major: int, count: int, out: bytearray) -> None:
    if count < 24:
        out.append(major << 5 | count)
        return
    for info, size in _SIZES.items():
        if count < 1 << 8 * size:
            out.append(major << 5 | info)
            out += count.to_bytes(size, "big")
            return
    raise OverflowError(f"{count} is beyond 64 bits")
