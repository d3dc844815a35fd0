"""One job's way, from the folder that is laid out for it to its end.

Each act reads the row and the job's folder and brings the one up to the other; each may be repeated after a crash.
"""

import contextlib
import random
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from selfmaker import clock, ids
from selfmaker.errors import NotFound, SelfmakerError
from selfmaker.jobs import states
from selfmaker.jobs.folder import JobFolder
from selfmaker.jobs.nursery import Nursery
from selfmaker.store.jobs import Job, JobTable

GRACE = 30.0  # seconds within which a started supervisor has given its first sign of life

# The state that each of a supervisor's events tells of.
REPORTED = {"loading": states.LOADING, "running": states.RUNNING, "finishing": states.FINISHING}


class JobKind(Protocol):
    """What differs between kinds of jobs. Every act may be repeated for the same job after a crash."""

    def prepare(self, job: Job, folder: JobFolder) -> None:
        """Lay out the folder and write its plan. A SelfmakerError fails the job with that message."""

    def tick(self, job: Job, folder: JobFolder) -> None:
        """Called about once a second while the job runs."""

    def interrupted(self, job: Job, folder: JobFolder) -> None:
        """The job's processes were taken from it; it will be prepared again. Keep what it must find again."""

    def publish(self, job: Job, folder: JobFolder, ended: Mapping[str, Any]) -> dict[str, Any]:
        """Store what the job made; returns members to merge into the job's progress."""


