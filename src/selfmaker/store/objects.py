"""Buckets, objects and multipart uploads: the rows that say which file holds which key's bytes.

Keys are stored as bytes, so that every database orders them as S3 does: by their UTF-8. ``file`` is the name of a
file in the object store's folder. Functions take a connection, inside a transaction that the caller owns.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    literal,
    select,
    union_all,
    update,
)

from selfmaker.store.prepared import Prepared, Values
from selfmaker.store.schema import metadata

buckets = Table(
    "buckets",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("region", String(32), nullable=False),
    Column("created", Float, nullable=False),
    Column("documents", JSON, nullable=False),
)

objects = Table(
    "objects",
    metadata,
    Column("bucket", String(63), primary_key=True),
    Column("key", LargeBinary(1024), primary_key=True),
    Column("file", String(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", String(48), nullable=False),
    Column("modified", Float, nullable=False),
    Column("storage_class", String(32), nullable=False),
    Column("checksum", String(160)),
    Column("document", Text, nullable=False),
    sqlite_with_rowid=False,
)

held_bytes = Table(
    "held_bytes",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("file", String(32), nullable=False),
    Column("bytes", LargeBinary, nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("bucket", String(63), nullable=False),
    Column("key", LargeBinary(1024), nullable=False),
    Column("initiated", Float, nullable=False),
    Column("completed", Float),
    Column("algorithm", String(16)),
    Column("composite", Boolean, nullable=False),
    Column("storage_class", String(32), nullable=False),
    Column("document", Text, nullable=False),
    Column("file", String(32)),
    Column("result", Text),
    Index(None, "bucket", "key", "id"),
)

parts = Table(
    "parts",
    metadata,
    Column("upload", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("etag", String(32), nullable=False),
    Column("modified", Float, nullable=False),
    Column("checksum", String(160)),
    Column("file", String(32), nullable=False),
    Column("position", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


class BucketTold(NamedTuple):
    """What a write to a bucket needs of it."""

    region: str
    documents: dict[str, Any]


class ObjectRow(NamedTuple):
    """A row of ``objects``, its columns in their order. ``checksum``: see ``objects/rows.py``; ``document``: JSON, or
    empty."""

    bucket: str
    key: bytes
    file: str
    size: int
    etag: str
    modified: float
    storage_class: str
    checksum: str | None
    document: str


_o, _b, _u, _p = objects.c, buckets.c, uploads.c, parts.c
_THIS_OBJECT = (_o.bucket == bindparam("b"), _o.key == bindparam("k"))
_BUCKET = select(buckets).where(_b.name == bindparam("b"))
_BUCKET_THERE = Prepared(select(literal(1)).where(_b.name == bindparam("b")))
_BUCKET_TOLD = Prepared(select(_b.region, _b.documents).where(_b.name == bindparam("b")))
_OBJECT = Prepared(select(objects).where(*_THIS_OBJECT))
_OBJECT_INSERT = Prepared(insert(objects))
_OBJECT_UPDATE = Prepared(
    update(objects)
    .where(*_THIS_OBJECT)
    .values({name: bindparam(name) for name in ObjectRow._fields if name not in ("bucket", "key")})
)
_OBJECT_DELETE = Prepared(delete(objects).where(*_THIS_OBJECT))
_HOLD = Prepared(insert(held_bytes).values(file=bindparam("file"), bytes=bindparam("bytes")))
_ANY_OBJECT = select(literal(1)).select_from(objects).where(_o.bucket == bindparam("b")).limit(1)
_FROM = (
    select(objects)
    .where(_o.bucket == bindparam("b"), _o.key >= bindparam("start"))
    .order_by(_o.key)
    .limit(bindparam("limit", type_=Integer))
)
_SCAN = Prepared(_FROM)
_SCAN_BETWEEN = Prepared(_FROM.where(_o.key < bindparam("stop")))
_UPLOAD = select(uploads).where(_u.id == bindparam("i"))
_PART = select(parts).where(_p.upload == bindparam("i"), _p.number == bindparam("n"))
_PARTS = (
    select(parts)
    .where(_p.upload == bindparam("i"), _p.number > bindparam("above"))
    .order_by(_p.number)
    .limit(bindparam("limit", type_=Integer))
)


def bucket(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(_BUCKET, {"b": name}).first()


def bucket_there(connection: Connection, name: str) -> bool:
    return _BUCKET_THERE.first(connection, {"b": name}) is not None


def bucket_told(connection: Connection, name: str) -> BucketTold | None:
    found = _BUCKET_TOLD.first(connection, {"b": name})
    return None if found is None else BucketTold(*found)


def all_buckets(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(buckets).order_by(_b.name)))


def add_bucket(connection: Connection, values: Values) -> None:
    connection.execute(insert(buckets).values(**values))


def set_documents(connection: Connection, name: str, documents: Values) -> None:
    connection.execute(update(buckets).where(_b.name == name).values(documents=dict(documents)))


def remove_bucket(connection: Connection, name: str) -> None:
    connection.execute(delete(buckets).where(_b.name == name))


def any_object(connection: Connection, bucket_name: str) -> bool:
    return connection.execute(_ANY_OBJECT, {"b": bucket_name}).first() is not None


def find(connection: Connection, bucket_name: str, key: bytes) -> ObjectRow | None:
    """The object's row, or None."""
    found = _OBJECT.first(connection, {"b": bucket_name, "k": key})
    return None if found is None else ObjectRow(*found)


