"""RecordIO-protobuf, the built-in algorithms' binary format: dense and sparse float tensors named ``values``.

A record: the number 0xced7230a, its length (both 4 bytes, little endian), a ``Record`` message, padding to 4 bytes. The
message is ``map<string, Value> features = 1``; a Value holds one tensor: float32 (2), float64 (3) or int32 (7), each
with ``values`` (1, packed), ``keys`` (2, packed uint64: the tensor is sparse) and ``shape`` (3, packed).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

_MAGIC = 0xCED7230A
_KINDS = {2: "<f4", 3: "<f8", 7: "varint"}


def rows(body: bytes) -> Any:
    """A dense float32 array of all records, NaN where a sparse record has no value. Raises ValueError."""
    dense = [_row(record) for record in _records(body)]
    if not dense:
        raise ValueError("the body holds no record")
    width = max(len(row) for row in dense)
    result = np.full((len(dense), width), np.nan, dtype=np.float32)
    for index, row in enumerate(dense):
        result[index, : len(row)] = row
    return result


def _records(body: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(body):
        if len(body) - position < 8:
            raise ValueError("the last record is cut short")
        magic, size = struct.unpack_from("<II", body, position)
        if magic != _MAGIC:
            raise ValueError("the body is not RecordIO: a record does not begin with its magic number")
        if position + 8 + size > len(body):
            raise ValueError("the last record is cut short")
        yield body[position + 8 : position + 8 + size]
        position += 8 + (size + 3) // 4 * 4


def _row(record: bytes) -> Any:
    for number, entry in _fields(record):
        if number == 1:
            pair = dict(_fields(entry))
            if pair.get(1) == b"values" and 2 in pair:
                return _tensor(pair[2])
    raise ValueError('a record has no feature named "values"')


def _tensor(value: bytes) -> Any:
    for number, tensor in _fields(value):
        if number not in _KINDS:
            continue
        parts: dict[int, list[bytes]] = {}
        for member, data in _fields(tensor):
            parts.setdefault(member, []).append(data)
        values = _numbers(b"".join(parts.get(1, [])), _KINDS[number])
        if 2 not in parts:
            return values
        keys = _varints(b"".join(parts[2]))
        shape = _varints(b"".join(parts.get(3, [])))
        width = int(shape[-1]) if shape else (max(keys) + 1 if keys else 0)
        row = np.full(width, np.nan, dtype=np.float32)
        row[keys] = values
        return row
    raise ValueError('the feature "values" of a record is no numeric tensor')


def _numbers(data: bytes, kind: str) -> Any:
    return np.array(_varints(data), dtype=np.float32) if kind == "varint" else np.frombuffer(data, dtype=kind)


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protobuf message; a scalar comes as the bytes it would have in a packed list."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        wire = tag & 7
        start = position
        if wire == 0:
            _, position = _varint(message, position)
        elif wire == 1:
            position += 8
        elif wire == 5:
            position += 4
        elif wire == 2:
            size, start = _varint(message, position)
            position = start + size
        else:
            raise ValueError("a record is not a protobuf message")
        if position > len(message):
            raise ValueError("a record is cut short")
        yield tag >> 3, message[start:position]


def _varints(data: bytes) -> list[int]:
    numbers, position = [], 0
    while position < len(data):
        number, position = _varint(data, position)
        numbers.append(number)
    return numbers


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if position >= len(data):
            raise ValueError("a record is cut short")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
