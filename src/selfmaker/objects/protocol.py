"""What the object store promises, and the words it is spoken to in.

An object is bytes, found by bucket and key. Its bytes are one immutable file of mode 0444 in the store's folder; all
else about it (key, size, ETag, checksum, attributes, tags) is one SQL row. There is one version of each object.

Durability. When a call that writes returns, its effect survives a kill of the process and a loss of power: the bytes
are on disk, under a name that is on disk, before the row is committed, and the commit is the acknowledgement. A write
that was not acknowledged either happened as a whole or left no trace: rows are changed in one transaction, and files
that no row refers to are removed when the store is next opened. A full disk is Unavailable; the old object stays.

Concurrency. Everything is thread safe. Writers of one key leave one of them whole. Conditions are judged in the
transaction that writes. Several processes may have one store open; each sweeps only what dead ones left.

Ownership. ``ObjectInfo.path`` is the store's: read it, link to it, never write or rename it. It stays in place for at
least ``GRACE_SECONDS`` after the object was replaced or deleted, so that who has just looked it up can open or link it;
an open file or a hard link keeps the bytes for as long as it likes. Files handed to ``put_file(move=True)`` become
the store's.

Names. A key is any text of 1 to 1,024 UTF-8 bytes and never becomes a path; keys are ordered by those bytes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from selfmaker.errors import AlreadyExists, Conflict, Invalid, LimitExceeded, NotFound
from selfmaker.store.objects import ObjectRow

GRACE_SECONDS = 5.0

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

# Limits of Amazon S3 ("Amazon S3 multipart upload limits" in the User Guide).
MAX_KEY_BYTES = 1024
MAX_PUT_BYTES = 5 * GIB
MAX_OBJECT_BYTES = 5 << 40
MIN_PART_BYTES = 5 * MIB
MAX_PARTS = 10_000


class NoSuchBucket(NotFound):
    """The bucket does not exist; ``message`` is its name."""


class NoSuchKey(NotFound):
    """The object does not exist; ``message`` is its key."""


class NoSuchUpload(NotFound):
    """The multipart upload was never begun, or has been completed or aborted; ``message`` is its id."""


class BucketExists(AlreadyExists):
    """The bucket is there already."""


class BucketNotEmpty(Conflict):
    """A bucket that holds objects cannot be deleted."""


class ConditionFailed(Conflict):
    """The object is not as the writer's condition wants it; ``message`` names the condition as S3 does (If-Match)."""


class InvalidName(Invalid):
    """Not a name that a bucket can have."""


class KeyTooLong(Invalid):
    """A key of more than 1,024 bytes."""


class BadDigest(Invalid):
    """The bytes are not those that the sender's digest is of."""


class InvalidPart(Invalid):
    """A part named at completion was not uploaded, or has another ETag or checksum."""


class InvalidPartOrder(Invalid):
    """The parts named at completion are not in ascending order."""


class PartTooSmall(Invalid):
    """A part that is not the last is smaller than 5 MiB."""

    def __init__(self, number: int, size: int, etag: str) -> None:
        super().__init__(f"part {number} has {size} bytes")
        self.number, self.size, self.etag = number, size, etag


class TooLarge(LimitExceeded):
    """More bytes than an object, or one write, may have."""


