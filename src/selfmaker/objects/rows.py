"""Between rows and what the store speaks of."""

import json
from typing import Any

from sqlalchemy import Row

from selfmaker.objects.protocol import (
    Attributes,
    Checksum,
    Condition,
    ConditionFailed,
    NoSuchKey,
    Part,
    Upload,
)
from selfmaker.store.objects import ObjectRow


def document_of(attributes: Attributes, parts: list[list[Any]] | None = None) -> dict[str, Any]:
    """What a row keeps of the attributes; empty members are left out."""
    members = {
        "system": dict(attributes.system),
        "metadata": dict(attributes.metadata),
        "tags": dict(attributes.tags),
        "parts": parts,
    }
    return {name: value for name, value in members.items() if value}


def document_text(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":")) if document else ""


def loaded(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text) if text else {}
    return document


def upload_info(row: Row[Any]) -> Upload:
    document = loaded(row.document)
    attributes = Attributes(
        document.get("system", {}), document.get("metadata", {}), document.get("tags", {}), row.storage_class
    )
    return Upload(row.id, row.bucket, row.key.decode(), row.initiated, attributes, row.algorithm, row.composite)


def part_info(row: Row[Any]) -> Part:
    return Part(row.number, row.size, row.etag, row.modified, Checksum.from_text(row.checksum))


def check_condition(condition: Condition | None, row: ObjectRow | None, key: bytes) -> None:
    """Raises ConditionFailed, or NoSuchKey when a particular object is wanted and there is none."""
    if condition is None:
        return
    if condition.if_absent and row is not None:
        raise ConditionFailed("If-None-Match")
    if condition.if_match is not None:
        if row is None:
            raise NoSuchKey(key.decode())
        if condition.if_match not in (row.etag, "*"):
            raise ConditionFailed("If-Match")
