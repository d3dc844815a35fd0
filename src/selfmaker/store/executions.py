"""Versions of pipelines, executions of pipelines and the steps of executions: the rows that a walk leaves behind.

A step has a row from the moment that it is about to start: what it is going to do, under which name, is written before
it is done. ``document`` of a step holds the arguments as resolved, the names chosen, and what came of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.functions import count
from sqlalchemy.sql.functions import max as greatest

from selfmaker import clock
from selfmaker.errors import NotFound
from selfmaker.store import outbox
from selfmaker.store.database import Database
from selfmaker.store.prepared import Prepared, Values
from selfmaker.store.schema import metadata

Document = dict[str, Any]

UNDER_WAY = ("Executing", "Stopping")  # of an execution
IN_FLIGHT = ("Starting", "Executing", "Stopping")  # of a step

versions = Table(
    "pipeline_versions",
    metadata,
    Column("pipeline", String(2048), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("created", Float, nullable=False),
    Column("definition", Text, nullable=False),
    Column("document", JSON, nullable=False),
)

executions = Table(
    "executions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("region", String(32), nullable=False),
    Column("pipeline", String(2048), nullable=False),
    Column("arn", String(2048), nullable=False),
    Column("token", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", String(32), nullable=False),
    Column("created", Float, nullable=False),
    Column("modified", Float, nullable=False),
    Column("document", JSON, nullable=False),
    UniqueConstraint("pipeline", "token"),
    Index(None, "arn", unique=True),
    Index(None, "pipeline", "created"),
    Index(None, "status"),
)

steps = Table(
    "execution_steps",
    metadata,
    Column("execution", String(32), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("pipeline", String(2048), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("status", String(32), nullable=False),
    Column("started", Float, nullable=False),
    Column("ended", Float, nullable=True),
    Column("key", String(64), nullable=True),
    Column("token", String(16), nullable=True),
    Column("document", JSON, nullable=False),
    Index(None, "pipeline", "name", "key"),
    Index(None, "token"),
)

_OF_STEP = (steps.c.execution == bindparam("which")) & (steps.c.name == bindparam("called"))
_VERSION = Prepared(
    select(versions).where(versions.c.pipeline == bindparam("of_pipeline"), versions.c.number == bindparam("which"))
)
_EXECUTION = Prepared(select(executions).where(executions.c.id == bindparam("which")))
_BY_ARN = Prepared(select(executions).where(executions.c.arn == bindparam("which")))
_BY_TOKEN = Prepared(
    select(executions).where(
        executions.c.pipeline == bindparam("of_pipeline"), executions.c.token == bindparam("which")
    )
)
_AMEND = update(executions).where(executions.c.id == bindparam("which"))
_STEP = Prepared(select(steps).where(_OF_STEP))
_STEPS = Prepared(select(steps).where(steps.c.execution == bindparam("which")).order_by(steps.c.sequence))
_LAST_STEP = Prepared(select(greatest(steps.c.sequence)).where(steps.c.execution == bindparam("which")))
_ADD_STEP = Prepared(insert(steps))
_AMEND_STEP = Prepared(
    update(steps).where(_OF_STEP).values({column.name: bindparam(column.name) for column in steps.c})
)


@dataclass(frozen=True)
class Version:
    """One definition of a pipeline, which is named by its ARN. ``document`` holds its names and aliases."""

    pipeline: str
    number: int
    created: float
    definition: str
    document: Document = field(default_factory=dict)


@dataclass(frozen=True)
class Execution:
    """One row. ``token`` is the client's, unique within the pipeline; ``document`` what the client asked for, and
    what has been learnt since."""

    id: str
    region: str
    pipeline: str
    arn: str
    token: str
    version: int
    status: str
    created: float
    modified: float
    document: Document


@dataclass(frozen=True)
class StepRow:
    """One step of an execution. ``key`` is equal for equal work, for a step that may be cached; ``token`` is a
    callback's."""

    execution: str
    name: str
    pipeline: str
    status: str
    started: float
    document: Document
    ended: float | None = None
    key: str | None = None
    token: str | None = None
    sequence: int = 0


Change = Callable[[StepRow], StepRow]


