"""Random graphs, jobs that end at random, servers that die at random: each step once, in order, and an end."""

import contextlib
import random
import threading
import time
from collections import Counter
from typing import Any

import pytest

from selfmaker.errors import Conflict

REGION = "eu-west-1"


class Workers(threading.Thread):
    """End jobs at random until told to stop."""

    def __init__(self, bench: Any, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.bench, self.chance, self.done = bench, chance, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.001):
            for name, job in list(self.bench.jobs.jobs.items()):
                if job["ProcessingJobStatus"] == "InProgress" and self.chance.random() < 0.2:
                    well = self.chance.random() < 0.95
                    job["FailureReason"] = "AlgorithmError"
                    job["ProcessingJobStatus"] = "Completed" if well else "Failed"
                    self.bench.jobs.ended(REGION, "ProcessingJob", name)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens(bench: Any, step: Any, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfmaker.workflow.engine.DOUBT", 0.2)
    chance = random.Random(seed)
    graphs = {}
    for _ in range(3):
        needs = {f"s{n}": [f"s{m}" for m in range(n) if chance.random() < 0.3] for n in range(chance.randint(1, 9))}
        limit = {"parallelism": {"MaxParallelExecutionSteps": chance.randint(1, 4)}} if chance.random() < 0.5 else {}
        graphs[bench.begin(*(step(name, *above) for name, above in needs.items()), **limit)] = needs
    workers = Workers(bench, random.Random(seed + 100))
    workers.start()
    stopped = set()
    deadline = time.monotonic() + 30
    while any(bench.table.get(run).status in ("Executing", "Stopping") for run in graphs):
        assert time.monotonic() < deadline, {run: bench.statuses(run) for run in graphs}
        time.sleep(chance.random() * 0.05)
        if chance.random() < 0.3:
            bench.restart()
        if chance.random() < 0.05 and (run := chance.choice(list(graphs))) not in stopped:
            stopped.add(run)
            with contextlib.suppress(Conflict):  # it may have ended just now
                bench.engine.stop(run, "stop")
    workers.done.set()
    workers.join()
    made = Counter(tuple(name.split("-")[1:3]) for name in bench.jobs.jobs)
    assert set(made.values()) <= {1}, "a step was run twice"
    for run, needs in graphs.items():
        rows, status = bench.rows(run), bench.table.get(run).status
        assert not any(row.status in ("Starting", "Executing", "Stopping") for row in rows.values())
        for name, row in rows.items():
            assert (run, name) in made
            for above in needs[name]:
                assert rows[above].status == "Succeeded"
                assert rows[above].ended <= row.started
        if status == "Succeeded":
            assert set(rows) == set(needs)
        if status == "Failed":
            forgotten = {
                n for n in needs if n not in rows and all(a in rows and rows[a].status == "Succeeded" for a in needs[n])
            }
            assert not forgotten