class Course:
    """The acts on one job. Thread safe, one act at a time for each job. ``moved_on`` is called when a job has left its
    slots or is back in the line; those who wait for a job's change are told by ``announce``."""

    def __init__(
        self, table: JobTable, folder: Path, kinds: Mapping[str, JobKind], moved_on: Callable[[], None]
    ) -> None:
        self.nursery = Nursery(folder / "spare")
        self._table = table
        self._folder = folder
        self._kinds = kinds
        self._moved_on = moved_on
        self._changed = threading.Condition()

    @property
    def notices(self) -> Path:
        """The FIFO by which supervisors wake the server."""
        return self._folder / "notices"

    def folder_of(self, job: Job) -> JobFolder:
        return JobFolder(self._folder / job.id)

    def prepare(self, job: Job) -> None:
        """Lay out the folder and start the supervisor."""
        folder = self.folder_of(job)
        if job.state != states.PREPARING:
            return
        ticket = ids.unique_id()
        try:
            folder.create()
            with folder.unsupervised() as free:
                if not free:
                    return
                shutil.rmtree(folder.path / "hosts", ignore_errors=True)
                folder.create()
                self._kinds[job.kind].prepare(job, folder)
                folder.ticket.write_text(ticket)
        except SelfmakerError as error:
            self.finish(job, states.FAILED, {"failure": error.message})
            return
        except OSError as error:
            self.finish(job, states.FAILED, {"failure": f"InternalServerError: {error}"})
            return
        if self._table.by_id(job.id).stop_requested:
            self.finish(job, states.STOPPED, {})
            return
        self.nursery.start(folder.path, self.notices, ticket)

    def look(self, job: Job, interruption_chance: float) -> None:
        """What no event tells of: whether the supervisor still lives, and what is to be done while it does."""
        folder = self.folder_of(job)
        alive = folder.supervised()
        self.absorb(job)  # after asking: what a supervisor that has just ended wrote is there now
        current = self._table.by_id(job.id)
        if current.state in states.FINAL:
            return
        if alive:
            self._kinds[job.kind].tick(current, folder)
            if current.spec["spot"] and current.state == states.RUNNING and random.random() < interruption_chance:
                folder.send("interrupt")
        elif current.state == states.PREPARING and not folder.ticket.exists():
            self.prepare(current)  # when it was its turn, the supervisor of the attempt before had not quite gone
        elif current.state != states.PREPARING or folder.read_events() or clock.now() - current.modified > GRACE:
            self.lost(current)

    def absorb(self, job: Job) -> None:
        """Bring the row up to what the supervisor has reported."""
        folder = self.folder_of(job)
        events = folder.read_events()
        if job.state in states.FINAL or not events:
            return
        job = self._advance(job, events)
        if job.stop_requested and job.state in (states.LOADING, states.RUNNING):
            folder.send("stop")  # once more: it may have been asked before the supervisor could hear it
        if events[-1]["event"] == "ended" and job.state not in states.FINAL:
            self._conclude(job, folder, events[-1])

    def _advance(self, job: Job, events: list[dict[str, Any]]) -> Job:
        """Bring the row to the last state that ``events`` tell of, in one write."""

        def change(current: Job) -> Job:
            for event in events:
                state, at = REPORTED.get(event["event"]), event["time"]
                if state is None or not states.before(current.state, state):
                    continue
                progress = current.progress
                if state == states.RUNNING:
                    progress = {**progress, "started": progress.get("started", at), "resumed": at}
                current = replace(current, state=state, progress=states.moved(progress, state, at))
            return current

        advanced = self._table.amend(job.id, change)
        self.announce()
        return advanced

    def _conclude(self, job: Job, folder: JobFolder, ended: Mapping[str, Any]) -> None:
        if ended["outcome"] == "broken":
            self.lost(job, ended.get("failure"))
            return
        ran = job.progress.get("ran", 0.0) + max(0.0, ended["time"] - job.progress.get("resumed", ended["time"]))
        if ended["outcome"] == "interrupted":
            self._interrupted(job, folder, ran)
            return
        try:
            learnt = self._kinds[job.kind].publish(job, folder, ended)
        except SelfmakerError as error:
            learnt = {"failure": error.message}
            ended = {**ended, "outcome": "failed"}
        if "failure" in ended and "failure" not in learnt:
            learnt["failure"] = ended["failure"]
        final = {"completed": states.COMPLETED, "failed": states.FAILED}.get(ended["outcome"], states.STOPPED)
        learnt |= {"exit_code": ended.get("exit_code"), "timed_out": ended["outcome"] == "timeout", "ran": ran}
        self.finish(job, final, learnt, ended["time"])

    def _interrupted(self, job: Job, folder: JobFolder, ran: float) -> None:
        self._kinds[job.kind].interrupted(job, folder)
        if job.stop_requested:
            self.finish(job, states.STOPPED, {"ran": ran})
        else:
            self._again(job, "Interrupted", ran=ran)

    def lost(self, job: Job, why: str | None = None) -> None:
        """The supervisor is gone without a word: try again where the job allows it, else fail it."""
        if job.state in states.FINAL:
            return
        attempt = job.progress.get("attempt", 1)
        if attempt < job.spec["attempts"] and not job.stop_requested:
            self._again(job, "Restarting", attempt=attempt + 1)
            return
        reason = (
            why or "the process that supervised the job is gone (was the machine restarted, or the process killed?)"
        )
        self.finish(job, states.FAILED, {"failure": f"InternalServerError: {reason}"})

    def _again(self, job: Job, stage: str, **learnt: Any) -> None:
        """Back into the line, in its old place."""
        folder = self.folder_of(job)
        for file in (folder.events, folder.ticket):
            file.unlink(missing_ok=True)

        def change(current: Job) -> Job:
            progress = states.moved({**current.progress, **learnt}, stage, clock.now())
            return replace(current, state=states.QUEUED, progress=progress)

        self._table.amend(job.id, change)
        self._moved_on()
        self.announce()

    def finish(self, job: Job, state: str, learnt: dict[str, Any], at: float | None = None) -> None:
        """Enter the final ``state`` with what was learnt, unless it has ended already; its space comes back."""
        ended = at if at is not None else clock.now()

        def change(current: Job) -> Job:
            if current.state in states.FINAL:
                return current
            moved = states.moved({**current.progress, **learnt, "ended": ended}, state, clock.now())
            return replace(current, state=state, progress=moved)

        self._table.amend(job.id, change)
        self._moved_on()
        self.announce()  # before the cleaning, which takes its time
        self._clean(self.folder_of(job))

    def clean_ended(self) -> None:
        """Give back what an earlier server had no time to clean."""
        for folder in map(JobFolder, self._folder.iterdir()):
            if (folder.path / "hosts").exists():
                with contextlib.suppress(NotFound):
                    if self._table.by_id(folder.path.name).state in states.FINAL:
                        self._clean(folder)

    def _clean(self, folder: JobFolder) -> None:
        """Give back the space; the logs and the record stay."""
        for part in (folder.path / "hosts", folder.artifacts):
            shutil.rmtree(part, ignore_errors=True)
        for file in (folder.plan, folder.control):
            file.unlink(missing_ok=True)

    def announce(self) -> None:
        """Tell those who wait for a change."""
        with self._changed:
            self._changed.notify_all()

    def wait_for_change(self, job: Job, timeout: float) -> Job:
        """The job once its state is another than ``job.state``, or as it is after ``timeout`` seconds."""
        deadline = clock.now() + timeout
        with self._changed:
            while True:
                current, left = self._table.by_id(job.id), deadline - clock.now()
                if current.state != job.state or left <= 0:
                    return current
                self._changed.wait(left)
