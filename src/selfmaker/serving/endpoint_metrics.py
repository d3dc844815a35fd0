"""What endpoints report to CloudWatch: counted on the event loop in plain numbers, kept as samples now and then.

AWS/SageMaker, with EndpointName and VariantName: Invocations, InvocationsPerInstance, Invocation4XXErrors and
Invocation5XXErrors (1 for each such answer, 0 for each other, so that their average is a rate), ModelLatency and
OverheadLatency in microseconds. /aws/sagemaker/Endpoints: CPUUtilization (100 for each core in use) and
MemoryUtilization (percent of the machine's). A multi-model endpoint adds how its models came and went. An inference
component's dimension is InferenceComponentName, and its share InvocationsPerCopy. An asynchronous endpoint adds how
many requests wait.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor as Threads
from pathlib import Path

from selfmaker import clock
from selfmaker.serving.meter import Meter
from selfmaker.store.metrics import Metric, Metrics, Sample

_log = logging.getLogger(__name__)

ENDPOINT, COMPONENT = "EndpointName", "InferenceComponentName"  # dimensions
PER_INSTANCE, PER_COPY = "InvocationsPerInstance", "InvocationsPerCopy"
NAMESPACE, HOST_NAMESPACE = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
_EVERY = 60.0  # seconds between two samples that nobody asked for
_FRESH = 1.0  # seconds for which what was kept is new enough for a reader

Key = tuple[str, str]
Series = list[tuple[Metric, list[Sample]]]


class Watched:
    """A variant in service: ``instances`` is how many it has, ``pids`` gives its workers' outermost processes."""

    def __init__(self, key: Key, variant: str, dimension: str) -> None:
        self.key, self.variant, self._dimension = key, variant, dimension
        self._share = PER_INSTANCE if dimension == ENDPOINT else PER_COPY
        self.meter = Meter()
        self.instances = 1
        self.pids: Callable[[], list[int]] = list
        self.reports: Callable[[], Mapping[tuple[str, float, str], int]] = dict  # a variant's own, and how often
        self.used: tuple[float, float] | None = None  # when last looked at, processor seconds by then

    def samples(self, now: float) -> Series:
        """What was counted since the last time."""
        own: dict[str, list[Sample]] = {}
        for (name, value, unit), count in self.reports().items():
            own.setdefault(name, []).append(Sample.value(now, value, count, unit))
        reported = [(self.metric(NAMESPACE, name), samples) for name, samples in own.items()]
        counts = self.meter.take()
        n = counts.invocations
        if not n:
            return reported
        found = {
            "Invocations": [Sample.value(now, 1.0, n)],
            self._share: [Sample.value(now, 1.0 / max(1, self.instances), n)],
            "Invocation4XXErrors": _ones(now, counts.errors, n),
            "Invocation5XXErrors": _ones(now, counts.faults, n),
            "ModelLatency": [Sample.value(now, us, k, "Microseconds") for us, k in counts.latencies.items()],
            "OverheadLatency": [Sample.value(now, us, k, "Microseconds") for us, k in counts.overheads.items()],
        }
        return reported + [(self.metric(NAMESPACE, name), samples) for name, samples in found.items()]

    def metric(self, namespace: str, name: str) -> Metric:
        dimensions = {self._dimension: self.key[1]}
        if self._dimension == ENDPOINT:
            dimensions["VariantName"] = self.variant
        return Metric(self.key[0], namespace, name, dimensions)


class EndpointMetrics:
    """``watch`` on the event loop, ``keep`` from any other thread."""

    def __init__(
        self, metrics: Metrics, loop: asyncio.AbstractEventLoop, threads: Threads, dimension: str = ENDPOINT
    ) -> None:
        self._dimension = dimension
        self._metrics = metrics
        self._loop = loop
        self._threads = threads
        self._watched: dict[tuple[Key, str], Watched] = {}
        self._sources: list[Callable[[float], Series]] = []
        self._task: asyncio.Task[None] | None = None
        self._kept = float("-inf")

    def watch(self, key: Key, variant: str) -> Watched:
        """An endpoint's variant: the same one for as long as the server runs."""
        return self._watched.setdefault((key, variant), Watched(key, variant, self._dimension))

    def add_source(self, source: Callable[[float], Series]) -> None:
        """Keep, too, what ``source`` tells of the moment that it is given; it may block."""
        self._sources.append(source)

    def forget(self, key: Key) -> None:
        """The endpoint is gone. What was counted last is kept all the same."""
        for mark in [mark for mark in self._watched if mark[0] == key]:
            self._watched[mark].pids = list
            self._watched[mark].reports = dict

    def start(self) -> None:
        """Keep samples from now on, once a minute. On the event loop."""
        self._task = self._loop.create_task(self._regularly())

    async def close(self) -> None:
        """Keep what is left, and no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._keep()

    def keep(self) -> None:
        """Have everything that was counted up to now, or a second ago, in the store."""
        asyncio.run_coroutine_threadsafe(self._keep_if_stale(), self._loop).result(30)

    async def _keep_if_stale(self) -> None:
        if self._loop.time() - self._kept >= _FRESH:
            await self._keep()

    async def _regularly(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            try:
                await self._keep(hosts=True)
            except Exception:  # noqa: BLE001 - the outermost level of a task: the next minute may go better
                _log.exception("the endpoints' metrics could not be kept")

    async def _keep(self, *, hosts: bool = False) -> None:
        now = clock.now()
        series: Series = []
        for watched in self._watched.values():
            series += watched.samples(now)
        running = [(watched, watched.pids()) for watched in self._watched.values()] if hosts else []
        await self._loop.run_in_executor(self._threads, self._put, series, running, now)
        self._kept = self._loop.time()

    def _put(self, series: Series, running: list[tuple[Watched, list[int]]], now: float) -> None:
        for watched, pids in running:
            if pids:
                series += _host_samples(watched, pids, now)
        for source in self._sources:
            series += source(now)
        if series:
            self._metrics.put_all(series)


def _ones(now: float, ones: int, total: int) -> list[Sample]:
    zeros = total - ones
    return [Sample.value(now, value, count) for value, count in ((0.0, zeros), (1.0, ones)) if count]


def _host_samples(watched: Watched, pids: list[int], now: float) -> Series:
    """The share of processors and memory that the workers have used since the last time."""
    seconds, resident = _used(pids)
    moment = time.monotonic()
    before, watched.used = watched.used, (moment, seconds)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    memory = Sample.value(now, resident / total * 100.0, unit="Percent")
    found = [(watched.metric(HOST_NAMESPACE, "MemoryUtilization"), [memory])]
    if before is not None and seconds >= before[1]:
        share = (seconds - before[1]) / max(moment - before[0], 1e-3) * 100.0
        found.append((watched.metric(HOST_NAMESPACE, "CPUUtilization"), [Sample.value(now, share, unit="Percent")]))
    return found


def _used(pids: Iterable[int]) -> tuple[float, int]:
    """Processor seconds and resident bytes of the processes and all that descends from them."""
    ticks = resident = 0
    todo = list(pids)
    while todo:
        pid = todo.pop()
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            for task in Path(f"/proc/{pid}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
        except (OSError, ValueError):
            continue
        ticks += int(fields[11]) + int(fields[12])
        resident += int(fields[21])
    return ticks / os.sysconf("SC_CLK_TCK"), resident * os.sysconf("SC_PAGE_SIZE")
