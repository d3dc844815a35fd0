"""The one place where an object's row is written."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.objects import notices
from selfmaker.objects.protocol import Attributes, Checksum, Condition, NoSuchBucket
from selfmaker.objects.rows import check_condition, document_of, document_text
from selfmaker.store import objects as rows


def whole_second() -> float:
    """Now, as S3 dates objects: a listing and an HTTP header then say the same."""
    return float(int(clock.now()))


@dataclass(frozen=True)
class NewObject:
    """An object whose bytes are in ``file``, on disk unless they are ``held`` by the database until they are.
    ``parts``: size and checksum of each, for a multipart upload. ``reason``: see ``notices``."""

    bucket: str
    key: bytes
    file: str
    size: int
    etag: str
    checksum: Checksum | None
    attributes: Attributes
    parts: list[list[Any]] | None = None
    held: bytes | None = None
    modified: float = field(default_factory=whole_second)
    reason: str = "PutObject"

    @cached_property
    def row(self) -> rows.ObjectRow:
        return rows.ObjectRow(
            bucket=self.bucket,
            key=self.key,
            file=self.file,
            size=self.size,
            etag=self.etag,
            modified=self.modified,
            storage_class=self.attributes.storage_class,
            checksum=self.checksum.text if self.checksum is not None else None,
            document=document_text(document_of(self.attributes, self.parts)),
        )


def commit(connection: Connection, new: NewObject, condition: Condition | None) -> list[str]:
    """Make ``new`` the object of its key; the files to remove then. Raises NoSuchBucket, NoSuchKey, ConditionFailed."""
    told = rows.bucket_told(connection, new.bucket)
    if told is None:
        raise NoSuchBucket(new.bucket)
    old = rows.find(connection, new.bucket, new.key)
    check_condition(condition, old, new.key)
    rows.save(connection, new.row, there=old is not None)
    if new.held is not None:
        rows.hold(connection, new.file, new.held)
    notices.created(connection, told, new.row, new.reason)
    return [old.file] if old is not None else []