def save(connection: Connection, row: ObjectRow, *, there: bool) -> None:
    """Write an object's row; ``there`` says whether the key has one already."""
    if there:
        _OBJECT_UPDATE.run(connection, {"b": row.bucket, "k": row.key, **row._asdict()})
    else:
        _OBJECT_INSERT.run(connection, row._asdict())


def remove(connection: Connection, bucket_name: str, key: bytes) -> None:
    _OBJECT_DELETE.run(connection, {"b": bucket_name, "k": key})


def hold(connection: Connection, file: str, data: bytes) -> None:
    """Keep a small object's bytes until its file is known to be on disk."""
    _HOLD.run(connection, {"file": file, "bytes": data})


def held(connection: Connection) -> list[tuple[int, str, bytes]]:
    """Number, file and bytes of all that are kept so, in the order in which they came."""
    h = held_bytes.c
    return [tuple(row) for row in connection.execute(select(h.number, h.file, h.bytes).order_by(h.number))]


def held_names(connection: Connection) -> list[tuple[int, str]]:
    """Number and file of them."""
    h = held_bytes.c
    return [tuple(row) for row in connection.execute(select(h.number, h.file).order_by(h.number))]


def let_go(connection: Connection, last: int) -> None:
    """Drop those up to that number."""
    connection.execute(delete(held_bytes).where(held_bytes.c.number <= last))


def scan(connection: Connection, bucket_name: str, start: bytes, stop: bytes | None, limit: int) -> list[ObjectRow]:
    """Up to ``limit`` objects with start <= key < stop, in key order."""
    values: dict[str, Any] = {"b": bucket_name, "start": start, "limit": limit, "stop": stop}
    found = (_SCAN if stop is None else _SCAN_BETWEEN).all(connection, values)
    return [ObjectRow(*row) for row in found]


def add_upload(connection: Connection, values: Values) -> None:
    connection.execute(insert(uploads).values(**values))


def upload(connection: Connection, upload_id: str) -> Row[Any] | None:
    return connection.execute(_UPLOAD, {"i": upload_id}).first()


def change_upload(connection: Connection, upload_id: str, **values: Any) -> None:
    connection.execute(update(uploads).where(_u.id == upload_id).values(**values))


def open_uploads(connection: Connection, bucket_name: str) -> list[Row[Any]]:
    """Those neither completed nor aborted, by key and then by when they began."""
    query = select(uploads).where(_u.bucket == bucket_name, _u.completed.is_(None))
    return list(connection.execute(query.order_by(_u.key, _u.initiated, _u.id)))


def part(connection: Connection, upload_id: str, number: int) -> Row[Any] | None:
    return connection.execute(_PART, {"i": upload_id, "n": number}).first()


def upload_parts(connection: Connection, upload_id: str, above: int = 0, limit: int = 10_000) -> list[Row[Any]]:
    """The parts with a number above ``above``, in order."""
    return list(connection.execute(_PARTS, {"i": upload_id, "above": above, "limit": limit}))


def save_part(connection: Connection, values: Values) -> None:
    """Write a part's row in place of one with its number."""
    connection.execute(delete(parts).where(_p.upload == values["upload"], _p.number == values["number"]))
    connection.execute(insert(parts), dict(values))


def drop_parts(connection: Connection, upload_id: str) -> None:
    connection.execute(delete(parts).where(_p.upload == upload_id))


def drop_upload(connection: Connection, upload_id: str) -> None:
    connection.execute(delete(uploads).where(_u.id == upload_id))


def forget_completed(connection: Connection, before: float) -> None:
    """Drop the memory of uploads that were completed before that time."""
    connection.execute(delete(uploads).where(_u.completed < before))


def referenced_files(connection: Connection) -> Iterator[str]:
    """The names of all files that a row refers to."""
    query = union_all(select(_o.file), select(_u.file).where(_u.file.is_not(None)), select(_p.file))
    for row in connection.execute(query):
        yield row[0]
