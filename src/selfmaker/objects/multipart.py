"""Objects that arrive in parts."""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row

from selfmaker import clock, ids
from selfmaker.errors import SelfmakerError
from selfmaker.objects.assembly import Assembly
from selfmaker.objects.commit import NewObject, commit, whole_second
from selfmaker.objects.completion import (
    DEFAULT_ALGORITHM,
    NamedPart,
    assemble,
    check_parts,
    part_checksum,
    whole_checksum,
)
from selfmaker.objects.digest import multipart_etag
from selfmaker.objects.files import Files, sync
from selfmaker.objects.intake import Taken, pour_in, refuse_if_large, take_in
from selfmaker.objects.names import key_bytes
from selfmaker.objects.protocol import (
    MAX_OBJECT_BYTES,
    MAX_PARTS,
    Attributes,
    ByteSource,
    Checksum,
    NoSuchBucket,
    NoSuchUpload,
    ObjectInfo,
    Part,
    Received,
    Terms,
    TooLarge,
    Upload,
)
from selfmaker.objects.rows import (
    document_of,
    document_text,
    part_info,
    upload_info,
)
from selfmaker.objects.writes import freed, written
from selfmaker.store import objects as rows
from selfmaker.store.database import Database

_REMEMBERED = 24 * 3600.0
"""Seconds for which a completion that is asked for again is answered as the first time."""
_TERMS = Terms()


