"""Which variant a request goes to, and endpoints that come, go and come back."""

import asyncio
from collections import Counter

import pytest

from selfmaker.errors import Invalid, NotFound
from selfmaker.serving.router import Fleet, Router
from selfmaker.serving.worker.transport import Message

REQUEST = Message(0, "", "", "", b"")
KEY = ("us-east-1", "e")


class Answering:
    """A variant that answers at once."""

    def __init__(self, name):
        self.name = name

    async def submit(self, request, delivery):
        return Message(200, "", "", "", self.name.encode())


def fleet(**weights):
    return Fleet({name: Answering(name) for name in weights}, weights)


def test_shares_are_exact_and_evenly_spread():
    shared = fleet(a=3, b=1)
    chosen = [shared.choose().name for _ in range(40)]
    assert Counter(chosen) == {"a": 30, "b": 10}
    assert all("b" in chosen[at : at + 4] for at in range(0, 40, 4))


def test_weight_zero_is_reached_by_name_only():
    shared = fleet(a=1, b=0)
    assert {shared.choose().name for _ in range(20)} == {"a"}
    assert shared.choose("b").name == "b"
    shared.weigh({"a": 0, "b": 0})
    with pytest.raises(Invalid, match="weight 0"):
        shared.choose()


def test_an_unknown_variant_is_named_with_those_there_are():
    with pytest.raises(Invalid, match="nobody") as caught:
        fleet(a=1, b=1).choose("nobody")
    assert "a, b" in caught.value.message


def test_the_router_finds_endpoints_by_region_and_name(on_loop):
    async def scene():
        router = Router()
        router.put(KEY, fleet(a=1))
        with pytest.raises(NotFound):
            await router.invoke(("eu-west-1", "e"), REQUEST)
        name, answer = await router.invoke(KEY, REQUEST)
        router.remove(KEY)
        with pytest.raises(NotFound):
            await router.invoke(KEY, REQUEST)
        return name, answer.body

    assert on_loop(scene()) == ("a", b"a")


def test_requests_wait_for_an_endpoint_that_is_coming_back(on_loop):
    async def scene():
        router = Router()
        router.expect(KEY)
        early = asyncio.ensure_future(router.invoke(KEY, REQUEST))
        await asyncio.sleep(0)
        assert not early.done()
        router.put(KEY, fleet(a=1))
        first = (await early)[0]
        router.remove(KEY)
        router.expect(KEY)
        lost = asyncio.ensure_future(router.invoke(KEY, REQUEST))
        await asyncio.sleep(0)
        router.release(KEY)
        with pytest.raises(NotFound):
            await lost
        return first

    assert on_loop(scene()) == "a"
