"""What has happened to a job, endpoint, model package or pipeline execution and has not been offered to rules yet.

A change is written in the transaction that changes the state itself: either both are kept or neither. ``events``
takes the rows in their order, and a row goes in the transaction that hands its event on. So an event is offered at
least once whatever ends the server, and in the order in which things happened.

Rows of ``jobs`` and ``resources`` report their changes by themselves (``KINDS`` and ``WATCHED``). Whoever keeps a
state elsewhere calls ``add`` in the transaction that changes it:

    outbox.add(connection, outbox.Change(region, "PipelineExecution", arn, "Succeeded", "Executing", document))

``document`` holds what the event tells, as it was at that moment, in the members of AWS's Describe (times in seconds
since the epoch).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    Integer,
    String,
    Table,
    bindparam,
    column,
    delete,
    exists,
    insert,
    literal,
    select,
    table,
)

from selfmaker import clock, ids
from selfmaker.store.prepared import Prepared
from selfmaker.store.schema import metadata

RULE = "EventRule"  # the kind of the resources that are rules
ENABLED = "ENABLED"  # the status of a rule that is to see events

# Rows of ``jobs`` of these kinds report each transition. The document is the job's row.
JOB_KINDS = ("TrainingJob", "ProcessingJob", "TransformJob", "HyperParameterTuningJob")

# Rows of ``resources`` of these kinds report a new status, or a new value of these members. The document is the row,
# and beside its members ``changed``, the names of those that are new.
WATCHED: Mapping[str, tuple[str, ...]] = {
    "Endpoint": (),
    "FeatureGroup": ("OfflineStoreStatus",),
    "EndpointConfig": (),
    "Model": (),
    "ModelCard": ("ModelCardStatus", "ModelCardVersion"),
    "ModelPackage": (
        "ModelApprovalStatus",
        "ApprovalDescription",
        "ModelLifeCycle",
        "SourceUri",
        "CustomerMetadataProperties",
        "InferenceSpecification",
    ),
}

outbox = Table(
    "outbox",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False),
    Column("region", String(32), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("arn", String(2048), nullable=False),
    Column("status", String(64), nullable=False),
    Column("previous", String(64), nullable=True),
    Column("time", Float, nullable=False),
    Column("document", JSON, nullable=False),
    sqlite_autoincrement=True,
)

_rules = table("resources", column("kind"), column("region"), column("status"))
_LISTENED = Prepared(
    select(literal(1)).where(
        exists().where(_rules.c.kind == RULE, _rules.c.region == bindparam("in_region"), _rules.c.status == ENABLED)
    )
)


@dataclass(frozen=True)
class Change:
    """What changed: a thing's ``kind`` and ARN, the status it has now and the one it had (None for a new thing)."""

    region: str
    kind: str
    arn: str
    status: str
    previous: str | None
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Waiting:
    """A change that waits to be offered. ``id`` stays the same however often it is read; ``time`` in seconds."""

    sequence: int
    id: str
    time: float
    change: Change


def add(connection: Connection, change: Change) -> None:
    """Keep ``change`` until it has been offered to the rules of its region. Where no rule is enabled at this moment
    nobody would see it, and nothing is written."""
    if _LISTENED.first(connection, {"in_region": change.region}) is not None:
        keep(connection, change)


def keep(connection: Connection, change: Change) -> None:
    """As ``add``, whether there is a rule or not."""
    values = {**vars(change), "document": dict(change.document)}
    connection.execute(insert(outbox), {"id": ids.unique_id(), "time": clock.now(), **values})


def waiting(connection: Connection, limit: int) -> list[Waiting]:
    """The oldest changes that wait."""
    rows = connection.execute(select(outbox).order_by(outbox.c.sequence).limit(limit)).all()
    return [
        Waiting(
            row.sequence,
            row.id,
            row.time,
            Change(row.region, row.kind, row.arn, row.status, row.previous, row.document),
        )
        for row in rows
    ]


def remove_until(connection: Connection, sequence: int) -> None:
    """Forget the changes up to ``sequence``: they have been offered."""
    connection.execute(delete(outbox).where(outbox.c.sequence <= sequence))
