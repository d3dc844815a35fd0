import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selfmaker import clock, ids
from selfmaker.jobs import states
from selfmaker.jobs.line import Line
from selfmaker.jobs.spec import JobSpec
from selfmaker.store.database import Database
from selfmaker.store.jobs import Job, JobTable
from selfmaker.store.migrate import bring_up_to_date

numbers = itertools.count()


@pytest.fixture
def table(tmp_path: Path) -> Iterator[JobTable]:
    database = Database(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    bring_up_to_date(database)
    yield JobTable(database)
    database.close()


def waiting(table: JobTable, slots: int = 1, **spec: Any) -> Job:
    name = f"job-{next(numbers)}"
    hosts = tuple(f"algo-{n + 1}" for n in range(slots))
    made = JobSpec(
        kind="TrainingJob",
        region="r",
        name=name,
        arn=name,
        image="i",
        role="r",
        hosts=hosts,
        **{"instance_type": "ml.m5.large", **spec},
    )
    now = clock.now()
    progress = states.moved({}, states.PREPARING, now)
    return table.create(
        Job(ids.unique_id(), made.kind, "r", name, name, states.QUEUED, slots, now, now, made.to_json(), {}, progress)
    )


def end(table: JobTable, job: Job) -> None:
    table.amend(job.id, lambda j: replace(j, state=states.COMPLETED))


def test_jobs_start_in_order_as_slots_allow(table: JobTable) -> None:
    line = Line(table, 2, ())
    first, second, third = waiting(table), waiting(table), waiting(table)
    assert [job.id for job in line.advance().started] == [first.id, second.id]
    assert line.advance().started == []
    told = table.by_id(third.id).progress["transitions"][-1]
    assert told["status"] == states.QUEUED
    assert "2 of 2 slots" in told["message"]
    end(table, first)
    assert [job.id for job in line.advance().started] == [third.id]


def test_nobody_passes_a_large_job(table: JobTable) -> None:
    line = Line(table, 2, ())
    running, large, small = waiting(table), waiting(table, slots=2), waiting(table)
    assert [job.id for job in line.advance().started] == [running.id]
    end(table, running)
    assert [job.id for job in line.advance().started] == [large.id]
    assert table.by_id(small.id).state == states.QUEUED


def test_gpus_are_counted_and_given_to_one_job_each(table: JobTable) -> None:
    line = Line(table, 8, (0, 1))
    jobs = [waiting(table, instance_type="ml.g5.xlarge") for _ in range(3)]
    started = line.advance().started
    assert [job.progress["gpus"] for job in started] == [[0], [1]]
    assert "GPU" in table.by_id(jobs[2].id).progress["transitions"][-1]["message"]
    end(table, jobs[0])
    assert [job.progress["gpus"] for job in line.advance().started] == [[0]]


def test_a_job_gets_what_the_machine_has(table: JobTable) -> None:
    many = waiting(table, instance_type="ml.p3.16xlarge")
    assert Line(table, 8, (0, 1)).advance().started[0].progress["gpus"] == [0, 1]
    end(table, many)
    waiting(table, instance_type="ml.p3.16xlarge")
    assert Line(table, 8, ()).advance().started[0].progress["gpus"] == []


def test_a_spot_job_does_not_wait_for_ever(table: JobTable) -> None:
    job = waiting(table, spot=True, max_wait=1)
    table.amend(job.id, lambda j: replace(j, created=j.created - 2))
    turn = Line(table, 1, ()).advance()
    assert [expired.id for expired in turn.expired] == [job.id]
    assert turn.started == []