class ExecutionTable:
    """Thread safe; every write is durable when the call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def within(self, work: Callable[[Connection], Any]) -> Any:
        """Run ``work`` in a transaction that writes."""
        return self._database.write(work)

    # -- versions

    def version(self, pipeline: str, number: int) -> Version:
        """Raises NotFound."""
        key = {"of_pipeline": pipeline, "which": number}
        row = self._database.read(lambda c: _VERSION.first_named(c, key))
        if row is None:
            raise NotFound(f"{pipeline} has no version {number}")
        return Version(**row)

    def versions(self, pipeline: str) -> list[Version]:
        """The oldest first."""
        query = select(versions).where(versions.c.pipeline == pipeline).order_by(versions.c.number)
        return [Version(**row._mapping) for row in self._database.read(lambda c: c.execute(query).all())]

    # -- executions

    def create(self, execution: Execution) -> Execution:
        """Store a new execution; the one that is there already for the same pipeline and token is returned instead.
        Raises NotFound when the pipeline has no such version, or none any more."""

        def work(connection: Connection) -> None:
            if not any(version.number == execution.version for version in versions_of(connection, execution.pipeline)):
                raise NotFound(execution.pipeline)
            connection.execute(insert(executions), vars(execution))
            _report(connection, None, execution)

        try:
            self._database.write(work)
        except IntegrityError:
            return self.by_token(execution.pipeline, execution.token)
        return execution

    def get(self, execution: str) -> Execution:
        """By id. Raises NotFound."""
        return self._database.read(lambda c: _get(c, execution))

    def by_arn(self, arn: str) -> Execution:
        """Raises NotFound."""
        return self._one(_BY_ARN, {"which": arn}, arn)

    def by_token(self, pipeline: str, token: str) -> Execution:
        """Raises NotFound."""
        return self._one(_BY_TOKEN, {"of_pipeline": pipeline, "which": token}, token)

    def of_pipeline(self, pipeline: str) -> list[Execution]:
        """The oldest first."""
        query = select(executions).where(executions.c.pipeline == pipeline).order_by(executions.c.created)
        return [_execution(row) for row in self._database.read(lambda c: c.execute(query).all())]

    def in_region(self, region: str) -> list[Execution]:
        """Of all pipelines, the oldest first."""
        query = select(executions).where(executions.c.region == region).order_by(executions.c.created)
        return [_execution(row) for row in self._database.read(lambda c: c.execute(query).all())]

    def under_way(self) -> list[Execution]:
        """Those that have not ended, of any region, the oldest first."""
        query = select(executions).where(executions.c.status.in_(UNDER_WAY)).order_by(executions.c.created)
        return [_execution(row) for row in self._database.read(lambda c: c.execute(query).all())]

    def amend(
        self,
        execution: str,
        change: Callable[[Execution], Execution],
        also: Callable[[Connection], object] | None = None,
    ) -> Execution:
        """Replace the row by ``change(row as it is)``; ``also`` writes in the same transaction. Raises NotFound.

        A ``change`` that returns its argument writes nothing, and ``also`` is not called.
        """

        def work(connection: Connection) -> Execution:
            before = _get(connection, execution)
            changed = change(before)
            if changed is before:
                return before
            after = replace(changed, modified=clock.now())
            connection.execute(_AMEND, {**vars(after), "which": execution})
            _report(connection, before, after)
            if also is not None:
                also(connection)
            return after

        return self._database.write(work)

    # -- steps

    def steps(self, execution: str) -> list[StepRow]:
        """In the order in which they started."""
        rows = self._database.read(lambda c: _STEPS.all_named(c, {"which": execution}))
        return [StepRow(**row) for row in rows]

    def step(self, execution: str, name: str) -> StepRow:
        """Raises NotFound."""
        return self._database.read(lambda c: _get_step(c, execution, name))

    def begin(self, rows: Sequence[StepRow]) -> list[StepRow]:
        """Store steps that are about to start, unless the execution has been asked to stop since; returns those
        that were stored."""

        if not rows:
            return []

        def work(connection: Connection) -> list[StepRow]:
            if _get(connection, rows[0].execution).status != "Executing":
                return []
            (last,) = _LAST_STEP.first(connection, {"which": rows[0].execution}) or (None,)
            first = (last or 0) + 1
            stored = [replace(row, sequence=number) for number, row in enumerate(rows, first)]
            for row in stored:
                _ADD_STEP.run(connection, vars(row))
                _report_step(connection, None, row)
            return stored

        return self._database.write(work)

    def amend_step(self, execution: str, name: str, change: Change) -> StepRow:
        """Replace the row by ``change(row as it is)``; its argument back writes nothing. Raises NotFound."""

        def work(connection: Connection) -> StepRow:
            before = _get_step(connection, execution, name)
            after = change(before)
            if after is not before:
                _AMEND_STEP.run(connection, {**vars(after), "which": execution, "called": name})
                _report_step(connection, before, after)
            return after

        return self._database.write(work)

    def by_callback(self, token: str) -> StepRow:
        """The step that waits for that token. Raises NotFound."""
        row = self._database.read(lambda c: c.execute(select(steps).where(steps.c.token == token)).first())
        if row is None:
            raise NotFound(token)
        return _step(row)

    def cached(self, pipeline: str, name: str, key: str, since: float) -> StepRow | None:
        """The newest run of the step that did the same work and succeeded, having ended at ``since`` or later."""
        column = steps.c
        query = (
            select(steps)
            .where(column.pipeline == pipeline, column.name == name, column.key == key)
            .where(column.status == "Succeeded", column.ended >= since)
            .order_by(column.ended.desc())
            .limit(1)
        )
        row = self._database.read(lambda c: c.execute(query).first())
        return None if row is None else _step(row)

    def _one(self, statement: Prepared, values: Values, what: str) -> Execution:
        row = self._database.read(lambda c: statement.first_named(c, values))
        if row is None:
            raise NotFound(what)
        return Execution(**row)


def add_version(connection: Connection, pipeline: str, definition: str, document: Document) -> int:
    """Store the next version of a pipeline; returns its number."""
    newest = select(greatest(versions.c.number)).where(versions.c.pipeline == pipeline)
    number: int = (connection.execute(newest).scalar_one() or 0) + 1
    version = Version(pipeline, number, clock.now(), definition, document)
    connection.execute(insert(versions).values(**vars(version)))
    return number


def change_version(connection: Connection, version: Version) -> None:
    """Write a version's document."""
    where = (versions.c.pipeline == version.pipeline) & (versions.c.number == version.number)
    connection.execute(update(versions).where(where).values(document=version.document))


