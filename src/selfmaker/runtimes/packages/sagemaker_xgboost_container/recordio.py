"""RecordIO-protobuf, the built-in algorithms' binary format.

A record: the number 0xced7230a, the length (both 4 bytes, little endian), a ``Record`` message, padding to 4 bytes. The
message holds ``map<string, Value> features = 1`` and ``label = 2``; a Value is one tensor: float32 (2), float64 (3) or
int32 (7), each with ``values`` (1, packed), ``keys`` (2, packed uint64: it is sparse) and ``shape`` (3, packed).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

_MAGIC = 0xCED7230A
_TENSORS = {2: "<f4", 3: "<f8", 7: "varint"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read(body: bytes) -> tuple[Any, Any]:
    """(features, labels) of all records: a dense float32 array, or a sparse matrix when the first record is sparse.
    labels is None where the records have none. Raises ValueError, which says what is wrong with which record."""
    rows, labels, width = [], [], 0
    for number, record in enumerate(_records(body), 1):
        values, label = _record(record)
        if values is None:
            raise ValueError(f'record {number} has no feature named "values"')
        keys, numbers, size = values
        rows.append((keys, numbers))
        width = max(width, size)
        if label is not None:
            labels.append(label[1][0] if len(label[1]) else np.nan)
    if not rows:
        raise ValueError("there is no record")
    if labels and len(labels) != len(rows):
        raise ValueError("some records have a label and some have none")
    found = np.array(labels, dtype=np.float32) if labels else None
    return (_sparse(rows, width) if rows[0][0] is not None else _dense(rows, width)), found


def _dense(rows: list[Any], width: int) -> Any:
    result = np.full((len(rows), width), np.nan, dtype=np.float32)
    for index, (keys, numbers) in enumerate(rows):
        result[index, keys if keys is not None else slice(len(numbers))] = numbers
    return result


def _sparse(rows: list[Any], width: int) -> Any:
    from scipy.sparse import csr_matrix

    starts = np.concatenate([[0], np.cumsum([len(numbers) for _, numbers in rows])])
    columns = np.concatenate([np.arange(len(n)) if k is None else np.asarray(k, dtype=np.int64) for k, n in rows])
    values = np.concatenate([numbers for _, numbers in rows]).astype(np.float32)
    return csr_matrix((values, columns, starts), shape=(len(rows), width))


def _records(body: bytes) -> Iterator[bytes]:
    position, number = 0, 1
    while position < len(body):
        if len(body) - position < 8:
            raise ValueError(f"record {number} is cut short")
        magic, size = struct.unpack_from("<II", body, position)
        if magic != _MAGIC:
            raise ValueError(f"record {number} does not begin with RecordIO's magic number")
        if position + 8 + size > len(body):
            raise ValueError(f"record {number} is cut short")
        yield body[position + 8 : position + 8 + size]
        position += 8 + (size + 3) // 4 * 4
        number += 1


def _record(message: bytes) -> tuple[Any, Any]:
    """The tensors (keys or None, values, width) of the features and of the label; None for one that is missing."""
    found: dict[int, Any] = {}
    for number, entry in _fields(message):
        if number in (1, 2):
            pair = dict(_fields(entry))
            if pair.get(1) == b"values" and 2 in pair:
                found[number] = _tensor(pair[2])
    return found.get(1), found.get(2)


def _tensor(value: bytes) -> tuple[Any, Any, int]:
    for number, tensor in _fields(value):
        if number not in _TENSORS:
            continue
        parts: dict[int, bytes] = {}
        for member, data in _fields(tensor):
            parts[member] = parts.get(member, b"") + data
        values = _numbers(parts.get(1, b""), _TENSORS[number])
        if 2 not in parts:
            return None, values, len(values)
        keys = _varints(parts[2])
        if len(keys) != len(values):
            raise ValueError("a sparse tensor has not as many keys as values")
        shape = _varints(parts.get(3, b""))
        return keys, values, max([shape[-1] if shape else 0, *(key + 1 for key in keys)])
    raise ValueError("a tensor is not of numbers")


def _numbers(data: bytes, kind: str) -> Any:
    if kind == "varint":
        return np.array(_varints(data), dtype=np.uint64).astype(np.int64).astype(np.int32)
    return np.frombuffer(data, dtype=kind)


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protobuf message; a scalar comes as the bytes that it would have in a packed list."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        start, wire = position, tag & 7
        if wire == _VARINT:
            position = _varint(message, position)[1]
        elif wire == _FIXED64:
            position += 8
        elif wire == _FIXED32:
            position += 4
        elif wire == _BYTES:
            size, start = _varint(message, position)
            position = start + size
        else:
            raise ValueError("a record is not a protobuf message")
        if position > len(message):
            raise ValueError("a record's message is cut short")
        yield tag >> 3, message[start:position]


def _varints(data: bytes) -> list[int]:
    numbers, position = [], 0
    while position < len(data):
        number, position = _varint(data, position)
        numbers.append(number)
    return numbers


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
    raise ValueError("a record's message is cut short")
