"""The line to a worker, while it comes up."""

import asyncio
import contextlib
import socket

import pytest
import uvloop

from selfmaker.serving.channel import SocketChannel


@pytest.mark.parametrize("steps", range(6))
@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_line_whose_worker_is_given_up_as_it_comes_up_can_be_closed(new_loop, steps):
    """Cancelled after each number of ticks that attaching may take."""
    loop = new_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    async def given_up():
        channel = SocketChannel(loop)
        attaching = loop.create_task(channel.attach(ours))
        for _ in range(steps):
            await asyncio.sleep(0)
        attaching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await attaching
        await asyncio.wait_for(channel.closed(), 30)
        assert not channel.connected

    with theirs:
        loop.run_until_complete(given_up())
        loop.close()
        if steps:  # a task that never began has nothing to close
            theirs.settimeout(30)
            assert theirs.recv(1) == b""
    ours.close()
