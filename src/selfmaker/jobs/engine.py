"""The engine: it moves rows through their states and never loses one.

A job's row is written before anybody is told that the job exists. The server prepares a job and publishes what it
made; between the two a supervisor of the job's own runs it, and goes on when the server is gone. Whatever the server
does for a job can be done again: it is repeated after a crash, from what the row and the job's folder say.
"""

import contextlib
import logging
import random
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection

from selfmaker import clock, ids
from selfmaker.errors import Conflict, NotFound, SelfmakerError
from selfmaker.jobs import states
from selfmaker.jobs.folder import JobFolder
from selfmaker.jobs.gpus import installed
from selfmaker.jobs.line import Line
from selfmaker.jobs.notices import Notices
from selfmaker.jobs.nursery import Nursery
from selfmaker.jobs.spec import JobSpec
from selfmaker.store import tags
from selfmaker.store.jobs import Job, JobTable

_log = logging.getLogger(__name__)

TICK = 1.0  # seconds between looks at running jobs, for what no event tells
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


@dataclass(frozen=True)
class Submission:
    """A new job: what to run, the request as it came, its tags, and what else to write in the same transaction."""

    spec: JobSpec
    document: dict[str, Any]
    tags: Mapping[str, str]
    also: Callable[[Connection], object] = lambda connection: None


