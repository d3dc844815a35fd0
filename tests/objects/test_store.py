import hashlib
import io
import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from selfmaker.errors import Invalid, Unavailable
from selfmaker.objects.files import Files
from selfmaker.objects.protocol import (
    Attributes,
    BadDigest,
    BucketExists,
    BucketNotEmpty,
    Condition,
    ConditionFailed,
    InvalidName,
    KeyTooLong,
    NoSuchBucket,
    NoSuchKey,
    Received,
    Terms,
    TooLarge,
)
from selfmaker.objects.store import ObjectStore
from selfmaker.store.database import Database


def stored_files(store: ObjectStore, tmp_path: Path) -> set[str]:
    """The names of all files that hold bytes, the blanks made in advance left out."""
    store.settle()
    return {path.name for path in (tmp_path / "objects").glob("??/*") if path.stat().st_size}


def test_what_was_put_is_there_with_all_that_belongs_to_it(store: ObjectStore) -> None:
    attributes = Attributes({"ContentType": "text/plain"}, {"owner": "me"}, {"a": "1"}, "STANDARD_IA")
    info = store.put("bucket", "folder/key", b"hello", attributes)
    assert info == store.head("bucket", "folder/key")
    assert (info.size, info.etag) == (5, hashlib.md5(b"hello").hexdigest())
    assert info.attributes == attributes
    assert info.path.read_bytes() == b"hello"
    assert info.checksum is not None
    assert info.checksum.algorithm == "CRC64NVME"


def test_the_file_is_immutable_and_named_by_nobody(store: ObjectStore) -> None:
    info = store.put("bucket", "../../etc/passwd", b"x")
    assert stat.S_IMODE(info.path.stat().st_mode) == 0o444
    assert "passwd" not in str(info.path)


def test_an_empty_object(store: ObjectStore) -> None:
    info = store.put("bucket", "empty", b"")
    assert info.size == 0
    assert store.file("bucket", "empty").read_bytes() == b""


KEYS = (
    "a",
    "a/",
    "/a",
    "a//",
    "../a",
    "a b",
    "a+b",
    "a%20b",
    "é",
    "e\u0301",
    "日本",
    "a\n",
    "a\0",
    "😀",
    "A",
    "..",
    "~",
    "a" * 1024,
)


def test_keys_never_collide(store: ObjectStore) -> None:
    for key in KEYS:
        store.put("bucket", key, key.encode())
    assert [info.key for info in store.list("bucket")] == sorted(KEYS, key=str.encode)
    for key in KEYS:
        assert store.file("bucket", key).read_bytes() == key.encode()


