"""Workers that go when nothing is asked and come back when something is."""

import asyncio

import pytest

from selfmaker.serving.channel import Unanswered, WorkerFailed
from selfmaker.serving.delivery import Throttled
from selfmaker.serving.serverless import Serverless
from selfmaker.serving.spec import ServerlessSpec
from selfmaker.serving.worker.transport import Message

REQUEST = Message(0, "", "", "", b"x")


class Workers:
    """A variant whose workers come at once, or not at all."""

    name = "v"

    def __init__(self):
        self.ready = 0
        self.waiting = []
        self.counts = []
        self.failing = False

    @property
    def outstanding(self):
        return len(self.waiting)

    def submit(self, request, delivery=None):
        answer = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        self._answer()
        return answer

    def refuse_waiting(self, message, status):
        for answer in self.waiting:
            answer.set_exception(Unanswered(message, status))
        self.waiting.clear()

    def _answer(self):
        if self.ready:
            for answer in self.waiting:
                answer.set_result(REQUEST)
            self.waiting.clear()

    async def start(self, count):
        self.ready = count

    async def resize(self, count):
        await asyncio.sleep(0)
        if self.failing:
            raise WorkerFailed("the model is gone")
        self.counts.append(count)
        self.ready = count
        self._answer()

    async def stop(self):
        self.ready = 0


async def asleep(workers):
    while workers.ready:
        await asyncio.sleep(0.01)


def scene(work, **members):
    async def run():
        workers = Workers()
        spec = ServerlessSpec(memory_mb=1024, **{"concurrency": 3, **members})
        serverless = Serverless(workers, spec, 0.1, asyncio.get_running_loop())
        await serverless.start(2)
        try:
            return await work(serverless, workers)
        finally:
            await serverless.stop()

    return asyncio.run(run())


def test_workers_go_after_a_while_and_a_request_brings_them_back():
    async def work(serverless, workers):
        assert workers.ready == 1, "one shows at creation that the model loads"
        assert await serverless.submit(REQUEST) == REQUEST
        await asleep(workers)
        assert await serverless.submit(REQUEST) == REQUEST
        ((name, microseconds, unit), count), *others = serverless.take_reports().items()
        assert (name, unit, count, others) == ("ModelSetupTime", "Microseconds", 1, [])
        assert microseconds >= 0
        assert serverless.take_reports() == {}
        return workers.ready

    assert scene(work) == 2


def test_provisioned_workers_stay():
    async def work(serverless, workers):
        await serverless.submit(REQUEST)
        await asyncio.sleep(0.4)
        return workers.ready

    assert scene(work, provisioned=1) == 1


def test_more_requests_at_once_than_its_concurrency_are_refused():
    async def work(serverless, workers):
        await asleep(workers)
        asked = [serverless.submit(REQUEST) for _ in range(3)]
        with pytest.raises(Throttled, match="maximum concurrency of 3"):
            serverless.submit(REQUEST)
        return await asyncio.gather(*asked)

    assert scene(work) == [REQUEST] * 3


def test_a_model_that_loads_no_more_refuses_those_who_wait_and_the_next_request_tries_again():
    async def work(serverless, workers):
        await asleep(workers)
        workers.failing = True
        with pytest.raises(Unanswered, match="the model is gone"):
            await serverless.submit(REQUEST)
        workers.failing = False
        return await serverless.submit(REQUEST)

    assert scene(work) == REQUEST
