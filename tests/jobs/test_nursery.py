"""Supervisors that are forked ahead."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selfmaker.jobs.folder import JobFolder
from selfmaker.jobs.nursery import Nursery


@pytest.fixture
def spares(tmp_path: Path) -> Path:
    return tmp_path / "spare"


@pytest.fixture
def nursery(spares: Path) -> Iterator[Nursery]:
    started = Nursery(spares)
    started.warm()
    yield started
    started.close()


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children(nursery: Nursery) -> list[int]:
    assert nursery._process is not None
    pid = nursery._process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def start(nursery: Nursery, path: Path) -> JobFolder:
    """A job whose folder has no plan: its supervisor says so at once, and ends."""
    folder = JobFolder(path)
    folder.create()
    folder.ticket.write_text("ticket")
    nursery.start(folder.path, path.parent / "notices", "ticket")
    return folder


def ended(folder: JobFolder) -> bool:
    return [event["outcome"] for event in folder.read_events() if event["event"] == "ended"] == ["broken"]


def test_each_job_gets_the_one_that_waits(nursery: Nursery, tmp_path: Path) -> None:
    for number in range(5):
        folder = start(nursery, tmp_path / str(number))
        until(lambda folder=folder: ended(folder))  # type: ignore[misc]
    until(lambda: len(children(nursery)) == 1)


def test_one_that_was_ended_while_it_waited_is_replaced(nursery: Nursery, tmp_path: Path) -> None:
    until(lambda: children(nursery))
    (waiting,) = children(nursery)
    os.kill(waiting, signal.SIGKILL)
    until(lambda: waiting not in children(nursery))
    folder = start(nursery, tmp_path / "job")
    until(lambda: ended(folder))


def test_the_one_that_waits_ends_with_the_nursery(nursery: Nursery) -> None:
    until(lambda: children(nursery))
    (waiting,) = children(nursery)
    assert nursery._process is not None
    nursery._process.kill()
    until(lambda: not Path(f"/proc/{waiting}").exists())


def test_the_one_that_waits_builds_a_spare_sandbox_and_removes_it(nursery: Nursery, spares: Path) -> None:
    until(lambda: list(spares.glob("*/proc")))
    nursery.close()
    assert list(spares.iterdir()) == []


def test_a_job_that_takes_no_spare_leaves_none(nursery: Nursery, spares: Path, tmp_path: Path) -> None:
    until(lambda: list(spares.glob("*/proc")))
    (spare,) = spares.iterdir()
    folder = start(nursery, tmp_path / "job")
    until(lambda: ended(folder))
    until(lambda: not spare.exists())


def test_what_a_killed_server_left_is_removed(spares: Path) -> None:
    (spares / "old" / "root").mkdir(parents=True)
    nursery = Nursery(spares)
    nursery.warm()
    assert not (spares / "old").exists()
    nursery.close()
