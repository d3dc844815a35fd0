"""Containers one after the other, and containers that requests name."""

import asyncio

import pytest

from selfmaker.errors import Invalid
from selfmaker.serving.channel import Unanswered
from selfmaker.serving.delivery import PLAIN, Delivery
from selfmaker.serving.inference_pipeline import InferencePipeline
from selfmaker.serving.worker.transport import Message

REQUEST = Message(0, "text/csv", "application/json", "trace", b"x")


class Stage:
    """A container that adds its name to what it gets."""

    outstanding = 0

    def __init__(self, name, status=200):
        self.name, self.status = name, status
        self.asked = []
        self.stopped = False

    async def submit(self, request, delivery=PLAIN):
        self.asked.append((request, delivery))
        return Message(self.status, f"type/{self.name}", "", "", request.body + self.name.encode())

    async def start(self, count):
        if self.status == 0:
            raise Unanswered(f"{self.name} does not start")

    async def stop(self):
        self.stopped = True


def test_each_gets_what_the_one_before_it_made():
    a, b, c = stages = [Stage(name) for name in "abc"]
    pipeline = InferencePipeline("v", {stage.name: stage for stage in stages}, direct=False)
    answer = asyncio.run(pipeline.submit(REQUEST))
    assert answer.body == b"xabc"
    seen = [(stage.asked[0][0].content_type, stage.asked[0][0].accept) for stage in (a, b, c)]
    assert seen == [("text/csv", ""), ("type/a", ""), ("type/b", "application/json")]
    assert all(stage.asked[0][0].attributes == "trace" for stage in stages)


def test_the_first_that_fails_ends_it_and_is_named():
    a, b, c = Stage("a"), Stage("b", 415), Stage("c")
    pipeline = InferencePipeline("v", {"a": a, "b": b, "c": c}, direct=False)
    with pytest.raises(Unanswered) as caught:
        asyncio.run(pipeline.submit(REQUEST))
    assert (caught.value.status, caught.value.container, caught.value.message) == (415, "b", "xab")
    assert c.asked == []


def test_requests_name_their_container_when_it_is_direct():
    a, b = Stage("a"), Stage("b")
    pipeline = InferencePipeline("v", {"a": a, "b": b}, direct=True)
    assert asyncio.run(pipeline.submit(REQUEST, Delivery(container="b"))).body == b"xb"
    assert b.asked[0][1].container == ""
    for wrong in ("", "z"):
        with pytest.raises(Invalid, match="a, b"):
            asyncio.run(pipeline.submit(REQUEST, Delivery(container=wrong)))
    serial = InferencePipeline("v", {"a": a, "b": b}, direct=False)
    with pytest.raises(Invalid, match="Mode Direct"):
        asyncio.run(serial.submit(REQUEST, Delivery(container="b")))


def test_when_one_does_not_start_none_is_left():
    a, b = Stage("a"), Stage("b", 0)
    pipeline = InferencePipeline("v", {"a": a, "b": b}, direct=False)
    with pytest.raises(Unanswered):
        asyncio.run(pipeline.start(2))
    assert a.stopped
    assert b.stopped