class ByteSource(Protocol):
    """Where an object's bytes come from: ``read(n)`` gives at most n bytes, and b"" at the end."""

    def read(self, n: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class Attributes:
    """What is kept with an object besides its bytes. ``system`` holds members by AWS's name (ContentType,
    CacheControl, ServerSideEncryption, ...), kept and given back as they are; ``metadata`` is the user's."""

    system: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"


@dataclass(frozen=True)
class Checksum:
    """``algorithm`` as S3 spells it (CRC32, ...); ``value`` in base64; ``composite``: of the parts' checksums, not
    the bytes."""

    algorithm: str
    value: str
    composite: bool = False

    @property
    def text(self) -> str:
        """As it stands in a row: ``CRC32 AAAAAA==``, with `` composite`` after it if it is one."""
        return f"{self.algorithm} {self.value}" + (" composite" if self.composite else "")

    @staticmethod
    def from_text(text: str | None) -> "Checksum | None":
        if not text:
            return None
        algorithm, value, *kind = text.split(" ")
        return Checksum(algorithm, value, bool(kind))


@dataclass(frozen=True)
class Condition:
    """What must hold for a write. ``if_match``: the object exists with this ETag; ``if_absent``: there is none."""

    if_match: str | None = None
    if_absent: bool = False


@dataclass(frozen=True)
class Received:
    """What came in, told to ``Terms.verify`` before it is stored. ``md5`` in hexadecimal; ``checksums`` in base64, by
    algorithm."""

    size: int
    md5: str
    checksums: Mapping[str, str]


@dataclass(frozen=True)
class Terms:
    """How to take a write: the checksum to keep, one more to compute for ``verify``, the condition on what is there, a
    last look at what came (``verify`` raises to refuse it), and how many bytes are too many. ``expected`` is their
    number when it is known, ``reason`` the S3 operation, as the bucket's notifications call it."""

    algorithm: str | None = "CRC64NVME"
    also: str | None = None
    condition: Condition | None = None
    verify: Callable[[Received], None] | None = None
    limit: int = MAX_PUT_BYTES
    expected: int | None = None
    reason: str = "PutObject"


@dataclass(frozen=True)
class Part:
    """One part of a multipart upload. ``etag`` in hexadecimal; ``checksum`` in base64 by the upload's algorithm."""

    number: int
    size: int
    etag: str
    modified: float
    checksum: Checksum | None = None


@dataclass(frozen=True)
class ObjectInfo:
    """One object as it was when it was looked up: its row, read on demand, because listings make very many of these."""

    row: ObjectRow
    place: Callable[[str], Path] = field(repr=False, compare=False)

    @property
    def bucket(self) -> str:
        return self.row.bucket

    @cached_property
    def key(self) -> str:
        return self.row.key.decode()

    @property
    def size(self) -> int:
        """In bytes."""
        return self.row.size

    @property
    def etag(self) -> str:
        """Without quotes."""
        return self.row.etag

    @property
    def modified(self) -> float:
        """In seconds since the epoch."""
        return self.row.modified

    @property
    def storage_class(self) -> str:
        return self.row.storage_class

    @cached_property
    def path(self) -> Path:
        """The immutable file that holds the bytes."""
        return self.place(self.row.file)

    @cached_property
    def checksum(self) -> Checksum | None:
        return Checksum.from_text(self.row.checksum)

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """``attributes`` and ``parts`` as they are stored."""
        stored: dict[str, Any] = json.loads(self.row.document) if self.row.document else {}
        return stored

    @cached_property
    def attributes(self) -> Attributes:
        part = self.document.get
        return Attributes(part("system") or {}, part("metadata") or {}, part("tags") or {}, self.storage_class)

    @property
    def part_sizes(self) -> tuple[int, ...]:
        """The sizes of the parts that a multipart upload was made of; empty for an object written in one piece."""
        return tuple(size for size, _ in self.document.get("parts") or ())

    @property
    def part_checksums(self) -> tuple[str | None, ...]:
        """Their checksums in base64, in the same order."""
        return tuple(value for _, value in self.document.get("parts") or ())


@dataclass(frozen=True)
class BucketInfo:
    """One bucket. ``created`` in seconds since the epoch."""

    name: str
    region: str
    created: float


@dataclass(frozen=True)
class Query:
    """Which keys to list: those with ``prefix`` that are not below ``start``, at most ``limit`` entries, all keys
    that share what comes up to ``delimiter`` after the prefix being one entry."""

    prefix: bytes = b""
    delimiter: bytes = b""
    start: bytes = b""
    limit: int = 1000


@dataclass(frozen=True)
class Page:
    """``entries`` in key order: objects, and common prefixes as bytes. ``next``: where the following page starts, or
    None."""

    entries: tuple[ObjectInfo | bytes, ...]
    next: bytes | None


@dataclass(frozen=True)
class Upload:
    """A multipart upload that was begun. ``algorithm``: of its parts' checksums, None when the sender named none;
    ``composite``: as in Checksum."""

    id: str
    bucket: str
    key: str
    initiated: float
    attributes: Attributes
    algorithm: str | None
    composite: bool
