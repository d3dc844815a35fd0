"""One container for many models: each is loaded when it is first asked for, and the least recently used go.

A model's workers are a ``Variant`` of its own, so that a model that crashes takes no other with it. What is unloaded
first finishes what it has in hand: only a model without requests is ever evicted.
"""

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from selfmaker.errors import Invalid
from selfmaker.serving.channel import Unanswered, WorkerFailed
from selfmaker.serving.delivery import PLAIN, Delivery, NotReady
from selfmaker.serving.variant import INVOCATION_TIMEOUT, Variant
from selfmaker.serving.worker.transport import Message

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedModel:
    """A model in service. ``give_up`` lets go of its files once its workers have ended; it blocks. ``prepared`` is how
    many seconds its files and its environment took."""

    variant: Variant
    give_up: Callable[[], None]
    prepared: float = 0.0


@dataclass(frozen=True)
class Keeping:
    """How many models stay loaded, how many bytes their workers may have together (0: no limit), and whether a model
    stays at all once its request is answered. ``memory`` tells what processes have; it blocks."""

    models: int
    bytes: int
    cached: bool
    memory: Callable[[list[int]], int]


Report = tuple[str, float, str]
"""A metric that was observed: its name, value and unit."""

_MICRO = 1e6
Load = Callable[[str], Awaitable[LoadedModel]]


@dataclass
class _Place:
    """A model that is loaded or being loaded, and how many requests it has."""

    loading: "asyncio.Future[LoadedModel]"
    users: int = 0


class MultiModel:
    """``load`` brings a model up by the name that requests have for it; it raises Invalid for what is no model, and
    WorkerFailed. Used on the event loop only."""

    def __init__(self, name: str, load: Load, keeping: Keeping) -> None:
        self.name = name
        self._load = load
        self._keeping = keeping
        self._loop = asyncio.get_running_loop()
        self._places: OrderedDict[str, _Place] = OrderedDict()  # the least recently used first
        self._room = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._counted: Counter[Report] = Counter()
        self._closed = False

    @property
    def outstanding(self) -> int:
        return sum(place.users for place in self._places.values())

    @property
    def models(self) -> list[str]:
        """Those that are loaded, the least recently used first."""
        return [name for name, place in self._places.items() if place.loading.done()]

    @property
    def pids(self) -> list[int]:
        """The workers' outermost processes."""
        return [pid for place in self._places.values() for pid in _pids(place)]

    def take_reports(self) -> dict[Report, int]:
        """What AWS/SageMaker tells of multi-model endpoints, since the last time: how often each was observed."""
        taken, self._counted = self._counted, Counter()
        return dict(taken)

    async def submit(self, request: Message, delivery: Delivery = PLAIN) -> Message:
        target = delivery.model
        if not target:
            raise Invalid("TargetModel is required for a multi-model endpoint.")
        place = await self._place(target)
        place.users += 1
        try:
            loaded = await self._loaded(target, place)
            return await loaded.variant.submit(request, replace(delivery, model=""))
        finally:
            place.users -= 1
            if not place.users:
                self._idle(target, place)

    async def start(self, count: int) -> None:
        """Nothing to bring up: models come when they are asked for."""

    async def resize(self, count: int) -> None:
        """The number of workers is each model's own."""

    async def drain(self, patience: float) -> None:
        end = self._loop.time() + patience
        while self.outstanding and self._loop.time() < end:
            await asyncio.sleep(0.02)
        await self.stop()

    async def stop(self) -> None:
        self._closed = True
        places, self._places = list(self._places.values()), OrderedDict()
        for place in places:
            if not place.loading.done():
                place.loading.cancel()
        await asyncio.gather(*(self._end(place) for place in places), *list(self._tasks))

    # -- models that come

    async def _place(self, target: str) -> _Place:
        """The model's place; a new one when there is none, once there is room. Raises NotReady when none is to be had
        in time."""
        deadline = self._loop.time() + INVOCATION_TIMEOUT
        async with self._room:
            place = self._places.get(target)
            self._counted["ModelCacheHit", float(place is not None), "None"] += 1
            while place is None:
                if self._closed:
                    raise Unanswered(f"variant {self.name} was taken out of service")
                if len(self._places) < self._keeping.models or self._evict_one():
                    place = _Place(asyncio.ensure_future(self._loading(target)))
                    self._places[target] = place
                    break
                try:
                    await asyncio.wait_for(self._room.wait(), deadline - self._loop.time())
                except asyncio.TimeoutError:
                    raise NotReady(f"Model {target} waits until other models have answered. Try again.") from None
                place = self._places.get(target)
            self._places.move_to_end(target)
            return place

    async def _loading(self, target: str) -> LoadedModel:
        begun = self._loop.time()
        loaded = await self._load(target)
        taken = (self._loop.time() - begun) * _MICRO
        self._counted["ModelDownloadingTime", loaded.prepared * _MICRO, "Microseconds"] += 1
        self._counted["ModelLoadingTime", taken - loaded.prepared * _MICRO, "Microseconds"] += 1
        return loaded

    async def _loaded(self, target: str, place: _Place) -> LoadedModel:
        """The model once it is loaded. Raises Invalid, Unanswered when it cannot be, NotReady when it takes long."""
        first = not place.loading.done()
        begun = self._loop.time()
        done, _ = await asyncio.wait([place.loading], timeout=INVOCATION_TIMEOUT)
        if not done:
            raise NotReady(f"Model {target} is still being loaded. Wait and try again.")
        try:
            loaded = place.loading.result()
        except BaseException as error:
            if self._places.get(target) is place:
                del self._places[target]
            if isinstance(error, (WorkerFailed, asyncio.CancelledError)):
                raise Unanswered(f"Failed to load model {target}: {error}", 500) from None
            raise
        if first:
            waited = (self._loop.time() - begun) * _MICRO
            self._counted["ModelLoadingWaitTime", waited, "Microseconds"] += 1
            await self._within_memory()
        return loaded

    # -- models that go

    def _idle(self, target: str, place: _Place) -> None:
        """The model has answered all its requests."""
        if not self._keeping.cached and self._places.get(target) is place and place.loading.done():
            del self._places[target]
            self._spawn(self._end(place))
        if not self._closed:
            self._spawn(self._tell_room())

    async def _tell_room(self) -> None:
        async with self._room:
            self._room.notify_all()

    def _evict_one(self) -> bool:
        """Unload the least recently used model that has no requests; False when all have."""
        for name, place in self._places.items():
            if not place.users and place.loading.done():
                del self._places[name]
                self._spawn(self._end(place))
                return True
        return False

    async def _within_memory(self) -> None:
        """Evict until the workers' memory is within the limit, or only one model is left."""
        while self._keeping.bytes and len(self._places) > 1:
            taken = await self._loop.run_in_executor(None, self._keeping.memory, self.pids)
            if taken <= self._keeping.bytes or not self._evict_one():
                return

    async def _end(self, place: _Place) -> None:
        await asyncio.wait([place.loading])
        if place.loading.cancelled() or place.loading.exception() is not None:
            return
        loaded = place.loading.result()
        begun = self._loop.time()
        await loaded.variant.stop()
        await self._loop.run_in_executor(None, loaded.give_up)
        self._counted["ModelUnloadingTime", (self._loop.time() - begun) * _MICRO, "Microseconds"] += 1

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _pids(place: _Place) -> list[int]:
    done = place.loading.done() and not place.loading.cancelled() and place.loading.exception() is None
    return place.loading.result().variant.pids if done else []
