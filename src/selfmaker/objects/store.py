"""The object store on this machine's disk: the promises are in ``protocol``."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from selfmaker.errors import SelfmakerError
from selfmaker.objects import listing, notices
from selfmaker.objects.buckets import Buckets
from selfmaker.objects.commit import NewObject, commit
from selfmaker.objects.deferred import LARGEST, Deferred
from selfmaker.objects.files import Files
from selfmaker.objects.intake import FileSlice, Taken, digest_file, kept_checksum, refuse_if_large, source_of, take_in
from selfmaker.objects.names import key_bytes
from selfmaker.objects.protocol import (
    GRACE_SECONDS,
    MAX_OBJECT_BYTES,
    Attributes,
    ByteSource,
    Condition,
    NoSuchBucket,
    NoSuchKey,
    ObjectInfo,
    Page,
    Query,
    Terms,
)
from selfmaker.objects.rows import check_condition, document_text
from selfmaker.objects.writes import freed, written
from selfmaker.store import objects as rows
from selfmaker.store.database import Database

_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP)
_DEFAULT = Attributes()
_TERMS = Terms()


class ObjectStore(Buckets):
    """Buckets and objects, in ``database`` and ``folder``. Thread safe."""

    def __init__(self, database: Database, folder: Path, grace: float = GRACE_SECONDS) -> None:
        super().__init__(database, Files(folder, grace))
        self._deferred = Deferred(database, self._files)
        self._files.sweep(lambda: set(database.read(lambda c: list(rows.referenced_files(c)))))

    def close(self) -> None:
        """End the background work; before the database is closed. Idempotent."""
        self._deferred.close()
        self._files.close()

    def settle(self) -> None:
        """Give back at once the space of everything that was replaced, deleted or left behind by a killed process."""
        self._files.settle()

    def put(
        self,
        bucket: str,
        key: str,
        source: bytes | ByteSource,
        attributes: Attributes = _DEFAULT,
        terms: Terms = _TERMS,
    ) -> ObjectInfo:
        """Store an object. ``source`` is read to its end, in pieces. Raises NoSuchBucket, KeyTooLong, TooLarge,
        ConditionFailed, what ``terms.verify`` raises, and Unavailable when the disk is full; then nothing has
        changed."""
        name = key_bytes(key)
        self.require_bucket(bucket)
        if terms.condition is not None:  # fail before the bytes travel; judged again where it counts
            self._database.read(lambda c: check_condition(terms.condition, rows.find(c, bucket, name), name))
        if isinstance(source, bytes):
            terms = replace(terms, expected=len(source))
        taken = take_in(self._files, source_of(source), terms, LARGEST)
        return self._keep(bucket, name, taken, attributes, terms)

    def put_file(
        self, bucket: str, key: str, path: Path, *, move: bool = False, attributes: Attributes = _DEFAULT
    ) -> ObjectInfo:
        """Store a file of this machine, whatever its size. ``move``: the file becomes the store's, without a copy
        when it is on the same file system; nobody may have it open for writing. A file that was not stored stays
        where it was."""
        name = key_bytes(key)
        self.require_bucket(bucket)
        terms = Terms(limit=MAX_OBJECT_BYTES)
        taken = self._adopted(path, terms) if move else None
        if taken is None:
            with path.open("rb") as source:
                taken = take_in(self._files, source, terms)
        info = self._keep(bucket, name, taken, attributes, _TERMS)
        if move:
            path.unlink()
        return info

    def copy(
        self, source: ObjectInfo, bucket: str, key: str, attributes: Attributes, terms: Terms = _TERMS
    ) -> ObjectInfo:
        """A new object with the bytes of ``source``, by a link where that can be. Raises as ``put`` does."""
        name = key_bytes(key)
        self.require_bucket(bucket)
        refuse_if_large(replace(terms, expected=source.size))
        taken = self._linked(source, terms) if source.size > LARGEST else None
        if taken is None:
            with FileSlice(source.path, 0, source.size) as piece:
                taken = take_in(self._files, piece, replace(terms, expected=source.size), LARGEST)
        return self._keep(bucket, name, taken, attributes, replace(terms, reason="CopyObject"))

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """Raises NoSuchBucket, NoSuchKey."""
        name = key_bytes(key)
        return ObjectInfo(self._database.read(lambda c: _found(c, bucket, name)), self._files.path)

    def file(self, bucket: str, key: str) -> Path:
        """The immutable file that holds the object's bytes. Raises NoSuchBucket, NoSuchKey."""
        return self.head(bucket, key).path

    def link(self, bucket: str, key: str, target: Path) -> ObjectInfo:
        """Make ``target``, a new path on the same file system, a hard link to the object's file; its bytes then outlive
        the object. It is the store's own file: nobody may write to it. Raises NoSuchBucket, NoSuchKey, OSError."""
        while True:
            info = self.head(bucket, key)
            try:
                target.hardlink_to(info.path)
            except FileNotFoundError:
                if self.head(bucket, key).path == info.path:
                    raise  # it is the target's folder that is missing
            else:
                return info

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """The objects whose keys start with ``prefix``, in key order, read a page at a time. Raises NoSuchBucket, at
        once."""
        query = Query(prefix.encode())
        return self._walk(bucket, query, self.page(bucket, query))

    def page(self, bucket: str, query: Query) -> Page:
        """One page of a listing. Raises NoSuchBucket."""
        return self._database.read(lambda c: listing.page(c, bucket, query, self._files.path))

    def delete(self, bucket: str, key: str, condition: Condition | None = None) -> bool:
        """Delete an object; whether there was one. Raises NoSuchBucket, and ConditionFailed or NoSuchKey by the
        condition."""
        return self.delete_many(bucket, [key], condition) == 1

    def delete_many(self, bucket: str, keys: Iterable[str], condition: Condition | None = None) -> int:
        """Delete objects, all or none; how many there were."""
        names = [key_bytes(key) for key in keys]
        return freed(self._database, self._files, lambda c: _deleted(c, bucket, names, condition))

    def annotate(self, bucket: str, key: str, change: Callable[[ObjectInfo], Mapping[str, Any]]) -> ObjectInfo:
        """Replace members of an object's document (``tags``, ``system``...) by those that ``change`` gives for the
        object as it is at that moment; its bytes and its date stay. A member that is empty goes. Raises NoSuchBucket,
        NoSuchKey."""
        name = key_bytes(key)

        def work(connection: Connection) -> ObjectInfo:
            row = _found(connection, bucket, name)
            info = ObjectInfo(row, self._files.path)
            document = {k: v for k, v in {**info.document, **change(info)}.items() if v}
            changed = row._replace(document=document_text(document))
            rows.save(connection, changed, there=True)
            return ObjectInfo(changed, self._files.path)

        return written(self._database, work)

    def _keep(self, bucket: str, name: bytes, taken: Taken, attributes: Attributes, terms: Terms) -> ObjectInfo:
        new = NewObject(
            bucket, name, taken.file, taken.size, taken.md5, taken.checksum, attributes,
            held=taken.held, reason=terms.reason,
        )  # fmt: skip
        try:
            gone = written(self._database, lambda c: commit(c, new, terms.condition))
        except SelfmakerError:
            if not self._refers(bucket, name, taken.file):
                self._files.remove(taken.file)
            raise
        if taken.held is not None:
            self._deferred.wake(taken.size)
        self._files.bury(gone)
        return ObjectInfo(new.row, self._files.path)

    def _refers(self, bucket: str, name: bytes, file: str) -> bool:
        # A commit that failed on a full disk may yet have happened: bytes are only removed when the row says so.
        row = self._database.read(lambda c: rows.find(c, bucket, name))
        return row is not None and row.file == file

    def _adopted(self, path: Path, terms: Terms) -> Taken | None:
        received = digest_file(path, terms)
        try:
            name = self._files.adopt(path)
        except OSError as error:
            if error.errno in _NO_LINK:
                return None
            raise
        return Taken(name, received.size, received.md5, kept_checksum(received, terms))

    def _linked(self, source: ObjectInfo, terms: Terms) -> Taken | None:
        checksum = source.checksum
        same = (checksum.algorithm if checksum else None) == terms.algorithm and not (checksum and checksum.composite)
        if not same or "-" in source.etag:
            return None  # S3 gives a copy the ETag and the checksum of an object that was written in one piece
        try:
            return Taken(self._files.link(source.path.name), source.size, source.etag, checksum)
        except FileNotFoundError:
            raise NoSuchKey(source.key) from None
        except OSError as error:
            if error.errno in _NO_LINK:
                return None
            raise

    def _walk(self, bucket: str, query: Query, page: Page) -> Iterator[ObjectInfo]:
        while True:
            yield from (entry for entry in page.entries if isinstance(entry, ObjectInfo))
            if page.next is None:
                return
            page = self.page(bucket, replace(query, start=page.next))


def _found(connection: Connection, bucket: str, name: bytes) -> rows.ObjectRow:
    row = rows.find(connection, bucket, name)
    if row is None:
        if not rows.bucket_there(connection, bucket):
            raise NoSuchBucket(bucket)
        raise NoSuchKey(name.decode())
    return row


def _deleted(connection: Connection, bucket: str, names: Iterable[bytes], condition: Condition | None) -> list[str]:
    told = rows.bucket_told(connection, bucket)
    if told is None:
        raise NoSuchBucket(bucket)
    gone = []
    for name in names:
        row = rows.find(connection, bucket, name)
        check_condition(condition, row, name)
        if row is not None:
            rows.remove(connection, bucket, name)
            notices.deleted(connection, told, row)
            gone.append(row.file)
    return gone