class Uploads:
    """The multipart uploads of an object store. Thread safe; every part is on disk when ``put_part`` returns.

    The parts of one upload must all come through one process: it alone knows who writes where. An upload that nobody
    completes or aborts keeps its space, as in S3.
    """

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files
        self._lock = threading.Lock()
        self._assemblies: dict[str, Assembly] = {}

    def create(
        self, bucket: str, key: str, attributes: Attributes, algorithm: str | None = None, *, composite: bool = False
    ) -> Upload:
        """Begin an upload. Raises NoSuchBucket, KeyTooLong."""
        name = key_bytes(key)
        upload = Upload(ids.unique_id() + ids.unique_id(), bucket, key, clock.now(), attributes, algorithm, composite)
        file = self._files.take_open()
        values = {
            "id": upload.id,
            "bucket": bucket,
            "key": name,
            "initiated": upload.initiated,
            "algorithm": algorithm,
            "composite": composite,
            "storage_class": attributes.storage_class,
            "document": document_text(document_of(attributes)),
            "file": file,
        }

        def work(connection: Connection) -> None:
            if not rows.bucket_there(connection, bucket):
                raise NoSuchBucket(bucket)
            rows.forget_completed(connection, clock.now() - _REMEMBERED)
            rows.add_upload(connection, values)

        self._kept(work, file)
        return upload

    def get(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Raises NoSuchUpload."""
        return upload_info(self._database.read(lambda c: _open_row(c, bucket, key, upload_id)))

    def put_part(self, upload: Upload, number: int, source: ByteSource, terms: Terms) -> Part:
        """Store a part, in place of one with its number. Raises NoSuchUpload and as ``ObjectStore.put`` does."""
        if not 1 <= number <= MAX_PARTS:
            raise ValueError(f"part {number}")
        refuse_if_large(terms)
        terms = replace(terms, algorithm=upload.algorithm or DEFAULT_ALGORITHM)
        assembly, common = self._assembly(upload)
        position = assembly.claim(number, terms.expected)
        if position is None:
            taken = take_in(self._files, source, terms)
            return self._keep_part(upload, (number, taken, 0), taken.file)
        kept = False
        try:
            with self._files.opened(common) as descriptor:
                taken = pour_in(self._files, source, (common, descriptor, position), terms)
                sync(descriptor)
            part = self._keep_part(upload, (number, taken, position), None)
            kept = True
            return part
        finally:
            assembly.written(number, kept=kept)

    def complete(self, upload: Upload, named: Sequence[NamedPart], terms: Terms = _TERMS) -> ObjectInfo:
        """Make the parts one object. Raises NoSuchUpload, InvalidPart, InvalidPartOrder, PartTooSmall, TooLarge,
        ConditionFailed and what ``terms.verify`` raises (told of the whole: its ``md5`` is the ETag to be); the
        upload then goes on."""
        assembly, _ = self._assembly(upload)
        with assembly.completing:
            row = self._database.read(lambda c: _open_row(c, upload.bucket, upload.key, upload.id))
            there = self._database.read(lambda c: rows.upload_parts(c, upload.id))
            chosen = check_parts(named, there)
            alone = assembly.seal()
            try:
                reuse = alone and not any(part.file == row.file for part in there if part not in chosen)
                info = self._finish(row, chosen, terms, reuse=reuse)
            except BaseException:
                assembly.unseal()
                raise
        self._forget(upload.id)
        return info

    def completed(self, bucket: str, key: str, upload_id: str, named: Sequence[NamedPart]) -> ObjectInfo:
        """The answer that was given when the upload was completed, of these parts, within the last day. Raises
        NoSuchUpload."""
        row = self._database.read(lambda c: rows.upload(c, upload_id))
        if row is None or (row.bucket, row.key) != (bucket, key_bytes(key)) or row.completed is None:
            raise NoSuchUpload(upload_id)
        result = json.loads(row.result)
        if multipart_etag(part.etag for part in named) != result["etag"]:
            raise NoSuchUpload(upload_id)
        upload = upload_info(row)
        new = NewObject(
            bucket=bucket,
            key=row.key,
            file=result["file"],
            size=result["size"],
            etag=result["etag"],
            checksum=Checksum.from_text(result["checksum"]),
            attributes=upload.attributes,
            modified=row.completed,
        )
        return ObjectInfo(new.row, self._files.path)

    def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Drop an upload and its parts. Raises NoSuchUpload."""

        def work(connection: Connection) -> list[str]:
            return _dropped(connection, _open_row(connection, bucket, key, upload_id))

        freed(self._database, self._files, work)
        self._forget(upload_id)

    def parts(self, upload: Upload, above: int = 0, limit: int = 1000) -> list[Part]:
        """The parts with a number greater than ``above``, in order."""
        return [part_info(row) for row in self._database.read(lambda c: rows.upload_parts(c, upload.id, above, limit))]

    def begun(self, bucket: str) -> list[Upload]:
        """Those that are neither completed nor aborted, by key and time. Raises NoSuchBucket."""

        def work(connection: Connection) -> list[Row[Any]]:
            if not rows.bucket_there(connection, bucket):
                raise NoSuchBucket(bucket)
            return rows.open_uploads(connection, bucket)

        return [upload_info(row) for row in self._database.read(work)]

    def drop_all(self, connection: Connection, bucket: str) -> list[str]:
        """Within a transaction: abort all uploads of a bucket; the files to remove then."""
        return [name for row in rows.open_uploads(connection, bucket) for name in _dropped(connection, row)]

    def _assembly(self, upload: Upload) -> tuple[Assembly, str]:
        """The upload's assembly and the name of its common file. One is only made while the upload is open, and stays
        sealed once it is completed: so nobody ever writes to a file that has become an object."""
        with self._lock:
            row = self._database.read(lambda c: _open_row(c, upload.bucket, upload.key, upload.id))
            assembly = self._assemblies.get(upload.id)
            if assembly is None:
                there = self._database.read(lambda c: rows.upload_parts(c, upload.id))
                assembly = Assembly((part.number, part.size, part.position) for part in there if part.file == row.file)
                self._assemblies[upload.id] = assembly
            return assembly, row.file

    def _forget(self, upload_id: str) -> None:
        with self._lock:
            self._assemblies.pop(upload_id, None)

    def _kept(self, work: Any, file: str | None) -> Any:
        """Do ``work`` in the database; if it is refused, remove ``file``, which it was to refer to."""
        try:
            return written(self._database, work)
        except SelfmakerError:
            if file is not None:
                self._files.remove(file)
            raise

    def _keep_part(self, upload: Upload, placed: tuple[int, Taken, int], own: str | None) -> Part:
        number, taken, position = placed
        part = Part(number, taken.size, taken.md5, whole_second(), taken.checksum)
        values = {
            "upload": upload.id,
            "number": number,
            "size": part.size,
            "etag": part.etag,
            "modified": part.modified,
            "checksum": part.checksum.text if part.checksum is not None else None,
            "file": taken.file,
            "position": position,
        }

        def work(connection: Connection) -> list[str]:
            row = _open_row(connection, upload.bucket, upload.key, upload.id)
            old = rows.part(connection, upload.id, number)
            rows.save_part(connection, values)
            return [old.file] if old is not None and old.file != row.file else []

        self._files.bury(self._kept(work, own))
        return part

    def _finish(self, row: Row[Any], chosen: Sequence[Row[Any]], terms: Terms, *, reuse: bool) -> ObjectInfo:
        upload = upload_info(row)
        size = sum(part.size for part in chosen)
        if size > MAX_OBJECT_BYTES:
            raise TooLarge(str(size))
        etag = multipart_etag(part.etag for part in chosen)
        checksum = whole_checksum(upload, chosen)
        if terms.verify is not None:
            terms.verify(Received(size, etag, {checksum.algorithm: checksum.value}))
        file = assemble(self._files, row.file, chosen, reuse=reuse)
        new = NewObject(
            bucket=upload.bucket,
            key=row.key,
            file=file,
            size=size,
            etag=etag,
            checksum=checksum,
            attributes=upload.attributes,
            parts=[[part.size, part_checksum(part)] for part in chosen],
            reason="CompleteMultipartUpload",
        )

        def work(connection: Connection) -> list[str]:
            current = _open_row(connection, upload.bucket, upload.key, upload.id)
            gone = commit(connection, new, terms.condition)
            result = {"etag": etag, "size": size, "checksum": checksum.text, "file": file}
            gone += [name for name in _part_files(connection, current) if name != file]
            rows.drop_parts(connection, upload.id)
            rows.change_upload(connection, upload.id, completed=new.modified, file=None, result=json.dumps(result))
            return gone

        self._files.bury(self._kept(work, file if file != row.file else None))
        return ObjectInfo(new.row, self._files.path)


def _open_row(connection: Connection, bucket: str, key: str, upload_id: str) -> Row[Any]:
    row = rows.upload(connection, upload_id)
    if row is None or row.completed is not None or (row.bucket, row.key) != (bucket, key_bytes(key)):
        raise NoSuchUpload(upload_id)
    return row


def _part_files(connection: Connection, row: Row[Any]) -> set[str]:
    """The common file and those of the parts that have their own."""
    return {row.file, *(part.file for part in rows.upload_parts(connection, row.id))}


def _dropped(connection: Connection, row: Row[Any]) -> list[str]:
    files = _part_files(connection, row)
    rows.drop_parts(connection, row.id)
    rows.drop_upload(connection, row.id)
    return list(files)
