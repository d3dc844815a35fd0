"""An answer in pieces between a quick model and a slow reader, and a reader who leaves."""

import asyncio

from selfmaker.serving.stream import Collected, Stream
from selfmaker.serving.worker.transport import Message

HEAD = Message(200, "text/parts", "", "", b"")


class Line:
    """What a channel would be told."""

    def __init__(self):
        self.held = []
        self.stopped = 0

    def hold(self, held):
        self.held.append(held)

    def stop(self):
        self.stopped += 1


def scene(work):
    async def run():
        line = Line()
        return await work(Stream(asyncio.get_running_loop()), line), line

    return asyncio.run(run())


def test_pieces_are_read_in_order_until_it_is_closed():
    async def work(stream, line):
        stream.begin(HEAD, line.hold, line.stop)
        stream.part(b"a")
        reading = asyncio.ensure_future(_all(stream))
        await asyncio.sleep(0)
        stream.part(b"b")
        stream.part(b"")
        stream.close()
        return stream.begun.result(), await reading

    (head, parts), line = scene(work)
    assert head == HEAD
    assert parts == [b"a", b"b"]
    assert (line.held, line.stopped) == ([], 0)


def test_a_slow_reader_holds_the_model_back():
    async def work(stream, line):
        stream.begin(HEAD, line.hold, line.stop)
        for _ in range(20):
            stream.part(bytes(100_000))
        before = list(line.held)
        for _ in range(20):
            await anext(stream)
        return before

    before, line = scene(work)
    assert before == [True]
    assert line.held == [True, False]


def test_a_reader_who_leaves_stops_the_model_once_and_gets_no_more():
    async def work(stream, line):
        stream.begin(HEAD, line.hold, line.stop)
        stream.part(bytes(2_000_000))
        stream.cancel()
        stream.cancel()
        stream.part(b"late")
        stream.close()
        return await _all(stream)

    parts, line = scene(work)
    assert parts == []
    assert line.stopped == 1
    assert line.held == [True, False]


def test_a_reader_who_left_before_the_first_piece_stops_it_as_well():
    async def work(stream, line):
        stream.cancel()
        stream.begin(HEAD, line.hold, line.stop)

    _, line = scene(work)
    assert line.stopped == 1


def test_pieces_for_a_reader_who_wants_them_in_one():
    collected = Collected()
    collected.begin(HEAD, print, print)
    collected.part(b"a")
    collected.part(b"b")
    assert collected.whole(HEAD).body == b"ab"
    failed = Message(500, "text/plain", "", "", b"no")
    assert collected.whole(failed) == failed


async def _all(stream):
    return [part async for part in stream]
