"""The queues of all asynchronous endpoints."""

import asyncio

from selfmaker import clock
from selfmaker.serving.async_inference import Around, AsyncInference
from selfmaker.serving.deployment import Deployment
from selfmaker.serving.endpoint_metrics import NAMESPACE
from selfmaker.serving.router import Key
from selfmaker.serving.spec import AsyncSpec
from selfmaker.store.metrics import Metric, Sample
from selfmaker.store.resources import Document


class AsyncQueues:
    """Used on the event loop only, but for ``accept``, ``forget`` and ``samples``, which block and are for threads."""

    def __init__(self, around: Around, loop: asyncio.AbstractEventLoop) -> None:
        self._around = around
        self._loop = loop
        self._queues: dict[Key, AsyncInference] = {}
        self._instances: dict[Key, int] = {}

    def accept(self, key: Key, document: Document) -> None:
        """Take an asynchronous invocation in; from here on it is not lost."""
        self._around.table.add(*key, clock.now(), document)
        self._loop.call_soon_threadsafe(self._wake, key)

    def forget(self, key: Key) -> None:
        """The endpoint is gone, and so is what it had still to answer."""
        self._around.table.forget(*key)

    def samples(self, now: float) -> list[tuple[Metric, list[Sample]]]:
        """How many requests wait for each endpoint. Blocks."""
        series = []
        for key, instances in list(self._instances.items()):
            waiting = float(self._around.table.count(*key))
            for name, value in (
                ("ApproximateBacklogSize", waiting),
                ("ApproximateBacklogSizePerInstance", waiting / max(1, instances)),
                ("HasBacklogWithoutCapacity", float(waiting > 0 and not instances)),
            ):
                metric = Metric(key[0], NAMESPACE, name, {"EndpointName": key[1]})
                series.append((metric, [Sample.value(now, value)]))
        return series

    def attend(self, key: Key, deployment: Deployment, room: int) -> None:
        """Answer the endpoint's queue, if it has one, by what is in service now, ``room`` requests at once."""
        spec = deployment.spec.asynchronous
        if spec is None and key not in self._queues:
            return
        self._instances[key] = sum(variant.instances for variant in deployment.spec.variants)
        queue = self._queues.setdefault(key, AsyncInference(key, self._around))
        queue.start(spec or AsyncSpec("", ""), room, deployment.spec.variants[0].name)

    async def stop(self, key: Key) -> None:
        """Answer no more of it; what is under way is given up, and its rows stay."""
        self._instances.pop(key, None)
        queue = self._queues.pop(key, None)
        if queue is not None:
            await queue.stop()

    async def stop_all(self) -> None:
        for key in list(self._queues):
            await self.stop(key)

    def _wake(self, key: Key) -> None:
        if key in self._queues:
            self._queues[key].wake()
