"""A variant that has workers only while there is something to do."""

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from selfmaker.serving.channel import WorkerFailed
from selfmaker.serving.delivery import PLAIN, Delivery, Throttled
from selfmaker.serving.spec import ServerlessSpec
from selfmaker.serving.variant import Variant
from selfmaker.serving.worker.transport import Message

_log = logging.getLogger(__name__)


class Serverless:
    """Used on the event loop only. A request that finds no worker waits until one is up: that is the cold start.

    ``idle`` is after how many seconds without a request the workers go, but for the provisioned ones.
    """

    def __init__(self, inner: Variant, spec: ServerlessSpec, idle: float, loop: asyncio.AbstractEventLoop) -> None:
        self.name = inner.name
        self._inner = inner
        self.spec = spec
        self._idle = idle
        self._loop = loop
        self._count = 1
        self._used = loop.time()
        self._watch: asyncio.TimerHandle | None = None
        self._waking = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._cold_starts: Counter[float] = Counter()

    @property
    def pids(self) -> list[int]:
        """The workers' outermost processes."""
        return self._inner.pids

    def take_reports(self) -> dict[tuple[str, float, str], int]:
        """What AWS/SageMaker tells of serverless endpoints, since the last time: how often each was observed."""
        taken, self._cold_starts = self._cold_starts, Counter()
        return {("ModelSetupTime", microseconds, "Microseconds"): count for microseconds, count in taken.items()}

    @property
    def outstanding(self) -> int:
        return self._inner.outstanding

    def submit(self, request: Message, delivery: Delivery = PLAIN) -> "asyncio.Future[Message]":
        """Raises Throttled past the variant's concurrency."""
        if self._inner.outstanding >= self.spec.concurrency:
            raise Throttled(
                f"The endpoint variant {self.name} reached its maximum concurrency of {self.spec.concurrency}."
            )
        self._used = self._loop.time()
        answer = self._inner.submit(request, delivery)
        if self._inner.ready < self._count and not self._waking:
            self._waking = True
            self._spawn(self._wake())
        return answer

    async def start(self, count: int) -> None:
        """Show that a worker comes up, as AWS does; without requests it is gone after a while."""
        self._count = max(1, min(count, self.spec.concurrency))
        await self._inner.start(min(self._count, max(1, self.spec.provisioned)))
        self._look_later()

    async def resize(self, count: int) -> None:
        """``count`` is how many workers there may be; the provisioned ones are brought up."""
        self._count = max(1, min(count, self.spec.concurrency))
        kept = min(self.spec.provisioned, self._count)
        if self._inner.ready < kept:
            await self._inner.resize(kept)

    async def drain(self, patience: float) -> None:
        self._end_watch()
        await self._inner.drain(patience)
        await self._end_tasks()

    async def stop(self) -> None:
        self._end_watch()
        await self._end_tasks()
        await self._inner.stop()

    async def _wake(self) -> None:
        begun, cold = self._loop.time(), not self._inner.ready
        try:
            await self._inner.resize(self._count)
            if cold:
                self._cold_starts[(self._loop.time() - begun) * 1e6] += 1
        except WorkerFailed as error:
            _log.warning("serverless variant %s: %s", self.name, error.message)
            if not self._inner.ready:
                self._inner.refuse_waiting(error.message, 500)
        finally:
            self._waking = False

    def _look_later(self) -> None:
        self._watch = self._loop.call_later(max(0.05, self._used + self._idle - self._loop.time()), self._look)

    def _look(self) -> None:
        kept = min(self.spec.provisioned, self._count)
        quiet = self._loop.time() - self._used
        if quiet >= self._idle and not self._waking and not self._inner.outstanding:
            if self._inner.ready > kept:
                self._spawn(self._sleep(kept))
            self._used = self._loop.time()
        self._look_later()

    async def _sleep(self, kept: int) -> None:
        try:
            await self._inner.resize(kept)
        except WorkerFailed as error:
            _log.warning("serverless variant %s: %s", self.name, error.message)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    async def _end_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
