"""Named resources of any kind: one row each, the request that made it kept whole as a JSON document.

``kind`` is the noun in AWS's spelling (Model, EndpointConfig, Endpoint, TrainingJob, Role, ...). ``document`` is the
request; ``state`` holds what the engine has learnt since (its members override the document's in a Describe).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    Index,
    Row,
    String,
    Table,
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

Document = dict[str, Any]
Also = Callable[[Connection], Any]

resources = Table(
    "resources",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("name", String(512), primary_key=True),
    Column("arn", String(2048), nullable=False),
    Column("status", String(64), nullable=False),
    Column("created", Float, nullable=False),
    Column("modified", Float, nullable=False),
    Column("document", JSON, nullable=False),
    Column("state", JSON, nullable=False),
    Index(None, "arn", unique=True),
    Index(None, "kind", "region", "created"),
    Index(None, "kind", "status"),
)

# ``_key`` gives their parameters.
_WHERE = (
    (resources.c.kind == bindparam("of_kind"))
    & (resources.c.region == bindparam("in_region"))
    & (resources.c.name == bindparam("called"))
)
_GET = Prepared(select(resources).where(_WHERE))
_GET_NAME = Prepared(select(resources.c.name).where(_WHERE))
_ADD = Prepared(insert(resources))
_CHANGE = update(resources).where(_WHERE)
_REMOVE = delete(resources).where(_WHERE)


@dataclass(frozen=True)
class Resource:
    """One row. ``created`` and ``modified`` are seconds since the epoch."""

    kind: str
    region: str
    name: str
    arn: str
    status: str
    created: float
    modified: float
    document: Document
    state: Document


class Resources:
    """Thread safe; every write is durable when the call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, resource: Resource, also: "Also | None" = None) -> None:
        """Raises AlreadyExists when the kind has that name in that region. ``also`` runs in the same transaction."""

        def work(connection: Connection) -> None:
            create(connection, resource)
            if also is not None:
                also(connection)

        try:
            self._database.write(work)
        except IntegrityError:
            raise AlreadyExists(f"{resource.kind} {resource.name} already exists") from None

    def get(self, kind: str, region: str, name: str) -> Resource:
        """Raises NotFound."""
        return self._database.read(lambda c: get(c, kind, region, name))

    def by_arn(self, arn: str) -> Resource:
        """Raises NotFound."""
        row = self._database.read(lambda c: c.execute(select(resources).where(resources.c.arn == arn)).first())
        if row is None:
            raise NotFound(arn)
        return _resource(row)

    def list(self, kind: str, region: str | None = None, status: str | None = None) -> list[Resource]:
        """All of a kind, oldest first; in every region when ``region`` is None."""
        query = select(resources).where(resources.c.kind == kind).order_by(resources.c.created, resources.c.name)
        if region is not None:
            query = query.where(resources.c.region == region)
        if status is not None:
            query = query.where(resources.c.status == status)
        return [_resource(row) for row in self._database.read(lambda c: c.execute(query).all())]

    def update(self, kind: str, region: str, name: str, change: "Change") -> Resource:
        """Apply ``change`` to the row as it is at that moment and return the row as it became. Raises NotFound."""
        return self._database.write(lambda c: modify(c, kind, region, name, change))

    def revise(self, kind: str, region: str, name: str, of: "Callable[[Resource], Change]") -> Resource:
        """As ``update``, where the change depends on the row: nobody else changes it in between. What ``of`` raises is
        raised, and nothing is changed then."""
        return self._database.write(lambda c: modify(c, kind, region, name, of(get(c, kind, region, name))))

    def within(self, work: "Also") -> None:
        """Run ``work``, which writes by this module's functions, in one transaction."""
        self._database.write(work)

    def delete(self, kind: str, region: str, name: str, also: "Also | None" = None) -> None:
        """Raises NotFound. ``also`` runs in the same transaction, when there was something to delete."""

        def work(connection: Connection) -> None:
            remove(connection, kind, region, name)
            if also is not None:
                also(connection)

        self._database.write(work)


@dataclass(frozen=True)
class Change:
    """What to change: a new status, members to merge into ``state`` and ``document`` (a None value removes one)."""

    status: str | None = None
    state: Document | None = None
    document: Document | None = None
    only_if_status: tuple[str, ...] | None = None