class Jobs:
    """Submits, schedules, follows and ends jobs. Thread safe."""

    def __init__(
        self,
        table: JobTable,
        folder: Path,
        kinds: Mapping[str, JobKind],
        slots: int,
        interruption_seconds: float = 0,
    ) -> None:
        self._interruption_chance = TICK / interruption_seconds if interruption_seconds else 0.0  # at each look
        self._table = table
        self._folder = folder
        self._kinds = kinds
        self._slots = slots
        self._line = Line(table, slots, installed())
        self._nursery = Nursery()
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="selfmaker-jobs")
        self._changed = threading.Condition()
        self._work = threading.Event()
        self._closed = threading.Event()
        self._locks: dict[str, threading.Lock] = {}
        self._busy: set[str] = set()
        self._notices: Notices | None = None
        self._threads: list[threading.Thread] = []

    # -- for operations

    def submit(self, submission: Submission) -> Job:
        """Store a job; it starts as soon as its slots are free. Raises AlreadyExists."""
        spec, now = submission.spec, clock.now()
        job = Job(
            id=ids.unique_id(),
            kind=spec.kind,
            region=spec.region,
            name=spec.name,
            arn=spec.arn,
            state=states.QUEUED,
            slots=min(len(spec.hosts), self._slots),
            created=now,
            modified=now,
            spec=spec.to_json(),
            document=submission.document,
            progress=states.moved({"attempt": 1}, states.PREPARING, now),
        )

        def also(connection: Connection) -> None:
            tags.add(connection, spec.arn, submission.tags)
            submission.also(connection)

        stored = self._table.create(job, also)
        self._work.set()
        return stored

    def get(self, kind: str, region: str, name: str) -> Job:
        """Raises NotFound."""
        return self._table.get(kind, region, name)

    def of_kind(self, kind: str, region: str) -> list[Job]:
        """In the order of submission."""
        return self._table.of_kind(kind, region)

    def stop(self, kind: str, region: str, name: str) -> None:
        """Ask a job to end; its artifacts are kept. Raises NotFound, Conflict for one that has ended."""
        job = self._table.get(kind, region, name)

        def change(current: Job) -> Job:
            if current.state in states.FINAL:
                raise Conflict(f"{kind} {name} is in status {current.state}")
            if current.stop_requested:
                return current
            now = clock.now()
            progress = states.moved(current.progress, "Stopping", now)
            if current.state == states.QUEUED:
                progress = {**states.moved(progress, states.STOPPED, now), "ended": now}
                return replace(current, state=states.STOPPED, stop_requested=True, progress=progress)
            return replace(current, stop_requested=True, progress=progress)

        stopped = self._table.amend(job.id, change)
        if stopped.state in states.FINAL:
            self._announce()
        else:
            self._job_folder(stopped).send("stop")

    def interrupt(self, kind: str, region: str, name: str) -> None:
        """Take a spot job's processes from it, as a cloud takes back a machine; it starts again from its checkpoints.

        Raises NotFound, and Conflict for a job that is no spot job or does not run.
        """
        job = self._table.get(kind, region, name)
        if not job.spec["spot"]:
            raise Conflict(f"{kind} {name} is no managed spot job")
        if job.state != states.RUNNING or not self._job_folder(job).send("interrupt"):
            raise Conflict(f"{kind} {name} does not run: it is in state {job.state}")

    def amend_document(self, kind: str, region: str, name: str, members: Mapping[str, Any]) -> Job:
        """Merge ``members`` into the request of a job that has not ended. Raises NotFound, Conflict."""
        job = self._table.get(kind, region, name)

        def change(current: Job) -> Job:
            if current.state in states.FINAL or current.stop_requested:
                raise Conflict(f"{kind} {name} is in status {current.state}")
            return replace(current, document={**current.document, **members})

        return self._table.amend(job.id, change)

    def delete(self, kind: str, region: str, name: str) -> None:
        """Forget an ended job, its tags and its log files. Raises NotFound, Conflict for one that has not ended."""
        job = self._table.get(kind, region, name)
        if job.state not in states.FINAL:
            raise Conflict(f"{kind} {name} is in status {job.state}")
        self._table.delete(job.id, also=lambda c: tags.forget(c, job.arn))
        shutil.rmtree(self._job_folder(job).path, ignore_errors=True)

    def wait_for_change(self, job: Job, timeout: float) -> Job:
        """The job once its state is another than ``job.state``, or as it is after ``timeout`` seconds."""
        deadline = clock.now() + timeout
        current = job
        with self._changed:
            while current.state == job.state and (left := deadline - clock.now()) > 0:
                self._changed.wait(left)
                current = self._table.by_id(job.id)
        return current

    # -- life

    def start(self) -> None:
        """Adopt what an earlier server left and begin to schedule."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._notices = Notices(self._folder / "notices")
        self._nursery.warm()
        for job in self._table.in_states(states.ACTIVE):
            self._adopt(job)
        self._pool.submit(self._clean_ended)
        for name, target in (("scheduler", self._schedule_loop), ("notices", self._notice_loop)):
            thread = threading.Thread(target=target, name=f"selfmaker-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._work.set()

    def close(self) -> None:
        """Stop scheduling. Running jobs go on under their supervisors."""
        self._closed.set()
        self._work.set()
        if self._notices is not None:
            self._notices.wake()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown(wait=True)
        if self._notices is not None:
            self._notices.close()
        self._nursery.close()

    def _adopt(self, job: Job) -> None:
        folder = self._job_folder(job)
        events = {event["event"] for event in folder.read_events()}
        if folder.supervised() or "ended" in events:
            self._submit(job.id, self._absorb)
        elif events:
            self._submit(job.id, self._lost)
        else:  # it never came to its supervisor: from the start again, in its old place in the line
            self._table.amend(job.id, lambda j: replace(j, state=states.QUEUED))

    # -- scheduling

    def _schedule_loop(self) -> None:
        looked = 0.0
        while not self._closed.is_set():
            self._work.wait(TICK)
            self._work.clear()
            try:
                self._start_waiting()
                if clock.now() - looked >= TICK:
                    looked = clock.now()
                    self._look_at_running()
            except Exception:  # noqa: BLE001 - the outermost loop of a thread that everybody depends on
                _log.exception("scheduling failed; it goes on")
                self._closed.wait(TICK)

    def _start_waiting(self) -> None:
        turn = self._line.advance()
        for job in turn.expired:
            self._finish(job, states.STOPPED, {"waited_too_long": True})
        for job in turn.started:
            self._submit(job.id, self._prepare)

    def _look_at_running(self) -> None:
        for job in self._table.in_states(states.ACTIVE):
            if job.state == states.PREPARING and job.id in self._busy:
                continue
            self._submit(job.id, self._look)

    def _look(self, job: Job) -> None:
        folder = self._job_folder(job)
        alive = folder.supervised()
        self._absorb(job)  # after asking: what a supervisor that has just ended wrote is there now
        current = self._table.by_id(job.id)
        if current.state in states.FINAL:
            return
        if alive:
            self._kinds[job.kind].tick(current, folder)
            if current.spec["spot"] and current.state == states.RUNNING and random.random() < self._interruption_chance:
                folder.send("interrupt")
        elif current.state != states.PREPARING or folder.read_events() or clock.now() - current.modified > GRACE:
            self._lost(current)

    def _notice_loop(self) -> None:
        assert self._notices is not None
        while not self._closed.is_set():
            for job_id in self._notices.read():
                self._submit(job_id, self._absorb)

    def _submit(self, job_id: str, act: Callable[[Job], None]) -> None:
        """Do ``act`` for a job on the pool, one act at a time for each job."""
        lock = self._locks.setdefault(job_id, threading.Lock())
        if act == self._prepare:
            self._busy.add(job_id)

        def perform() -> None:
            with lock:
                try:
                    act(self._table.by_id(job_id))
                except SelfmakerError as error:
                    _log.warning("job %s: %s", job_id, error.message)
                except Exception:  # noqa: BLE001 - an act on one job must not disturb the others; it is tried again
                    _log.exception("job %s", job_id)
                finally:
                    self._busy.discard(job_id)

        if not self._closed.is_set():
            self._pool.submit(perform)

    # -- one job's way

    def _prepare(self, job: Job) -> None:
        folder = self._job_folder(job)
        if job.state != states.PREPARING or folder.supervised():
            return
        try:
            shutil.rmtree(folder.path / "hosts", ignore_errors=True)
            folder.create()
            self._kinds[job.kind].prepare(job, folder)
        except SelfmakerError as error:
            self._finish(job, states.FAILED, {"failure": error.message})
            return
        except OSError as error:
            self._finish(job, states.FAILED, {"failure": f"InternalServerError: {error}"})
            return
        if self._table.by_id(job.id).stop_requested:
            self._finish(job, states.STOPPED, {})
            return
        self._nursery.start(folder.path, self._folder / "notices")

    def _absorb(self, job: Job) -> None:
        """Bring the row up to what the supervisor has reported."""
        folder = self._job_folder(job)
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
        self._announce()
        return advanced

    def _conclude(self, job: Job, folder: JobFolder, ended: Mapping[str, Any]) -> None:
        if ended["outcome"] == "broken":
            self._lost(job, ended.get("failure"))
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
        self._finish(job, final, learnt, ended["time"])

    def _interrupted(self, job: Job, folder: JobFolder, ran: float) -> None:
        """Back into the line, in its old place."""
        self._kinds[job.kind].interrupted(job, folder)
        if job.stop_requested:
            self._finish(job, states.STOPPED, {"ran": ran})
            return
        folder.events.unlink(missing_ok=True)

        def again(current: Job) -> Job:
            progress = states.moved({**current.progress, "ran": ran}, "Interrupted", clock.now())
            return replace(current, state=states.QUEUED, progress=progress)

        self._table.amend(job.id, again)
        self._work.set()
        self._announce()

    def _lost(self, job: Job, why: str | None = None) -> None:
        """The supervisor is gone without a word: try again where the job allows it, else fail it."""
        if job.state in states.FINAL:
            return
        attempt = job.progress.get("attempt", 1)
        if attempt < job.spec["attempts"] and not job.stop_requested:
            self._job_folder(job).events.unlink(missing_ok=True)

            def again(current: Job) -> Job:
                progress = states.moved({**current.progress, "attempt": attempt + 1}, "Restarting", clock.now())
                return replace(current, state=states.QUEUED, progress=progress)

            self._table.amend(job.id, again)
            self._work.set()
            return
        reason = (
            why or "the process that supervised the job is gone (was the machine restarted, or the process killed?)"
        )
        self._finish(job, states.FAILED, {"failure": f"InternalServerError: {reason}"})

    def _finish(self, job: Job, state: str, learnt: dict[str, Any], at: float | None = None) -> None:
        ended = at if at is not None else clock.now()

        def change(current: Job) -> Job:
            if current.state in states.FINAL:
                return current
            moved = states.moved({**current.progress, **learnt, "ended": ended}, state, clock.now())
            return replace(current, state=state, progress=moved)

        self._table.amend(job.id, change)
        self._work.set()  # its slots are free
        self._announce()
        self._clean(self._job_folder(job))
        self._locks.pop(job.id, None)

    def _clean_ended(self) -> None:
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

    def _announce(self) -> None:
        """Tell those who wait for a change."""
        with self._changed:
            self._changed.notify_all()

    def _job_folder(self, job: Job) -> JobFolder:
        return JobFolder(self._folder / job.id)
