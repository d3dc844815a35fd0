"""Between rows and what the store speaks of."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from selfmaker.objects.protocol import (
    Attributes,
    Checksum,
    Condition,
    ConditionFailed,
    NoSuchKey,
    ObjectInfo,
    Part,
    Upload,
)
from selfmaker.store.objects import ObjectRow


def checksum_text(checksum: Checksum | None) -> str | None:
    """As it stands in a row: ``CRC32 AAAAAA==``, with `` composite`` after it if it is one."""
    if checksum is None:
        return None
    return f"{checksum.algorithm} {checksum.value}" + (" composite" if checksum.composite else "")


def checksum_of(text: str | None) -> Checksum | None:
    if not text:
        return None
    algorithm, value, *kind = text.split(" ")
    return Checksum(algorithm, value, bool(kind))


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


def object_info(row: ObjectRow, path: Callable[[str], Path]) -> ObjectInfo:
    return ObjectInfo(
        bucket=row.bucket,
        key=row.key.decode(),
        size=row.size,
        etag=row.etag,
        modified=row.modified,
        file=row.file,
        checksum=checksum_of(row.checksum),
        storage_class=row.storage_class,
        text=row.document,
        place=path,
    )


def upload_info(row: Row[Any]) -> Upload:
    document = loaded(row.document)
    attributes = Attributes(
        document.get("system", {}), document.get("metadata", {}), document.get("tags", {}), row.storage_class
    )
    return Upload(row.id, row.bucket, row.key.decode(), row.initiated, attributes, row.algorithm, row.composite)


def part_info(row: Row[Any]) -> Part:
    return Part(row.number, row.size, row.etag, row.modified, checksum_of(row.checksum))


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
