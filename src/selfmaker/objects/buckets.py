"""The buckets of the object store."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError

from selfmaker import clock
from selfmaker.objects.files import Files
from selfmaker.objects.multipart import Uploads
from selfmaker.objects.names import check_bucket_name
from selfmaker.objects.protocol import BucketExists, BucketInfo, BucketNotEmpty, NoSuchBucket
from selfmaker.objects.writes import freed, written
from selfmaker.store import objects as rows
from selfmaker.store.database import Database


class Buckets:
    """The part of ObjectStore that knows buckets. Thread safe. ``uploads`` are the multipart uploads begun in them."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files
        self._known: set[str] = set()
        self.uploads = Uploads(database, files)

    def create_bucket(self, name: str, region: str, documents: Mapping[str, Any] | None = None) -> BucketInfo:
        """``documents``: as by ``set_bucket_document``, by kind. Raises InvalidName, BucketExists."""
        check_bucket_name(name)
        info = BucketInfo(name, region, clock.now())
        try:
            written(self._database, lambda c: rows.add_bucket(c, {**vars(info), "documents": dict(documents or {})}))
        except IntegrityError:
            raise BucketExists(name) from None
        return info

    def bucket_exists(self, name: str) -> bool:
        return self._database.read(lambda c: rows.bucket_there(c, name))

    def bucket(self, name: str) -> BucketInfo:
        """Raises NoSuchBucket."""
        return _info(self._database.read(lambda c: _row(c, name)))

    def buckets(self) -> list[BucketInfo]:
        """All of them, by name."""
        return [_info(row) for row in self._database.read(rows.all_buckets)]

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket and the multipart uploads begun in it. Raises NoSuchBucket, BucketNotEmpty."""

        def work(connection: Connection) -> list[str]:
            _row(connection, name)
            if rows.any_object(connection, name):
                raise BucketNotEmpty(name)
            rows.remove_bucket(connection, name)
            return self.uploads.drop_all(connection, name)

        freed(self._database, self._files, work)
        self._known.discard(name)

    def bucket_documents(self, name: str) -> Mapping[str, Any]:
        """What was set by ``set_bucket_document``, by kind. Raises NoSuchBucket."""
        documents: Mapping[str, Any] = self._database.read(lambda c: _row(c, name)).documents
        return documents

    def set_bucket_document(self, name: str, kind: str, document: Any) -> None:
        """Keep a JSON document of that kind with the bucket, or none when it is None. Raises NoSuchBucket."""

        def work(connection: Connection) -> None:
            documents = {**_row(connection, name).documents, kind: document}
            rows.set_documents(connection, name, {k: v for k, v in documents.items() if v is not None})

        written(self._database, work)

    def require_bucket(self, name: str) -> None:
        """Raises NoSuchBucket. A bucket once seen is taken to be there still: every write looks again when it
        counts."""
        if name not in self._known:
            if not self.bucket_exists(name):
                raise NoSuchBucket(name)
            self._known.add(name)


def _row(connection: Connection, name: str) -> Row[Any]:
    row = rows.bucket(connection, name)
    if row is None:
        raise NoSuchBucket(name)
    return row


def _info(row: Row[Any]) -> BucketInfo:
    return BucketInfo(row.name, row.region, row.created)
