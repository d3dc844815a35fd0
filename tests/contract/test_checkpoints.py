"""Checkpoints go to the store as they change, and come back."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from selfmaker.contract import checkpoints
from selfmaker.contract.checkpoints import restore, sync
from selfmaker.errors import Invalid, NotFound

URI = "s3://b/ckpt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "ml" / "checkpoints"
    path.mkdir(parents=True)
    return path


def write(path: Path, text: str, age: float = 60) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    moment = time.time() - age
    os.utime(path, (moment, moment))


def test_new_and_changed_files_are_put_once(bucket: Any, folder: Path) -> None:
    write(folder / "epoch-1", "one")
    write(folder / "deep" / "state", "x")
    known = sync(bucket, folder, URI, {})
    assert bucket.content() == {"ckpt/epoch-1": b"one", "ckpt/deep/state": b"x"}
    bucket.objects.clear()
    assert sync(bucket, folder, URI, known) == known
    assert bucket.content() == {}
    write(folder / "epoch-1", "two", age=30)
    known = sync(bucket, folder, URI, known)
    assert bucket.content() == {"ckpt/epoch-1": b"two"}
    assert sync(bucket, folder, URI, known) == known


def test_a_file_that_is_being_written_waits_unless_it_is_the_end(bucket: Any, folder: Path) -> None:
    write(folder / "fresh", "half", age=0)
    assert sync(bucket, folder, URI, {}) == {}
    assert list(sync(bucket, folder, URI, {}, final=True)) == ["fresh"]
    assert bucket.content() == {"ckpt/fresh": b"half"}


def test_what_the_job_removes_stays_in_the_store(bucket: Any, folder: Path) -> None:
    write(folder / "a", "a")
    known = sync(bucket, folder, URI, {})
    (folder / "a").unlink()
    sync(bucket, folder, URI, known, final=True)
    assert bucket.content() == {"ckpt/a": b"a"}


def test_restore_and_nothing_to_put_after_it(bucket: Any, folder: Path) -> None:
    bucket.add("ckpt/a", "ckpt/deep/b", "ckpt/deep/", "ckpt-other/c")
    known = restore(bucket, URI, folder)
    assert (folder / "a").read_text() == "ckpt/a"
    assert (folder / "deep" / "b").read_text() == "ckpt/deep/b"
    assert sorted(known) == ["a", "deep/b"]
    bucket.objects.clear()
    assert sync(bucket, folder, URI, known, final=True) == known
    assert bucket.content() == {}


def test_restored_files_are_the_jobs_own(bucket: Any, folder: Path) -> None:
    bucket.add("ckpt/a")
    restore(bucket, URI, folder)
    with (folder / "a").open("a") as file:
        file.write("more")
    assert bucket.content() == {"ckpt/a": b"ckpt/a"}


def test_restore_where_the_kernel_cannot_copy(bucket: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    bucket.add("ckpt/a")
    monkeypatch.setattr(os, "copy_file_range", refuse)
    restore(bucket, URI, folder)
    assert (folder / "a").read_text() == "ckpt/a"


def test_a_first_start(bucket: Any, folder: Path) -> None:
    assert restore(bucket, "s3://b/nothing", folder) == {}
    assert restore(bucket, "s3://absent/x", folder) == {}
    with pytest.raises(NotFound):
        sync(bucket, write_one(folder), "s3://absent/x", {}, final=True)


def write_one(folder: Path) -> Path:
    write(folder / "x", "x")
    return folder


def test_keys_that_cannot_be_restored(bucket: Any, folder: Path) -> None:
    bucket.add("ckpt/a", "ckpt/a/b")
    with pytest.raises(Invalid, match="cannot be given to a job"):
        restore(bucket, URI, folder)


@pytest.mark.parametrize("uri", ["s3://b", "s3://b/"])
def test_a_whole_bucket_of_checkpoints(bucket: Any, folder: Path, uri: str) -> None:
    sync(bucket, write_one(folder), uri, {})
    assert list(bucket.content()) == ["x"]
    assert list(restore(bucket, uri, folder.with_name("again"))) == ["x"]


def test_links_and_pipes_are_not_followed(bucket: Any, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    write(tmp_path / "host" / "secret", "secret")
    (folder / "file").symlink_to(tmp_path / "host" / "secret")
    (folder / "folder").symlink_to(tmp_path / "host")
    os.mkfifo(folder / "pipe")
    assert sync(bucket, folder, URI, {}, final=True) == {}
    folder.rename(folder.with_name("away"))
    folder.symlink_to(tmp_path / "host")
    assert sync(bucket, folder, URI, {}, final=True) == {}
    assert bucket.content() == {}


def test_a_file_that_becomes_a_link_between_the_look_and_the_opening(
    bucket: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "secret", "secret")
    write(folder / "x", "harmless")
    opened = os.open

    def swap(path: Any, *arguments: Any, **named: Any) -> int:
        if path == "x":
            (folder / "x").unlink()
            (folder / "x").symlink_to(tmp_path / "secret")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(checkpoints.os, "open", swap)
    assert sync(bucket, folder, URI, {}, final=True) == {}
    assert bucket.content() == {}


def test_a_name_that_no_key_can_have_is_left(bucket: Any, folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff")).write_text("x")
    write(folder / "good", "x")
    assert list(sync(bucket, folder, URI, {}, final=True)) == ["good"]
