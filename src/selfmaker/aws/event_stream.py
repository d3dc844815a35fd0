"""Event streams on the wire: AWS's ``application/vnd.amazon.eventstream``.

A message is its length, the length of its headers, a CRC of these two, the headers, the payload and a CRC of everything
before; all numbers are big endian. A header is its name's length (1 byte), the name, the type (7: text), the value's
length (2 bytes) and the value.
"""

import json
import struct
import zlib
from collections.abc import Mapping

_PRELUDE = struct.Struct("!II")
_CRC = struct.Struct("!I")
_TEXT = 7


def event(kind: str, payload: bytes, content_type: str = "application/octet-stream") -> bytes:
    """An event named ``kind``."""
    return _message({":event-type": kind, ":content-type": content_type, ":message-type": "event"}, payload)


def exception(kind: str, members: Mapping[str, str]) -> bytes:
    """The modeled exception ``kind``, which ends the stream."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return _message(headers, json.dumps(members).encode())


def _message(headers: Mapping[str, str], payload: bytes) -> bytes:
    packed = b"".join(_header(name, value) for name, value in headers.items())
    prelude = _PRELUDE.pack(_PRELUDE.size + 2 * _CRC.size + len(packed) + len(payload), len(packed))
    message = b"".join((prelude, _CRC.pack(zlib.crc32(prelude)), packed, payload))
    return message + _CRC.pack(zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return b"".join((bytes((len(key),)), key, bytes((_TEXT,)), len(text).to_bytes(2, "big"), text))
