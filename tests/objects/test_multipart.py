import base64
import hashlib
import io
import os
import stat
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from selfmaker.objects import files as files_module
from selfmaker.objects.completion import NamedPart
from selfmaker.objects.protocol import (
    MIN_PART_BYTES,
    Attributes,
    BadDigest,
    Checksum,
    Condition,
    ConditionFailed,
    InvalidPart,
    InvalidPartOrder,
    NoSuchBucket,
    NoSuchUpload,
    PartTooSmall,
    Received,
    Terms,
    Upload,
)
from selfmaker.objects.store import ObjectStore

SIZE = MIN_PART_BYTES


def data_of(number: int, size: int = SIZE) -> bytes:
    return bytes([number % 251]) * size


def send(store: ObjectStore, upload: Upload, number: int, data: bytes) -> NamedPart:
    part = store.uploads.put_part(upload, number, io.BytesIO(data), Terms(expected=len(data)))
    assert part.etag == hashlib.md5(data).hexdigest()
    return NamedPart(number, part.etag)


def files_with_bytes(store: ObjectStore, tmp_path: Path) -> list[Path]:
    store.settle()
    return [path for path in (tmp_path / "objects").glob("??/*") if path.stat().st_size]


ORDERS = {
    "in order": [(1, SIZE), (2, SIZE), (3, 100)],
    "the short last part first": [(3, 100), (1, SIZE), (2, SIZE)],
    "backwards": [(3, 100), (2, SIZE), (1, SIZE)],
    "no two alike": [(1, SIZE + 1), (2, SIZE), (3, SIZE + 7)],
    "growing": [(1, SIZE), (2, SIZE + 5), (3, SIZE + 50)],
    "one": [(1, 10)],
    "one that is not the first": [(7, 10)],
    "with gaps": [(5, SIZE), (10, SIZE), (4, SIZE)],
    "an empty last part": [(1, SIZE), (2, 0)],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_the_parts_become_the_object(store: ObjectStore, tmp_path: Path, order: list[tuple[int, int]]) -> None:
    upload = store.uploads.create("bucket", "k", Attributes(metadata={"a": "b"}))
    named = sorted((send(store, upload, n, data_of(n, size)) for n, size in order), key=lambda part: part.number)
    info = store.uploads.complete(upload, named)
    whole = b"".join(data_of(n, size) for n, size in sorted(order))
    assert info == store.head("bucket", "k")
    assert info.path.read_bytes() == whole
    assert stat.S_IMODE(info.path.stat().st_mode) == 0o444
    raw = b"".join(bytes.fromhex(part.etag) for part in named)
    assert info.etag == f"{hashlib.md5(raw).hexdigest()}-{len(named)}"
    assert info.part_sizes == tuple(size for _, size in sorted(order))
    assert info.attributes.metadata == {"a": "b"}
    assert info.checksum == store.put("bucket", "one-piece", whole).checksum
    store.delete("bucket", "one-piece")
    assert files_with_bytes(store, tmp_path) == [info.path]


def test_parts_of_one_size_are_not_copied(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    named = [send(store, upload, n, data_of(n)) for n in (1, 2, 3)]
    monkeypatch.setattr(files_module.Files, "copy", lambda *_: pytest.fail("copied"))
    store.uploads.complete(upload, named)


def test_parts_sent_at_the_same_time(store: ObjectStore, tmp_path: Path) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    named: list[NamedPart] = []
    threads = [
        threading.Thread(target=lambda n=n: named.append(send(store, upload, n, data_of(n)))) for n in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    info = store.uploads.complete(upload, sorted(named, key=lambda part: part.number))
    assert info.path.read_bytes() == b"".join(data_of(n) for n in range(1, 9))
    assert files_with_bytes(store, tmp_path) == [info.path]


def test_a_part_sent_again_replaces_the_first(store: ObjectStore, tmp_path: Path) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    first = send(store, upload, 1, data_of(1))
    second = send(store, upload, 2, data_of(2))
    again = send(store, upload, 1, data_of(9))
    third = send(store, upload, 2, data_of(8, 10))
    with pytest.raises(InvalidPart):
        store.uploads.complete(upload, [first, second])
    info = store.uploads.complete(upload, [again, third])
    assert info.path.read_bytes() == data_of(9) + data_of(8, 10)
    assert files_with_bytes(store, tmp_path) == [info.path]


def test_one_part_sent_by_two_clients_at_once_is_one_of_them(store: ObjectStore) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    threads = [threading.Thread(target=send, args=(store, upload, 1, data_of(n))) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (part,) = store.uploads.parts(upload)
    info = store.uploads.complete(upload, [NamedPart(1, part.etag)])
    assert info.path.read_bytes() in [data_of(n) for n in range(6)]
    assert part.etag == hashlib.md5(info.path.read_bytes()).hexdigest()


def test_only_the_parts_named_are_taken(store: ObjectStore, tmp_path: Path) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    named = [send(store, upload, n, data_of(n)) for n in (1, 2, 3)]
    info = store.uploads.complete(upload, [named[0], named[2]])
    assert info.path.read_bytes() == data_of(1) + data_of(3)
    assert files_with_bytes(store, tmp_path) == [info.path]


def test_the_wrong_parts(store: ObjectStore) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    one, two = send(store, upload, 1, data_of(1, 10)), send(store, upload, 2, data_of(2))
    with pytest.raises(InvalidPartOrder):
        store.uploads.complete(upload, [two, one])
    with pytest.raises(InvalidPartOrder):
        store.uploads.complete(upload, [one, one])
    with pytest.raises(InvalidPart):
        store.uploads.complete(upload, [NamedPart(3, one.etag)])
    with pytest.raises(InvalidPart):
        store.uploads.complete(upload, [NamedPart(1, one.etag, Checksum("CRC64NVME", "AAAAAAAAAAA="))])
    with pytest.raises(PartTooSmall) as caught:
        store.uploads.complete(upload, [one, two])
    assert (caught.value.number, caught.value.size) == (1, 10)
    assert store.uploads.complete(upload, [two]).size == SIZE


def test_a_completion_that_fails_can_be_tried_again(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("bucket", "k", b"there")
    upload = store.uploads.create("bucket", "k", Attributes())
    named = [send(store, upload, 1, data_of(1)), send(store, upload, 2, data_of(2))]

    def refuse(received: Received) -> None:
        assert received.size == 2 * SIZE
        raise BadDigest("")

    with pytest.raises(ConditionFailed):
        store.uploads.complete(upload, named, Terms(condition=Condition(if_absent=True)))
    with pytest.raises(BadDigest):
        store.uploads.complete(upload, named, Terms(verify=refuse))
    named.append(send(store, upload, 3, data_of(3)))
    assert store.uploads.complete(upload, named).path.read_bytes() == data_of(1) + data_of(2) + data_of(3)


def test_completed_once_it_answers_the_same_again(store: ObjectStore) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    named = [send(store, upload, 1, b"data")]
    info = store.uploads.complete(upload, named)
    with pytest.raises(NoSuchUpload):
        store.uploads.complete(upload, named)
    again = store.uploads.completed("bucket", "k", upload.id, named)
    assert (again.etag, again.size, again.checksum) == (info.etag, info.size, info.checksum)
    for other in (("bucket", "other", upload.id), ("bucket", "k", "other")):
        with pytest.raises(NoSuchUpload):
            store.uploads.completed(*other, named)
    with pytest.raises(NoSuchUpload):
        store.uploads.completed("bucket", "k", upload.id, [NamedPart(1, "0" * 32)])


def test_nobody_writes_to_a_file_that_has_become_an_object(store: ObjectStore, tmp_path: Path) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    info = store.uploads.complete(upload, [send(store, upload, 1, b"data")])
    with pytest.raises(NoSuchUpload):
        send(store, upload, 2, b"more")
    assert info.path.read_bytes() == b"data"
    assert files_with_bytes(store, tmp_path) == [info.path]


def test_a_part_that_comes_in_while_the_upload_is_completed(store: ObjectStore, tmp_path: Path) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    one = send(store, upload, 1, data_of(1))
    started, finish = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, n: int | None = -1, /) -> bytes:
            started.set()
            finish.wait()
            return super().read(n)

    problems: list[Exception] = []

    def late() -> None:
        try:
            store.uploads.put_part(upload, 2, Slow(data_of(2)), Terms(expected=SIZE))
        except NoSuchUpload as error:
            problems.append(error)

    thread = threading.Thread(target=late)
    thread.start()
    started.wait()
    info = store.uploads.complete(upload, [one])
    finish.set()
    thread.join()
    assert problems
    assert info.path.read_bytes() == data_of(1)
    assert files_with_bytes(store, tmp_path) == [info.path]


def test_abort_gives_the_space_back(store: ObjectStore, tmp_path: Path) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    for n, size in ((1, SIZE), (2, SIZE + 3), (3, 5)):
        send(store, upload, n, data_of(n, size))
    store.uploads.abort("bucket", "k", upload.id)
    assert files_with_bytes(store, tmp_path) == []
    for attempt in (
        lambda: store.uploads.abort("bucket", "k", upload.id),
        lambda: store.uploads.get("bucket", "k", upload.id),
        lambda: send(store, upload, 1, b"x"),
        lambda: store.uploads.complete(upload, []),
    ):
        with pytest.raises(NoSuchUpload):
            attempt()


def test_deleting_a_bucket_aborts_its_uploads(store: ObjectStore, tmp_path: Path) -> None:
    send(store, store.uploads.create("bucket", "k", Attributes()), 1, b"data")
    store.delete_bucket("bucket")
    assert files_with_bytes(store, tmp_path) == []
    with pytest.raises(NoSuchBucket):
        store.uploads.create("bucket", "k", Attributes())


def test_an_upload_goes_on_after_a_restart(
    store: ObjectStore, open_store: Callable[[], ObjectStore], tmp_path: Path
) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    named = [send(store, upload, n, data_of(n)) for n in (1, 2)]
    store.close()
    again = open_store()
    again.settle()
    assert again.uploads.begun("bucket") == [upload]
    named.append(send(again, upload, 3, data_of(3, 77)))
    info = again.uploads.complete(upload, named)
    assert info.path.read_bytes() == data_of(1) + data_of(2) + data_of(3, 77)
    assert files_with_bytes(again, tmp_path) == [info.path]


def test_a_part_that_was_damaged_on_the_way_can_be_sent_again(store: ObjectStore) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    one = send(store, upload, 1, data_of(1))

    def refuse(_: Received) -> None:
        raise BadDigest("")

    with pytest.raises(BadDigest):
        store.uploads.put_part(upload, 2, io.BytesIO(data_of(7)), Terms(expected=SIZE, verify=refuse))
    assert [part.number for part in store.uploads.parts(upload)] == [1]
    info = store.uploads.complete(upload, [one, send(store, upload, 2, data_of(2))])
    assert info.path.read_bytes() == data_of(1) + data_of(2)


def test_a_full_disk_while_copying_parts(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = store.uploads.create("bucket", "k", Attributes())
    named = [send(store, upload, n, data_of(n, SIZE + n)) for n in (1, 2, 3)]

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "copy_file_range", full)
        patched.setattr(os, "pwrite", full)
        with pytest.raises(Exception, match="full"):
            store.uploads.complete(upload, named)
    info = store.uploads.complete(upload, named)
    assert info.path.read_bytes() == b"".join(data_of(n, SIZE + n) for n in (1, 2, 3))


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def test_full_object_and_composite_checksums(store: ObjectStore) -> None:
    whole = data_of(1) + b"tail"
    full = store.uploads.create("bucket", "full", Attributes(), "CRC32")
    named = [send(store, full, 1, data_of(1)), send(store, full, 2, b"tail")]
    assert store.uploads.complete(full, named).checksum == Checksum("CRC32", crc32(whole))
    split = store.uploads.create("bucket", "split", Attributes(), "SHA256", composite=True)
    named = [send(store, split, 1, data_of(1)), send(store, split, 2, b"tail")]
    digests = [hashlib.sha256(data).digest() for data in (data_of(1), b"tail")]
    expected = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode() + "-2"
    info = store.uploads.complete(split, named)
    assert info.checksum == Checksum("SHA256", expected, composite=True)
    assert info == store.head("bucket", "split")
    assert info.part_checksums == tuple(base64.b64encode(digest).decode() for digest in digests)
    copied = store.copy(info, "bucket", "copied", Attributes(), Terms(algorithm="SHA256"))
    assert copied.etag == hashlib.md5(whole).hexdigest()
    assert copied.checksum == Checksum("SHA256", base64.b64encode(hashlib.sha256(whole).digest()).decode())


def test_the_list_of_uploads_and_parts(store: ObjectStore) -> None:
    uploads = [store.uploads.create("bucket", key, Attributes()) for key in ("b", "a", "b")]
    assert store.uploads.begun("bucket") == [uploads[1], uploads[0], uploads[2]]
    for n in (3, 1, 2):
        send(store, uploads[0], n, b"x")
    assert [part.number for part in store.uploads.parts(uploads[0])] == [1, 2, 3]
    assert [part.number for part in store.uploads.parts(uploads[0], above=1, limit=1)] == [2]
    with pytest.raises(NoSuchBucket):
        store.uploads.begun("nowhere")