@pytest.mark.parametrize(
    ("key", "error"), [("a" * 1025, KeyTooLong), ("é" * 513, KeyTooLong), ("\ud800", Invalid), ("", Invalid)]
)
def test_keys_that_cannot_be(store: ObjectStore, key: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        store.put("bucket", key, b"")


@pytest.mark.parametrize(
    "name", ["ab", "A" * 5, "a_b", "a..b", "-ab", "ab-", "1.2.3.4", "xn--abc", "a" * 64, "abc-s3alias", ""]
)
def test_bucket_names_that_cannot_be(store: ObjectStore, name: str) -> None:
    with pytest.raises(InvalidName):
        store.create_bucket(name, "us-east-1")


def test_buckets(store: ObjectStore) -> None:
    with pytest.raises(BucketExists):
        store.create_bucket("bucket", "us-east-1")
    store.create_bucket("another", "eu-west-1")
    assert [bucket.name for bucket in store.buckets()] == ["another", "bucket"]
    assert store.bucket("another").region == "eu-west-1"
    store.put("bucket", "k", b"")
    with pytest.raises(BucketNotEmpty):
        store.delete_bucket("bucket")
    store.delete("bucket", "k")
    store.delete_bucket("bucket")
    assert not store.bucket_exists("bucket")
    for attempt in (
        lambda: store.put("bucket", "k", b""),
        lambda: store.head("bucket", "k"),
        lambda: store.delete("bucket", "k"),
        lambda: store.list("bucket"),
        lambda: store.delete_bucket("bucket"),
    ):
        with pytest.raises(NoSuchBucket):
            attempt()


def test_bucket_documents(store: ObjectStore) -> None:
    store.set_bucket_document("bucket", "policy", {"Policy": "{}"})
    store.set_bucket_document("bucket", "tags", {"a": "b"})
    assert store.bucket_documents("bucket") == {"policy": {"Policy": "{}"}, "tags": {"a": "b"}}
    store.set_bucket_document("bucket", "policy", None)
    assert store.bucket_documents("bucket") == {"tags": {"a": "b"}}


def test_replacing_and_deleting_give_the_space_back(store: ObjectStore, tmp_path: Path) -> None:
    old = store.put("bucket", "k", b"old").path
    with old.open("rb") as reader:
        new = store.put("bucket", "k", b"new").path
        assert old.exists(), "somebody may have just looked it up"
        assert stored_files(store, tmp_path) == {new.name}
        assert reader.read() == b"old"
    assert store.delete("bucket", "k") is True
    assert store.delete("bucket", "k") is False
    assert stored_files(store, tmp_path) == set()
    with pytest.raises(NoSuchKey):
        store.head("bucket", "k")


def test_the_grace_passes_by_itself(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    files = Files(tmp_path / "objects", grace=0)
    name = files.take_open()
    files.bury([name])
    while files.path(name).exists():  # pytest's timeout is the bound
        threading.Event().wait(0.001)
    files.close()


@pytest.mark.parametrize("condition", [Condition(if_match="0" * 32), Condition(if_absent=True)])
def test_a_condition_that_fails_changes_nothing(store: ObjectStore, tmp_path: Path, condition: Condition) -> None:
    before = store.put("bucket", "k", b"old")
    with pytest.raises(ConditionFailed):
        store.put("bucket", "k", b"new", terms=Terms(condition=condition))
    assert store.head("bucket", "k") == before
    assert stored_files(store, tmp_path) == {before.path.name}


def test_conditions_that_hold(store: ObjectStore) -> None:
    first = store.put("bucket", "k", b"1", terms=Terms(condition=Condition(if_absent=True)))
    store.put("bucket", "k", b"2", terms=Terms(condition=Condition(if_match=first.etag)))
    assert store.file("bucket", "k").read_bytes() == b"2"
    with pytest.raises(NoSuchKey):
        store.put("bucket", "none", b"", terms=Terms(condition=Condition(if_match=first.etag)))
    with pytest.raises(ConditionFailed):
        store.delete("bucket", "k", Condition(if_match=first.etag))


def in_threads(*works: Callable[[], object]) -> list[object]:
    results: list[object] = [None] * len(works)
    barrier = threading.Barrier(len(works))

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = works[index]()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_many_writers_who_want_to_be_first_one_is(store: ObjectStore) -> None:
    terms = Terms(condition=Condition(if_absent=True))
    results = in_threads(*(lambda n=n: store.put("bucket", "k", b"%d" % n, terms=terms) for n in range(8)))
    winners = [n for n, result in enumerate(results) if not isinstance(result, Exception)]
    assert len(winners) == 1
    assert store.file("bucket", "k").read_bytes() == b"%d" % winners[0]
    assert sum(isinstance(result, ConditionFailed) for result in results) == 7


def test_writers_of_one_key_leave_one_of_them_whole(store: ObjectStore, tmp_path: Path) -> None:
    bodies = [bytes([n]) * 3_000_000 for n in range(6)]
    in_threads(*(lambda body=body: store.put("bucket", "k", body) for body in bodies))
    info = store.head("bucket", "k")
    data = info.path.read_bytes()
    assert data in bodies
    assert info.etag == hashlib.md5(data).hexdigest()
    assert stored_files(store, tmp_path) == {info.path.name}


class Breaking(io.BytesIO):
    """A source that breaks off after its bytes."""

    def read(self, n: int | None = -1, /) -> bytes:
        data = super().read(n)
        if not data:
            raise ConnectionError("gone")
        return data


def refuse(received: Received) -> None:
    raise BadDigest(received.md5)


@pytest.mark.parametrize(
    ("source", "terms", "error"),
    [
        (Breaking(b"x" * 5_000_000), Terms(), ConnectionError),
        (io.BytesIO(b"x"), Terms(verify=refuse), BadDigest),
        (io.BytesIO(b"xxxx"), Terms(limit=3), TooLarge),
        (io.BytesIO(b"xxxx"), Terms(limit=3, expected=4), TooLarge),
        (io.BytesIO(b"xxxx"), Terms(expected=5), Invalid),
        (io.BytesIO(b"xxxx"), Terms(expected=3), Invalid),
    ],
)
def test_a_write_that_fails_leaves_nothing(
    store: ObjectStore, tmp_path: Path, source: io.BytesIO, terms: Terms, error: type[Exception]
) -> None:
    before = store.put("bucket", "k", b"old")
    with pytest.raises(error):
        store.put("bucket", "k", source, terms=terms)
    assert store.head("bucket", "k") == before
    assert stored_files(store, tmp_path) == {before.path.name}


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_full_disk_leaves_the_old_object(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    before = store.put("bucket", "k", b"old")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(Unavailable, match="full"):
            store.put("bucket", "k", b"new" * 100_000)
    assert store.head("bucket", "k") == before
    assert stored_files(store, tmp_path) == {before.path.name}


def test_a_full_disk_is_first_cleared_of_what_was_deleted(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted = store.put("bucket", "old", b"old").path
    store.delete("bucket", "old")
    write = os.pwrite

    def full_until_cleared(descriptor: int, data: bytes, position: int) -> int:
        if deleted.exists():
            raise OSError(28, "No space left on device")
        return write(descriptor, data, position)

    monkeypatch.setattr(os, "pwrite", full_until_cleared)
    assert store.put("bucket", "new", b"new").path.read_bytes() == b"new"


def test_objects_can_be_deleted_when_the_database_has_no_room(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.put("bucket", "a", b"a")
    write = Database.write
    ballast = tmp_path / "objects" / "ballast"
    assert ballast.stat().st_blocks * 512 >= 8 << 20

    def full_until_room_is_made(database: Database, work: Callable[..., object]) -> object:
        if ballast.stat().st_size:
            raise OperationalError("", {}, sqlite3.OperationalError("database or disk is full"))
        return write(database, work)

    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", full_until_room_is_made)
        with pytest.raises(Unavailable, match="full"):
            store.put("bucket", "a", b"b")
        assert store.head("bucket", "a") == before
        assert stored_files(store, tmp_path) == {before.path.name}
        assert store.delete("bucket", "a")
    assert stored_files(store, tmp_path) == set()
    assert ballast.stat().st_size, "held back again"


def test_put_file_by_copy_and_by_move(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(b"model")
    inode = path.stat().st_ino
    copied = store.put_file("bucket", "copied", path)
    assert path.exists()
    moved = store.put_file("bucket", "moved", path, move=True, attributes=Attributes(metadata={"a": "b"}))
    assert not path.exists()
    assert moved.path.stat().st_ino == inode
    assert copied.path.read_bytes() == moved.path.read_bytes() == b"model"
    assert copied.etag == moved.etag
    assert copied.checksum == moved.checksum
    assert stat.S_IMODE(moved.path.stat().st_mode) == 0o444


def test_a_file_that_could_not_be_stored_stays(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(b"model")
    with pytest.raises(NoSuchBucket):
        store.put_file("nowhere", "k", path, move=True)
    assert path.read_bytes() == b"model"


def test_a_copy_shares_the_file_but_not_its_fate(store: ObjectStore) -> None:
    for data, shared in ((b"data" * 10_000, True), (b"data", False)):
        source = store.put("bucket", "a", data, Attributes(metadata={"x": "1"}))
        copied = store.copy(source, "bucket", "b", Attributes(metadata={"x": "2"}))
        assert (copied.path.stat().st_ino == source.path.stat().st_ino) is shared
        assert (copied.etag, copied.size, copied.checksum) == (source.etag, source.size, source.checksum)
        store.delete("bucket", "a")
        store.settle()
        assert store.file("bucket", "b").read_bytes() == data
    assert store.head("bucket", "b").attributes.metadata == {"x": "2"}


def test_a_copy_with_another_checksum_is_read_anew(store: ObjectStore) -> None:
    source = store.put("bucket", "a", b"data")
    copied = store.copy(source, "bucket", "b", Attributes(), Terms(algorithm="SHA256"))
    assert copied.checksum is not None
    assert copied.checksum.algorithm == "SHA256"
    assert copied.etag == source.etag


def test_a_copy_onto_itself(store: ObjectStore) -> None:
    source = store.put("bucket", "a", b"data")
    store.copy(source, "bucket", "a", Attributes(metadata={"new": "1"}))
    store.settle()
    assert store.file("bucket", "a").read_bytes() == b"data"
    assert store.head("bucket", "a").attributes.metadata == {"new": "1"}


def test_a_link_outlives_the_object(store: ObjectStore, tmp_path: Path) -> None:
    store.put("bucket", "a", b"data")
    store.link("bucket", "a", tmp_path / "channel")
    store.delete("bucket", "a")
    store.settle()
    assert (tmp_path / "channel").read_bytes() == b"data"
    with pytest.raises(NoSuchKey):
        store.link("bucket", "a", tmp_path / "other")


def test_a_link_into_a_folder_that_is_missing(store: ObjectStore, tmp_path: Path) -> None:
    store.put("bucket", "a", b"data")
    with pytest.raises(FileNotFoundError):
        store.link("bucket", "a", tmp_path / "none" / "channel")


def test_annotate_changes_only_the_document(store: ObjectStore) -> None:
    before = store.put("bucket", "a", b"data", Attributes(metadata={"x": "1"}))
    after = store.annotate("bucket", "a", lambda _: {"tags": {"t": "1"}})
    assert after == store.head("bucket", "a")
    assert after.attributes == Attributes(metadata={"x": "1"}, tags={"t": "1"})
    assert (after.etag, after.modified, after.path) == (before.etag, before.modified, before.path)
    assert store.annotate("bucket", "a", lambda _: {"tags": None}).attributes.tags == {}


def test_a_store_opened_again_sweeps_what_a_dead_process_left(
    store: ObjectStore, open_store: Callable[[], ObjectStore], tmp_path: Path
) -> None:
    kept = store.put("bucket", "k", b"kept")
    upload = store.uploads.create("bucket", "big", Attributes())
    store.uploads.put_part(upload, 1, io.BytesIO(b"part"), Terms(expected=4))
    stray = kept.path.with_name("0123abcd" + kept.path.name[8:])
    stray.write_bytes(b"half-written by a process that was killed")
    other = open_store()
    assert stored_files(other, tmp_path) >= {kept.path.name}
    assert not stray.exists()
    assert other.file("bucket", "k").read_bytes() == b"kept"
    part_bytes = [path.read_bytes() for path in (tmp_path / "objects").glob("??/*") if path.stat().st_size]
    assert sorted(part_bytes) == [b"kept", b"part"]


def test_the_files_of_a_living_process_are_not_swept(store: ObjectStore, open_store: Callable[[], ObjectStore]) -> None:
    other = open_store()
    other.settle()
    assert store.put("bucket", "k", b"mine").path.read_bytes() == b"mine"


def test_closing_leaves_only_objects(store: ObjectStore, tmp_path: Path) -> None:
    kept = store.put("bucket", "k", b"kept")
    store.put("bucket", "gone", b"gone")
    store.delete("bucket", "gone")
    store.close()
    assert {path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()} == {kept.path.name, "ballast"}
