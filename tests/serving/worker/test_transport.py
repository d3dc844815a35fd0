"""Frames, however the bytes arrive."""

import random

from selfmaker.serving.worker import transport
from selfmaker.serving.worker.transport import Decoder, Message, message_frame, parse_message

MESSAGES = [
    Message(0, "text/csv", "*/*", "", b""),
    Message(200, "application/json; charset=utf-8", "", "trace=1", bytes(range(256)) * 300),
    Message(0, "", "", "é", b"x"),
]


def test_what_goes_in_comes_out_however_it_is_cut():
    stream = b"".join(message_frame(transport.REQUEST, n, m) for n, m in enumerate(MESSAGES))
    stream += transport.frame(transport.READY, 0, b"1")
    chance = random.Random(5)
    for longest in (1, 3, 100, 100_000):
        decoder, frames, position = Decoder(), [], 0
        while position < len(stream):
            size = chance.randint(1, longest)
            frames += decoder.feed(stream[position : position + size])
            position += size
        assert [parse_message(payload) for kind, _, payload in frames if kind == transport.REQUEST] == MESSAGES
        assert [number for _, number, _ in frames] == [0, 1, 2, 0]
        assert frames[-1] == (transport.READY, 0, b"1")


def test_a_field_that_is_too_long_is_cut_not_fatal():
    long = message_frame(transport.RESPONSE, 1, Message(200, "x" * 100_000, "", "", b"body"))
    message = parse_message(Decoder().feed(long)[0][2])
    assert len(message.content_type) == 0xFFFF
    assert message.body == b"body"
