"""What becomes of the objects of a bucket whose notification configuration asks for it: kept for ``events`` in the
transaction that changes the object, so that neither is there without the other."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from selfmaker.store import outbox
from selfmaker.store.objects import BucketTold, ObjectRow

KIND = "S3Object"
NOTIFICATION = "notification"  # the bucket's document that asks
DESTINATIONS = {"QueueConfigurations": "QueueArn", "LambdaFunctionConfigurations": "LambdaFunctionArn"}


def ends_of(configuration: Mapping[str, Any]) -> tuple[str, str]:
    """The prefix and the suffix that a key must have; each may be empty."""
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    given = {rule["Name"].lower(): rule.get("Value", "") for rule in rules}
    return given.get("prefix", ""), given.get("suffix", "")


def created(connection: Connection, told: BucketTold, row: ObjectRow, reason: str) -> None:
    """``reason``: the S3 operation, in the words of S3's events."""
    _note(connection, told, row, ("Created", reason))


def deleted(connection: Connection, told: BucketTold, row: ObjectRow, reason: str = "DeleteObject") -> None:
    _note(connection, told, row, ("Deleted", reason))


def _note(connection: Connection, told: BucketTold, row: ObjectRow, what: tuple[str, str]) -> None:
    asked: Mapping[str, Any] | None = told.documents.get(NOTIFICATION)
    if not asked:
        return
    status, reason = what
    document = {
        "bucket": row.bucket,
        "key": row.key.decode(),
        "size": row.size,
        "etag": row.etag,
        "reason": reason,
        "asked": dict(asked),
    }
    change = outbox.Change(told.region, KIND, f"arn:aws:s3:::{row.bucket}/{row.key.decode()}", status, None, document)
    if any(asked.get(member) for member in DESTINATIONS):
        outbox.keep(connection, change)
    elif asked.get("EventBridgeConfiguration") is not None:
        outbox.add(connection, change)
