"""Framed messages between the router and a model worker, multiplexed on one Unix stream socket.

A frame is the length of what follows (4 bytes, big endian), a kind (1 byte), a request number (4 bytes) and a payload.
The payload of REQUEST and RESPONSE is a ``Message``; of READY and FAILED it is UTF-8 text. Responses come in the order
of their requests: the router relies on it to tell which request a dead worker had begun.

A streamed response is a BEGIN (a ``Message`` without body), any number of PARTs (plain bytes) and a RESPONSE that ends
it: its status says how, its body is the error or empty. A CANCEL with the request's number asks for that end at once.
"""

from __future__ import annotations

import select
import socket
import struct
from typing import NamedTuple

REQUEST, RESPONSE, READY, FAILED = 1, 2, 3, 4
BEGIN, PART, CANCEL = 5, 6, 7
START = 8  # to a spare worker: what it is to serve
EXECUTION_PARAMETERS = 1  # as a request's status: what the container wants of batch transform is asked
BATCHES = b" batches"  # at the end of READY's text: what comes together is predicted together

_HEAD = struct.Struct("!IBI")
_AFTER_LENGTH = _HEAD.size - 4
_FIELDS = struct.Struct("!HHHH")
_LONGEST_FIELD = 0xFFFF
_RECEIVE = 1 << 18


class Message(NamedTuple):
    """A request (``status`` 0, or EXECUTION_PARAMETERS) or a response. ``accept`` is empty in a response; header values
    are text."""

    status: int
    content_type: str
    accept: str
    attributes: str
    body: bytes


def frame(kind: int, number: int, payload: bytes) -> bytes:
    """The bytes of one frame."""
    return _HEAD.pack(len(payload) + _AFTER_LENGTH, kind, number) + payload


def message_frame(kind: int, number: int, message: Message) -> bytes:
    """The bytes of a REQUEST or RESPONSE frame."""
    content_type, accept, attributes = _field(message.content_type), _field(message.accept), _field(message.attributes)
    fields = _FIELDS.pack(message.status, len(content_type), len(accept), len(attributes))
    size = _AFTER_LENGTH + len(fields) + len(content_type) + len(accept) + len(attributes) + len(message.body)
    return b"".join((_HEAD.pack(size, kind, number), fields, content_type, accept, attributes, message.body))


def parse_message(payload: bytes) -> Message:
    """The Message in the payload of a REQUEST or RESPONSE."""
    status, a, b, c = _FIELDS.unpack_from(payload)
    first = _FIELDS.size
    second, third = first + a, first + a + b
    return Message(
        status,
        payload[first:second].decode("utf-8"),
        payload[second:third].decode("utf-8"),
        payload[third : third + c].decode("utf-8"),
        payload[third + c :],
    )


class Decoder:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """The frames that ``data`` completes, in order."""
        buffer = self._buffer
        buffer += data
        frames: list[tuple[int, int, bytes]] = []
        start, held = 0, len(buffer)
        while held - start >= _HEAD.size:
            size, kind, number = _HEAD.unpack_from(buffer, start)
            end = start + 4 + size
            if end > held:
                break
            frames.append((kind, number, bytes(buffer[start + _HEAD.size : end])))
            start = end
        if start:
            del buffer[:start]
        return frames


class Connection:
    """The worker's end. Used by one thread."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._decoder = Decoder()
        self._pending: list[tuple[int, int, bytes]] = []
        self._cancelled: set[int] = set()

    def receive(self) -> list[tuple[int, int, bytes]]:
        """Wait for at least one frame and return all that have arrived; an empty list when the router has gone."""
        if self._pending:
            pending, self._pending = self._pending, []
            return pending
        while True:
            data = self._socket.recv(_RECEIVE)
            if not data:
                return []
            frames = self._decoder.feed(data)
            if frames:
                return frames

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def cancelled(self, number: int) -> bool:
        """Whether the router wants no more of the answer to request ``number``. What else has come is kept."""
        while select.select([self._socket], [], [], 0)[0]:
            data = self._socket.recv(_RECEIVE)
            if not data:
                return True
            for frame in self._decoder.feed(data):
                if frame[0] == CANCEL:
                    self._cancelled.add(frame[1])
                else:
                    self._pending.append(frame)
        if number in self._cancelled:
            self._cancelled.clear()  # answers come in order: the others were for answers that had ended by then
            return True
        return False


def _field(text: str) -> bytes:
    return text.encode("utf-8")[:_LONGEST_FIELD] if text else b""
