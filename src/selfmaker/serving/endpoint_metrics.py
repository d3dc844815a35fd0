"""What endpoints report to CloudWatch: counted on the event loop in plain numbers, kept as samples now and then.

AWS/SageMaker, with EndpointName and VariantName (and, for what is answered, once more with EndpointConfigName, so that
the two sides of an update can be told apart): Invocations, InvocationsPerInstance, Invocation4XXErrors and
Invocation5XXErrors (1 for each such answer, 0 for each other, so that their average is a rate), ModelLatency and
OverheadLatency in microseconds, ConcurrentRequestsPerModel (the time of all answers of an interval by its length).
/aws/sagemaker/Endpoints: CPUUtilization (100 for each core in use) and MemoryUtilization (percent of the machine's).

A multi-model endpoint adds how its models came and went, a serverless one ModelSetupTime and
ServerlessProvisionedConcurrencyUtilization, an asynchronous one how many requests wait. An inference component's
dimension is InferenceComponentName, its shares are InvocationsPerCopy and ConcurrentRequestsPerCopy, and
NoCapacityInvocationFailures counts what came while it had no copies.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from selfmaker import clock
from selfmaker.serving.meter import Counts, Meter
from selfmaker.store.metrics import Metric, Metrics, Sample

_log = logging.getLogger(__name__)

ENDPOINT, COMPONENT = "EndpointName", "InferenceComponentName"  # dimensions
CONFIG = "EndpointConfigName"
PER_INSTANCE, PER_COPY = "InvocationsPerInstance", "InvocationsPerCopy"
PER_MODEL_AT_ONCE, PER_COPY_AT_ONCE = "ConcurrentRequestsPerModel", "ConcurrentRequestsPerCopy"
PROVISIONED_USE = "ServerlessProvisionedConcurrencyUtilization"
NO_CAPACITY = "NoCapacityInvocationFailures"
NAMESPACE, HOST_NAMESPACE = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
_EVERY = 60.0  # seconds between two samples that nobody asked for

Key = tuple[str, str]
Series = list[tuple[Metric, list[Sample]]]


class Watched:
    """A variant in service: ``instances`` is how many it has, ``pids`` gives its workers' outermost processes.

    ``provisioned`` is a serverless variant's concurrency that is always there; ``refused`` counts requests that found
    no copy of a component.
    """

    def __init__(self, key: Key, variant: str, dimension: str) -> None:
        self.key, self.variant, self._dimension = key, variant, dimension
        ours = (PER_INSTANCE, PER_MODEL_AT_ONCE) if dimension == ENDPOINT else (PER_COPY, PER_COPY_AT_ONCE)
        self._share, self._at_once = ours
        self._since = clock.now()
        self._meters: dict[str, Meter] = {}
        self.instances = 1
        self.provisioned = 0
        self.refused = 0
        self.pids: Callable[[], list[int]] = list
        self.reports: Callable[[], Mapping[tuple[str, float, str], int]] = dict  # a variant's own, and how often
        self.used: tuple[float, float] | None = None  # when last looked at, processor seconds by then

    def meter(self, config: str) -> Meter:
        """What counts the invocations of the variant as the endpoint configuration has it."""
        return self._meters.setdefault(config, Meter())

    def samples(self, now: float) -> Series:
        """What was counted since the last time."""
        own: dict[str, list[Sample]] = {}
        for (name, value, unit), count in self.reports().items():
            own.setdefault(name, []).append(Sample.value(now, value, count, unit))
        if self.refused:
            own[NO_CAPACITY] = [Sample.value(now, 1.0, self.refused)]
            self.refused = 0
        by_config = {config: meter.take() for config, meter in self._meters.items()}
        counts = Counts()
        for part in by_config.values():
            counts.add(part)
        own |= self._answered(now, counts)
        self._since = now
        series = [(self.metric(NAMESPACE, name), samples) for name, samples in own.items()]
        if self._dimension == ENDPOINT:
            for config, part in by_config.items():
                series += [(self.metric(NAMESPACE, name, config), s) for name, s in _outcomes(now, part).items()]
        return series

    def _answered(self, now: float, counts: Counts) -> dict[str, list[Sample]]:
        n = counts.invocations
        if not n:
            return {}
        at_once = sum(us * k for us, k in counts.latencies.items()) / 1e6 / max(now - self._since, 1.0)
        found = {
            self._at_once: [Sample.value(now, at_once / max(1, self.instances))],
            self._share: [Sample.value(now, 1.0 / max(1, self.instances), n)],
            **_outcomes(now, counts),
        }
        if self.provisioned:
            found[PROVISIONED_USE] = [Sample.value(now, at_once / self.provisioned)]
        return found

    def metric(self, namespace: str, name: str, config: str = "") -> Metric:
        dimensions = {self._dimension: self.key[1]}
        if self._dimension == ENDPOINT:
            dimensions["VariantName"] = self.variant
        if config:
            dimensions[CONFIG] = config
        return Metric(self.key[0], namespace, name, dimensions)


class EndpointMetrics:
    """``watch`` on the event loop, ``keep`` from any other thread."""

    def __init__(self, metrics: Metrics, loop: asyncio.AbstractEventLoop, dimension: str = ENDPOINT) -> None:
        self._dimension = dimension
        self._metrics = metrics
        self._loop = loop
        # One: who finds nothing left to keep waits for those who are keeping it.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="selfmaker-endpoint-metrics")
        self._watched: dict[tuple[Key, str], Watched] = {}
        self._sources: list[Callable[[float], Series]] = []
        self._task: asyncio.Task[None] | None = None

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
        self._thread.shutdown(wait=False)

    def keep(self) -> None:
        """Have everything that was counted up to now in the store."""
        asyncio.run_coroutine_threadsafe(self._keep(), self._loop).result(30)

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
        await self._loop.run_in_executor(self._thread, self._put, series, running, now)

    def _put(self, series: Series, running: list[tuple[Watched, list[int]]], now: float) -> None:
        for watched, pids in running:
            if pids:
                series += _host_samples(watched, pids, now)
        for source in self._sources:
            series += source(now)
        if series:
            self._metrics.put_all(series)


def _outcomes(now: float, counts: Counts) -> dict[str, list[Sample]]:
    if not counts.invocations:
        return {}
    return {
        "Invocations": [Sample.value(now, 1.0, counts.invocations)],
        "Invocation4XXErrors": _ones(now, counts.errors, counts.invocations),
        "Invocation5XXErrors": _ones(now, counts.faults, counts.invocations),
        "ModelLatency": [Sample.value(now, us, k, "Microseconds") for us, k in counts.latencies.items()],
        "OverheadLatency": [Sample.value(now, us, k, "Microseconds") for us, k in counts.overheads.items()],
    }


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
