"""The engine: it moves rows through their states and never loses one.

A job's row is written before anybody is told that the job exists. The server prepares a job and publishes what it
made; between the two a supervisor of the job's own runs it, and goes on when the server is gone. Whatever the server
does for a job can be done again: it is repeated after a crash, from what the row and the job's folder say.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy import Connection

from selfmaker import clock, ids
from selfmaker.errors import Conflict, SelfmakerError
from selfmaker.jobs import states
from selfmaker.jobs.course import Course, JobKind
from selfmaker.jobs.gpus import installed
from selfmaker.jobs.line import Line
from selfmaker.jobs.notices import Notices
from selfmaker.jobs.spec import JobSpec
from selfmaker.store import tags
from selfmaker.store.jobs import Job, JobTable

_log = logging.getLogger(__name__)

TICK = 1.0  # seconds between looks at running jobs, for what no event tells


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
        self._slots = slots
        self._line = Line(table, slots, installed())
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="selfmaker-jobs")
        self._work = threading.Event()
        self._course = Course(table, folder, kinds, self._work.set)
        self._closed = threading.Event()
        self._locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()  # of jobs with acts under way
        self._locking = threading.Lock()
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
            self._course.announce()
        else:
            self._course.folder_of(stopped).send("stop")

    def interrupt(self, kind: str, region: str, name: str) -> None:
        """Take a spot job's processes from it, as a cloud takes back a machine; it starts again from its checkpoints.

        Raises NotFound, and Conflict for a job that is no spot job or does not run.
        """
        job = self._table.get(kind, region, name)
        if not job.spec["spot"]:
            raise Conflict(f"{kind} {name} is no managed spot job")
        if job.state != states.RUNNING or not self._course.folder_of(job).send("interrupt"):
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
        shutil.rmtree(self._course.folder_of(job).path, ignore_errors=True)

    def wait_for_change(self, job: Job, timeout: float) -> Job:
        """The job once its state is another than ``job.state``, or as it is after ``timeout`` seconds."""
        return self._course.wait_for_change(job, timeout)

    # -- life

    def start(self) -> None:
        """Adopt what an earlier server left and begin to schedule."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._notices = Notices(self._course.notices)
        self._course.nursery.warm()
        for job in self._table.in_states(states.ACTIVE):
            self._adopt(job)
        self._pool.submit(self._course.clean_ended)
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
        self._course.nursery.close()

    def _adopt(self, job: Job) -> None:
        folder = self._course.folder_of(job)
        if folder.withdraw():  # it never came to its supervisor: from the start again, in its old place in the line
            self._table.amend(job.id, lambda j: replace(j, state=states.QUEUED))
        elif folder.supervised() or any(event["event"] == "ended" for event in folder.read_events()):
            self._submit(job.id, self._course.absorb)
        else:
            self._submit(job.id, self._course.lost)

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
            self._course.finish(job, states.STOPPED, {"waited_too_long": True})
        for job in turn.started:
            self._submit(job.id, self._course.prepare)

    def _look_at_running(self) -> None:
        for job in self._table.in_states(states.ACTIVE):
            if job.state == states.PREPARING and job.id in self._busy:
                continue
            self._submit(job.id, self._look)

    def _look(self, job: Job) -> None:
        self._course.look(job, self._interruption_chance)

    def _notice_loop(self) -> None:
        assert self._notices is not None
        while not self._closed.is_set():
            for job_id in self._notices.read():
                self._submit(job_id, self._course.absorb)

    def _submit(self, job_id: str, act: Callable[[Job], None]) -> None:
        """Do ``act`` for a job on the pool, one act at a time for each job."""
        with self._locking:
            lock = self._locks.setdefault(job_id, threading.Lock())
        if act == self._course.prepare:
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
