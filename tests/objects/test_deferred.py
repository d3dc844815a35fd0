import io
import os
import stat
from collections.abc import Callable

import pytest

from selfmaker.objects import deferred
from selfmaker.objects.deferred import LARGEST
from selfmaker.objects.protocol import Attributes
from selfmaker.objects.store import ObjectStore
from selfmaker.store import objects as rows
from selfmaker.store.database import Database


def held(database: Database) -> list[bytes]:
    return [data for _, _, data in database.read(rows.held)]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is put on disk by itself while the test runs."""
    monkeypatch.setattr(deferred, "_PAUSE", 600.0)


@pytest.mark.usefixtures("slow")
def test_small_objects_are_held_and_large_ones_flushed(
    store: ObjectStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: flushed.append(os.fstat(descriptor).st_size))
    store.put("bucket", "empty", b"")
    store.put("bucket", "small", b"x" * LARGEST)
    assert (held(database), flushed) == ([b"x" * LARGEST], [])
    store.put("bucket", "large", b"x" * (LARGEST + 1))
    store.put("bucket", "of unknown size", io.BytesIO(b"y"))
    assert (len(held(database)), flushed) == (1, [LARGEST + 1, 1])


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("lost", [b"", b"he", b"\0" * 5, b"hello and more"])
def test_bytes_that_a_crash_took_from_a_file_are_put_back(
    store: ObjectStore, open_store: Callable[[], ObjectStore], database: Database, lost: bytes
) -> None:
    path = store.put("bucket", "k", b"hello").path
    gone = store.put("bucket", "gone", b"gone").path
    store.delete("bucket", "gone")
    gone.unlink()
    path.chmod(0o600)
    path.write_bytes(lost)  # as after a loss of power
    again = open_store()
    assert again.file("bucket", "k").read_bytes() == b"hello"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert not gone.exists()
    assert held(database) == []


@pytest.mark.parametrize("count", [1, 40])
def test_files_are_put_on_disk_and_the_bytes_let_go(
    store: ObjectStore, database: Database, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(deferred, "_AT_ONCE", 7)
    for n in range(count):
        store.put("bucket", f"k{n}", b"x")
    store.delete("bucket", "k0")
    store.settle()
    store.close()
    assert held(database) == []


@pytest.mark.usefixtures("slow")
def test_it_does_not_wait_when_there_is_much(
    store: ObjectStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred, "_FULL", 10)
    store.put("bucket", "k", b"x" * 11)
    while held(database):  # pytest's timeout is the bound
        pass


def test_it_happens_by_itself(
    store: ObjectStore, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deferred, "_PAUSE", 0.01)
    real, calls = deferred._sync, []

    def failing_at_first(*arguments: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError(5, "the disk is out of order")
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(deferred, "_sync", failing_at_first)
    store.put("bucket", "k", b"x")
    while held(database):  # pytest's timeout is the bound
        pass
    assert len(calls) >= 2
    assert "goes on holding" in caplog.text


@pytest.mark.usefixtures("slow")
def test_a_copy_of_a_small_object_has_its_own_bytes_held(store: ObjectStore, database: Database) -> None:
    source = store.put("bucket", "k", b"x")
    store.copy(source, "bucket", "copy", Attributes())
    assert held(database) == [b"x", b"x"]
