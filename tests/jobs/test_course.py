"""One job's way, where its supervisors meet."""

from dataclasses import replace

import pytest

from selfmaker import clock
from selfmaker.jobs import states
from selfmaker.jobs.course import Course
from selfmaker.jobs.folder import JobFolder
from selfmaker.store.jobs import Job, JobTable

KIND = "training-job"


class Quick:
    """A kind of job that asks for nothing."""

    def prepare(self, job, folder):
        return None

    def tick(self, job, folder):
        return None

    def interrupted(self, job, folder):
        return None


@pytest.fixture
def started():
    """The folders for which a supervisor was started."""
    return []


@pytest.fixture
def table(database):
    return JobTable(database)


@pytest.fixture
def course(table, tmp_path, started, monkeypatch):
    (tmp_path / "jobs").mkdir()
    made = Course(table, tmp_path / "jobs", {KIND: Quick()}, lambda: None)
    monkeypatch.setattr(made.nursery, "start", lambda folder, notices, ticket: started.append(folder))
    return made


def running(table):
    now, spec = clock.now(), {"attempts": 1, "spot": True}
    job = Job("1", KIND, "here", "a", "arn:a", states.RUNNING, 1, now, now, spec, {}, {"resumed": now})
    return table.create(job)


def test_an_interrupted_job_waits_for_its_supervisor_to_be_gone(course, table, started):
    """It has said its last word, but not ended yet: then the job's next turn may come before that."""
    job = running(table)
    folder = course.folder_of(job)
    folder.create()
    folder.ticket.write_text("the first")
    folder.append_event({"event": "ended", "time": clock.now(), "outcome": "interrupted"}, durable=False)
    with JobFolder(folder.path).unsupervised() as free:  # in the supervisor's place
        assert free
        course.absorb(job)
        assert table.by_id("1").state == states.QUEUED
        turn = table.amend("1", lambda row: replace(row, state=states.PREPARING))
        course.prepare(turn)
        course.look(turn, 0)
        assert started == []
    course.look(turn, 0)
    assert started == [folder.path]
    course.look(turn, 0)
    assert started == [folder.path]
    assert table.by_id("1").state == states.PREPARING
