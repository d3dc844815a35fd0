"""Models that come when they are asked for and go when others need the room."""

import asyncio

import pytest

from selfmaker.errors import Invalid
from selfmaker.serving import multi_model
from selfmaker.serving.channel import Unanswered, WorkerFailed
from selfmaker.serving.delivery import Delivery, NotReady
from selfmaker.serving.multi_model import Keeping, LoadedModel, MultiModel
from selfmaker.serving.worker.transport import Message

REQUEST = Message(0, "", "", "", b"")


class Model:
    """A model's workers; it answers when it is let."""

    def __init__(self, name):
        self.name = name
        self.pids = [hash(name)]
        self.stopped = False
        self.free = asyncio.Event()
        self.free.set()

    async def submit(self, request, delivery):
        assert delivery.model == ""
        await self.free.wait()
        return Message(200, "", "", "", self.name.encode())

    async def stop(self):
        self.stopped = True


class Shelf:
    """Loads models, and knows which it loaded; ``size`` is what each one's workers take."""

    def __init__(self, size=1):
        self.loaded = []
        self.given_up = []
        self.size = size

    async def load(self, name):
        if name == "none":
            raise Invalid("there is no such model")
        if name == "bad":
            raise WorkerFailed("it does not load")
        model = Model(name)
        self.loaded.append(model)
        return LoadedModel(model, lambda: self.given_up.append(name))

    def many(self, models=2, most_bytes=0, *, cached=True):
        return MultiModel("v", self.load, Keeping(models, most_bytes, cached, lambda pids: len(pids) * self.size))


def names(shelf):
    return [model.name for model in shelf.loaded]


async def ask(many, name):
    return (await many.submit(REQUEST, Delivery(model=name))).body.decode()


def test_the_least_recently_used_goes_when_one_more_comes():
    async def scene():
        shelf = Shelf()
        many = shelf.many(models=2)
        for name in ("a", "b", "a", "c", "a"):
            assert await ask(many, name) == name
        assert many.models == ["c", "a"]
        await asyncio.sleep(0.05)
        assert shelf.given_up == ["b"]
        assert await ask(many, "b") == "b"
        await many.stop()
        return shelf, many.take_reports()

    shelf, reports = asyncio.run(scene())
    assert names(shelf) == ["a", "b", "c", "b"]
    assert all(model.stopped for model in shelf.loaded)
    assert sorted(shelf.given_up) == ["a", "b", "b", "c"]
    assert reports["ModelCacheHit", 0.0, "None"] == 4
    assert reports["ModelCacheHit", 1.0, "None"] == 2


def test_requests_for_a_model_that_is_being_loaded_load_it_once():
    async def scene():
        shelf = Shelf()
        many = shelf.many()
        assert await asyncio.gather(*(ask(many, "a") for _ in range(10))) == ["a"] * 10
        await many.stop()
        return shelf

    assert names(asyncio.run(scene())) == ["a"]


def test_models_go_when_their_memory_is_too_much_but_never_the_last():
    async def scene():
        shelf = Shelf(size=60)
        many = shelf.many(models=10, most_bytes=130)
        kept = []
        for name in ("a", "b", "c"):
            await ask(many, name)
            kept.append(many.models)
        shelf.size = 1000
        await ask(many, "d")
        kept.append(many.models)
        await many.stop()
        return kept

    assert asyncio.run(scene()) == [["a"], ["a", "b"], ["b", "c"], ["d"]]


def test_a_model_with_requests_is_never_evicted_and_others_wait(monkeypatch):
    async def scene():
        shelf = Shelf()
        many = shelf.many(models=1)
        await ask(many, "a")
        shelf.loaded[0].free.clear()
        busy = asyncio.ensure_future(ask(many, "a"))
        await asyncio.sleep(0)
        monkeypatch.setattr(multi_model, "INVOCATION_TIMEOUT", 0.05)
        with pytest.raises(NotReady, match="waits until other models have answered"):
            await ask(many, "b")
        monkeypatch.setattr(multi_model, "INVOCATION_TIMEOUT", 60)
        waiting = asyncio.ensure_future(ask(many, "b"))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        shelf.loaded[0].free.set()
        assert (await busy, await waiting) == ("a", "b")
        await many.stop()

    asyncio.run(scene())


def test_what_is_no_model_and_what_does_not_load_leave_nothing():
    async def scene():
        shelf = Shelf()
        many = shelf.many(models=1)
        for _ in range(2):
            with pytest.raises(Invalid, match="no such model"):
                await ask(many, "none")
            with pytest.raises(Unanswered, match="Failed to load model bad: it does not load"):
                await ask(many, "bad")
        with pytest.raises(Invalid, match="TargetModel is required"):
            await many.submit(REQUEST)
        assert many.models == []
        assert await ask(many, "good") == "good"
        await many.stop()

    asyncio.run(scene())


def test_without_a_cache_a_model_goes_with_its_last_request():
    async def scene():
        shelf = Shelf()
        many = shelf.many(cached=False)
        await ask(many, "a")
        await asyncio.sleep(0.05)
        assert shelf.given_up == ["a"]
        await ask(many, "a")
        await many.stop()
        return shelf

    assert names(asyncio.run(scene())) == ["a", "a"]
