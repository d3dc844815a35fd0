"""Counts what a production variant answers, cheaply enough to be asked for each request. On the event loop only."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from time import perf_counter

from selfmaker.serving.channel import Unanswered
from selfmaker.serving.worker.transport import Message


@dataclass
class Counts:
    """``errors`` are answers with a 4xx status, ``faults`` those with a 5xx and what was not answered; latencies by
    microseconds, rounded to two figures: as fine as percentiles need, and few different ones."""

    invocations: int = 0
    errors: int = 0
    faults: int = 0
    latencies: dict[float, int] = field(default_factory=dict)
    overheads: dict[float, int] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        self.invocations += other.invocations
        self.errors += other.errors
        self.faults += other.faults
        for ours, theirs in ((self.latencies, other.latencies), (self.overheads, other.overheads)):
            for step, count in theirs.items():
                ours[step] = ours.get(step, 0) + count


class Meter:
    """One variant's."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = Counts()

    def count(self, status: int, latency: float, overhead: float) -> None:
        """One answer with the model's ``status`` (0: none came); ``latency`` and ``overhead`` in seconds."""
        counts = self._counts
        counts.invocations += 1
        if status >= 500 or status == 0:
            counts.faults += 1
        elif status >= 400:
            counts.errors += 1
        step = _rounded(latency)
        counts.latencies[step] = counts.latencies.get(step, 0) + 1
        step = _rounded(overhead)
        counts.overheads[step] = counts.overheads.get(step, 0) + 1

    async def metered(self, answer: Awaitable[Message]) -> Message:
        """``answer``, counted when it comes. Raises what it raises."""
        began = perf_counter()
        try:
            given = await answer
        except Unanswered as error:
            self.count(error.status, perf_counter() - began, 0.0)
            raise
        self.count(given.status, perf_counter() - began, 0.0)
        return given

    def take(self) -> Counts:
        """What was counted since the last time."""
        counts, self._counts = self._counts, Counts()
        return counts


def _rounded(seconds: float) -> float:
    us = max(1.0, seconds * 1e6)
    step = 1.0
    while us >= 100.0:
        us /= 10.0
        step *= 10.0
    return round(us) * step
