"""The line to a worker, while it comes up."""

import asyncio
import contextlib
import socket

import pytest
import uvloop

from selfmaker.serving.channel import SocketChannel


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_line_whose_worker_is_given_up_as_it_comes_up_can_be_closed(new_loop, monkeypatch):
    loop = new_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    async def given_up():
        channel = SocketChannel(loop)
        made = channel.connection_made

        def then_cancelled(transport):
            made(transport)
            attaching.cancel()

        monkeypatch.setattr(channel, "connection_made", then_cancelled)
        attaching = loop.create_task(channel.attach(ours))
        with contextlib.suppress(asyncio.CancelledError):
            await attaching
        assert attaching.cancelled()
        await asyncio.wait_for(channel.closed(), 30)
        assert not channel.connected

    with ours, theirs:
        loop.run_until_complete(given_up())
        loop.close()
        theirs.settimeout(30)
        assert theirs.recv(1) == b""
