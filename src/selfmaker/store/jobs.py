"""Jobs of every kind: one row each, in the order in which they were submitted.

``spec`` is what the engine runs, ``document`` the request as it came, ``progress`` what has happened so far (see
``jobs.states``). The row is the truth: what is not in it did not happen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from selfmaker import clock
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.store import outbox
from selfmaker.store.database import Database
from selfmaker.store.prepared import Prepared
from selfmaker.store.schema import metadata

jobs = Table(
    "jobs",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("kind", String(64), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", String(128), nullable=False),
    Column("arn", String(2048), nullable=False),
    Column("state", String(32), nullable=False),
    Column("stop_requested", Boolean, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Column("modified", Float, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("document", JSON, nullable=False),
    Column("progress", JSON, nullable=False),
    UniqueConstraint("kind", "region", "name"),
    Index(None, "state", "sequence"),
    Index(None, "arn"),
    sqlite_autoincrement=True,
)

_OWN = [column.name for column in jobs.c if column.name != "sequence"]
_BY_ID = Prepared(select(jobs).where(jobs.c.id == bindparam("which")))
_NAMED = Prepared(
    select(jobs).where(
        jobs.c.kind == bindparam("of_kind"),
        jobs.c.region == bindparam("in_region"),
        jobs.c.name == bindparam("called"),
    )
)
_ADD = Prepared(insert(jobs).values({name: bindparam(name) for name in _OWN}).returning(jobs.c.sequence))


@cache
def _amending(names: tuple[str, ...]) -> Prepared:
    change = update(jobs).where(jobs.c.id == bindparam("which"))
    return Prepared(change.values({name: bindparam(name) for name in names}))


@cache
def _in_states(count: int) -> Prepared:
    wanted = jobs.c.state.in_([bindparam(str(number)) for number in range(count)])
    return Prepared(select(jobs).where(wanted).order_by(jobs.c.sequence))


@dataclass(frozen=True)
class Job:
    """One row. Times are seconds since the epoch; ``sequence`` is 0 until stored."""

    id: str
    kind: str
    region: str
    name: str
    arn: str
    state: str
    slots: int
    created: float
    modified: float
    spec: dict[str, Any]
    document: dict[str, Any]
    progress: dict[str, Any]
    stop_requested: bool = False
    sequence: int = 0


Amend = Callable[[Job], Job]
Recorder = Callable[[Connection, "Job"], None]


class JobTable:
    """Thread safe; every write is durable when the call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watchers: list[Callable[[Job], None]] = []
        self._recorders: list[Recorder] = []

    def watch(self, watcher: Callable[[Job], None]) -> None:
        """Have ``watcher`` called with each row as it became, after each write that gave it another state, on the
        thread that wrote it. It must be quick, and is told nothing of what happens while no server runs."""
        self._watchers.append(watcher)

    def record(self, recorder: "Recorder") -> None:
        """Have ``recorder`` write beside each row that is new or has another state, in the same transaction. It must
        be quick."""
        self._recorders.append(recorder)

    def create(self, job: Job, also: Callable[[Connection], object] | None = None) -> Job:
        """Store a new job, and what ``also`` writes, in one transaction. Raises AlreadyExists for a taken name."""

        def work(connection: Connection) -> Job:
            values = {k: v for k, v in vars(job).items() if k != "sequence"}
            added = _ADD.first(connection, values)
            assert added is not None
            _report(connection, None, job)
            if also is not None:
                also(connection)
            for recorder in self._recorders:
                recorder(connection, job)
            return replace(job, sequence=added[0])

        try:
            return self._database.write(work)
        except IntegrityError:
            raise AlreadyExists(f"{job.kind} {job.name} already exists") from None

    def get(self, kind: str, region: str, name: str) -> Job:
        """Raises NotFound."""
        key = {"of_kind": kind, "in_region": region, "called": name}
        row = self._database.read(lambda c: _NAMED.first_named(c, key))
        if row is None:
            raise NotFound(f"{kind} {name}")
        return Job(**row)

    def by_id(self, job_id: str) -> Job:
        """Raises NotFound."""
        return self._database.read(lambda c: _by_id(c, job_id))

    def by_arn(self, arn: str) -> Job:
        """Raises NotFound."""
        row = self._database.read(lambda c: c.execute(select(jobs).where(jobs.c.arn == arn)).first())
        if row is None:
            raise NotFound(arn)
        return _job(row)

    def of_kind(self, kind: str, region: str) -> list[Job]:
        """All jobs of a kind in a region, in the order of submission."""
        query = select(jobs).where(jobs.c.kind == kind, jobs.c.region == region).order_by(jobs.c.sequence)
        return [_job(row) for row in self._database.read(lambda c: c.execute(query).all())]

    def in_states(self, states: Sequence[str]) -> list[Job]:
        """Jobs of any kind and region that are in one of ``states``, in the order of submission."""
        values = {str(number): state for number, state in enumerate(states)}
        return [Job(**row) for row in self._database.read(lambda c: _in_states(len(values)).all_named(c, values))]

    def amend(self, job_id: str, change: Amend, also: Callable[[Connection], object] | None = None) -> Job:
        """Replace the row by ``change(row as it is)``; ``also`` writes in the same transaction. Raises NotFound.

        A ``change`` that returns its argument writes nothing, and ``also`` is not called. It never alters what its
        argument holds: a member that is the same object as before is not written.
        """

        states: list[str] = []

        def work(connection: Connection) -> Job:
            before = _by_id(connection, job_id)
            states.append(before.state)
            changed = change(before)
            if changed is before:
                return before
            after = replace(changed, modified=clock.now())
            changed_members = {k: v for k, v in vars(after).items() if v is not getattr(before, k)}
            _amending(tuple(changed_members)).run(connection, {**changed_members, "which": job_id})
            _report(connection, before, after)
            if also is not None:
                also(connection)
            for recorder in self._recorders if after.state != before.state else ():
                recorder(connection, after)
            return after

        after = self._database.write(work)
        for watcher in self._watchers if after.state != states[0] else ():
            watcher(after)
        return after

    def delete(self, job_id: str, also: Callable[[Connection], object] | None = None) -> None:
        """Forget a job. Raises NotFound."""

        def work(connection: Connection) -> None:
            if connection.execute(delete(jobs).where(jobs.c.id == job_id)).rowcount == 0:
                raise NotFound(job_id)
            if also is not None:
                also(connection)

        self._database.write(work)


def _by_id(connection: Connection, job_id: str) -> Job:
    row = _BY_ID.first_named(connection, {"which": job_id})
    if row is None:
        raise NotFound(job_id)
    return Job(**row)


def _report(connection: Connection, before: Job | None, after: Job) -> None:
    """Offer a transition to the rules. A remark such as Stopping is one, too."""
    previous, status = _stage(before) if before is not None else None, _stage(after)
    if after.kind in outbox.JOB_KINDS and previous != status:
        change = outbox.Change(after.region, after.kind, after.arn, status, previous, vars(after))
        outbox.add(connection, change)


def _stage(job: Job) -> str:
    transitions = job.progress.get("transitions")
    return str(transitions[-1]["status"]) if transitions else job.state


def _job(row: Row[Any]) -> Job:
    return Job(**row._mapping)
