"""Spare workers: started in their sandboxes before there is a model for them, with the framework imported.

Imports are most of the time that a worker takes to come up. A spare is of an environment that was used, and is given
the model's files as a copy of its own; whoever cannot take it (a big model, a variable that is read at the start of a
process, no network) starts in the ordinary way. Used on the event loop only.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from selfmaker.serving.channel import WorkerFailed
from selfmaker.serving.worker.spare import FRAMEWORKS
from selfmaker.serving.worker_plan import WorkerPlan
from selfmaker.serving.worker_process import Spare

_log = logging.getLogger(__name__)

_QUIET = 1.0  # seconds after a start: the endpoint that is coming up goes first
_IDLE = 900.0  # seconds after which a spare that nobody wanted gives its memory back
_EARLY = (
    "LD_", "PYTHON", "PATH", "OMP_", "OPENBLAS_", "MKL_", "NUMEXPR_", "KMP_", "MALLOC_", "GLIBC_", "LC_", "LANG",
    "CUDA_", "NVIDIA_", "TORCH", "PYTORCH_", "NCCL_", "XGB", "SKLEARN_", "HOME", "VIRTUAL_ENV",
)  # fmt: skip

Key = tuple[object, ...]
Start = Callable[[WorkerPlan], Awaitable[Spare]]


class Spares:
    """At most ``count`` of them, of the environments that were used last. ``start`` makes one."""

    def __init__(self, count: int, start: Start, loop: asyncio.AbstractEventLoop) -> None:
        self._count = count
        self._start = start
        self._loop = loop
        self._waiting: deque[tuple[Key, Spare]] = deque()
        self._filling: asyncio.Task[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def take(self, plan: WorkerPlan) -> Spare | None:
        """A spare that may serve ``plan``, if there is one."""
        if not self._waiting or not _fits(plan):
            return None
        key = _key(plan)
        for entry in self._waiting:
            if entry[0] == key:
                self._waiting.remove(entry)
                return entry[1] if entry[1].process.channel.connected else self.take(plan)
        return None

    def used(self, plan: WorkerPlan) -> None:
        """A worker of ``plan`` has come up: have spares for the next one, soon."""
        if self._count and not self._closed and plan.framework in FRAMEWORKS and _fits(plan):
            if self._filling is not None:
                self._filling.cancel()
            self._filling = self._loop.create_task(self._fill(plan))

    async def close(self) -> None:
        """End all that wait."""
        self._closed = True
        if self._expiry is not None:
            self._expiry.cancel()
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        while self._waiting:
            self._end(self._waiting.popleft()[1])
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _fill(self, plan: WorkerPlan) -> None:
        await asyncio.sleep(_QUIET)
        key = _key(plan)
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = self._loop.call_later(_IDLE, self._expire)
        while sum(held == key for held, _ in self._waiting) < self._count:
            try:
                spare = await self._start(plan)
            except WorkerFailed as error:
                _log.info("no spare worker: %s", error.message)
                return
            self._waiting.append((key, spare))
            while len(self._waiting) > self._count:
                self._end(self._waiting.popleft()[1])

    def _expire(self) -> None:
        while self._waiting:
            self._end(self._waiting.popleft()[1])

    def _end(self, spare: Spare) -> None:
        task = self._loop.create_task(spare.process.stop())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _fits(plan: WorkerPlan) -> bool:
    return plan.network and plan.environment.programs is None


def _key(plan: WorkerPlan) -> Key:
    """What a spare and a plan must have in common."""
    early = tuple(sorted((k, v) for k, v in plan.variables.items() if k.startswith(_EARLY)))
    return plan.framework, plan.environment.prefix, plan.mounts, plan.hidden, early
