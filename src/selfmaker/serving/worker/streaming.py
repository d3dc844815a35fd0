"""Answers that come piece by piece: what a user's function yields goes out as it is made."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from . import formats, transport
from .transport import Message

_END = object()


class Streamed(NamedTuple):
    """A response whose body is still to be made. ``head`` is all of it but the body."""

    head: Message
    parts: Iterator[Any]


def is_stream(value: Any) -> bool:
    """Whether ``value`` is to be asked for parts: a generator or another iterator, but no file in memory."""
    return hasattr(value, "__next__") and not hasattr(value, "getvalue")


def send(
    connection: transport.Connection, number: int, streamed: Streamed, failure: Callable[[BaseException], Message]
) -> Message:
    """Send the parts of the answer to request ``number`` as they are made, until the router wants no more of them.

    Returns the message that ends the answer; ``failure`` makes it when the user's code raises.
    """
    connection.send(transport.message_frame(transport.BEGIN, number, streamed.head))
    while not connection.cancelled(number):
        try:
            part = next(streamed.parts, _END)
            data = None if part is _END else formats.body_of(part)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code: this answer fails, the next does not
            traceback.print_exc()
            sys.stderr.flush()
            return failure(error)
        if part is _END:
            return streamed.head
        if data:
            connection.send(transport.frame(transport.PART, number, data))
    _close(streamed.parts)
    return streamed.head


def _close(parts: Iterator[Any]) -> None:
    """Let a generator that nobody wants more of let go of what it holds."""
    try:
        getattr(parts, "close", int)()
    except (Exception, SystemExit):  # noqa: BLE001 - the user's code, on its way out: its log tells
        traceback.print_exc()
        sys.stderr.flush()