def versions_of(connection: Connection, pipeline: str) -> list[Version]:
    """As ExecutionTable.versions, within a transaction."""
    query = select(versions).where(versions.c.pipeline == pipeline).order_by(versions.c.number)
    return [Version(**row._mapping) for row in connection.execute(query)]


def count_under_way(connection: Connection, pipeline: str) -> int:
    """How many executions of a pipeline have not ended."""
    query = select(count()).where(executions.c.pipeline == pipeline, executions.c.status.in_(UNDER_WAY))
    return int(connection.execute(query).scalar_one())


def forget(connection: Connection, pipeline: str) -> None:
    """Drop all versions and executions of a pipeline that is gone."""
    for table in (steps, executions, versions):
        connection.execute(delete(table).where(table.c.pipeline == pipeline))


def forget_unfinished(connection: Connection, execution: str) -> None:
    """Drop the steps of an ended execution that did not succeed, so that they may run again."""
    connection.execute(delete(steps).where(steps.c.execution == execution, steps.c.status != "Succeeded"))


def _get(connection: Connection, execution: str) -> Execution:
    row = _EXECUTION.first_named(connection, {"which": execution})
    if row is None:
        raise NotFound(execution)
    return Execution(**row)


def _get_step(connection: Connection, execution: str, name: str) -> StepRow:
    row = _STEP.first_named(connection, {"which": execution, "called": name})
    if row is None:
        raise NotFound(f"{execution} {name}")
    return StepRow(**row)


def _report(connection: Connection, before: Execution | None, after: Execution) -> None:
    previous = before.status if before is not None else None
    if previous != after.status:
        change = outbox.Change(after.region, "PipelineExecution", after.arn, after.status, previous, vars(after))
        outbox.add(connection, change)


def _report_step(connection: Connection, before: StepRow | None, after: StepRow) -> None:
    previous = before.status if before is not None else None
    if previous != after.status:
        whole = _get(connection, after.execution)
        document = {**vars(after), "arn": whole.arn}
        change = outbox.Change(whole.region, "PipelineExecutionStep", whole.arn, after.status, previous, document)
        outbox.add(connection, change)


def _execution(row: Row[Any]) -> Execution:
    return Execution(**row._mapping)


def _step(row: Row[Any]) -> StepRow:
    return StepRow(**row._mapping)