def create(connection: Connection, resource: Resource) -> None:
    _ADD.run(connection, vars(resource))
    _report(connection, None, resource)


def get(connection: Connection, kind: str, region: str, name: str) -> Resource:
    row = _GET.first_named(connection, _key(kind, region, name))
    if row is None:
        raise NotFound(f"{kind} {name}")
    return Resource(**row)


def exists(connection: Connection, kind: str, region: str, name: str) -> bool:
    """Whether there is such a resource, within a transaction."""
    return _GET_NAME.first(connection, _key(kind, region, name)) is not None


def of_kind(connection: Connection, kind: str, region: str) -> "list[Resource]":
    """As Resources.list, within a transaction."""
    query = select(resources).where(resources.c.kind == kind, resources.c.region == region)
    return [_resource(row) for row in connection.execute(query.order_by(resources.c.created, resources.c.name))]


def having(connection: Connection, kind: str, region: str, path: tuple[str, ...], value: str) -> "list[Resource]":
    """Those whose document has that text at ``path``, oldest first; found by the database, which reads no other."""
    query = select(resources).where(resources.c.kind == kind, resources.c.region == region)
    query = query.where(resources.c.document[path].as_string() == value)
    return [_resource(row) for row in connection.execute(query.order_by(resources.c.created, resources.c.name))]


def members(connection: Connection, kind: str, region: str, *names: str) -> "list[tuple[str | None, ...]]":
    """These texts of every document of a kind, without the rest of it."""
    columns = [resources.c.document[name].as_string() for name in names]
    query = select(*columns).where(resources.c.kind == kind, resources.c.region == region)
    return [tuple(row) for row in connection.execute(query)]


def modify(connection: Connection, kind: str, region: str, name: str, change: Change) -> Resource:
    """As Resources.update, within a transaction. A row whose status is not in ``only_if_status`` stays as it is."""
    before = get(connection, kind, region, name)
    if change.only_if_status is not None and before.status not in change.only_if_status:
        return before
    after = replace(
        before,
        status=change.status or before.status,
        modified=clock.now(),
        document=merged(before.document, change.document),
        state=merged(before.state, change.state),
    )
    members = {"status": after.status, "modified": after.modified, "document": after.document, "state": after.state}
    connection.execute(_CHANGE, {**members, **_key(kind, region, name)})
    _report(connection, before, after)
    return after


def touch(connection: Connection, kind: str, region: str, name: str, state: Document) -> None:
    """Merge members into ``state`` without the row counting as modified; a row that is gone stays gone."""
    row = _GET.first_named(connection, _key(kind, region, name))
    if row is not None:
        connection.execute(_CHANGE, {"state": merged(row["state"], state), **_key(kind, region, name)})


def remove(connection: Connection, kind: str, region: str, name: str) -> None:
    """As Resources.delete, within a transaction."""
    if kind in outbox.WATCHED:
        before = get(connection, kind, region, name)
        _report(connection, before, replace(before, status="Deleted", modified=clock.now()))
    if connection.execute(_REMOVE, _key(kind, region, name)).rowcount == 0:
        raise NotFound(f"{kind} {name}")


def merged(old: Document, new: Document | None) -> Document:
    """``old`` with the members of ``new``; members that are None go."""
    return {k: v for k, v in {**old, **(new or {})}.items() if v is not None}


def _report(connection: Connection, before: Resource | None, after: Resource) -> None:
    """Offer a new status to the rules, or a new value of a member that tells as much."""
    members = outbox.WATCHED.get(after.kind)
    if members is None:
        return
    held = [{**row.document, **row.state} if row is not None else {} for row in (before, after)]
    changed = [member for member in members if held[0].get(member) != held[1].get(member)]
    if before is not None and before.status == after.status and not changed:
        return
    previous = before.status if before is not None else None
    document = {**vars(after), "changed": changed}
    outbox.add(connection, outbox.Change(after.region, after.kind, after.arn, after.status, previous, document))


def _key(kind: str, region: str, name: str) -> dict[str, str]:
    return {"of_kind": kind, "in_region": region, "called": name}


def _resource(row: Row[Any]) -> Resource:
    return Resource(**row._mapping)
