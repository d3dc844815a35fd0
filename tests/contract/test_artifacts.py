"""Packing what a job made, and unpacking what users made."""

import bz2
import contextlib
import gzip
import io
import os
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfmaker.contract.artifacts import copy_tree, members, pack, unpack
from selfmaker.errors import Invalid


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def names(archive: Path) -> list[str]:
    with tarfile.open(archive, "r:gz") as tar:
        return tar.getnames()


def tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(tmp_path / "ml" / "model", model_pkl="weights", code__inference_py="def model_fn(): ...")


def test_members_have_plain_relative_names(model: Path, tmp_path: Path) -> None:
    (model / "empty").mkdir()
    assert pack([model], tmp_path / "model.tar.gz") == 4
    assert names(tmp_path / "model.tar.gz") == ["code", "empty", "model.pkl", "code/inference.py"]
    listed = subprocess.run(["tar", "-tzvf", tmp_path / "model.tar.gz"], capture_output=True, text=True, check=True)
    assert "./" not in listed.stdout
    assert all(" 0/0 " in line for line in listed.stdout.splitlines())


def test_round_trip(model: Path, tmp_path: Path) -> None:
    (model / "run.sh").write_text("#!/bin/sh")
    (model / "run.sh").chmod(0o755)
    (model / "ä b").write_text("x")
    (model / "latest").symlink_to("model.pkl")
    pack([model], tmp_path / "model.tar.gz")
    unpack(tmp_path / "model.tar.gz", tmp_path / "out")
    assert tree(tmp_path / "out") == tree(model)
    assert (tmp_path / "out" / "latest").readlink() == Path("model.pkl")
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o100
    assert not list(tmp_path.glob("*.tmp"))


def test_an_empty_folder_and_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert pack([tmp_path / "model", tmp_path / "absent"], tmp_path / "x.tar.gz") == 0
    assert names(tmp_path / "x.tar.gz") == []


def test_several_hosts_come_together(tmp_path: Path) -> None:
    one = write(tmp_path / "1" / "model", a="first", same="first", x__y="1")
    two = write(tmp_path / "2" / "model", b="second", same="second", x__z="2")
    pack([one, two], tmp_path / "model.tar.gz")
    unpack(tmp_path / "model.tar.gz", tmp_path / "out")
    assert tree(tmp_path / "out") == {"a": "first", "b": "second", "same": "first", "x/y": "1", "x/z": "2"}


def test_hosts_that_disagree_on_what_is_a_folder(tmp_path: Path) -> None:
    one = write(tmp_path / "1" / "model", a="file", b__x="in a folder")
    two = write(tmp_path / "2" / "model", a__deep="lost", b="lost too", c="c")
    expected = {"a": "file", "b/x": "in a folder", "c": "c"}
    pack([one, two], tmp_path / "model.tar.gz")
    unpack(tmp_path / "model.tar.gz", tmp_path / "out")
    copy_tree([one, two], tmp_path / "copy")
    assert tree(tmp_path / "out") == tree(tmp_path / "copy") == expected


def test_sockets_and_pipes_are_left_out(model: Path, tmp_path: Path) -> None:
    os.mkfifo(model / "fifo")
    with socket.socket(socket.AF_UNIX) as listener, tempfile.TemporaryDirectory() as short:
        listener.bind(f"{short}/s")
        Path(f"{short}/s").rename(model / "socket")
        pack([model], tmp_path / "model.tar.gz")
    assert names(tmp_path / "model.tar.gz") == ["code", "model.pkl", "code/inference.py"]


def test_an_archive_that_cannot_be_finished_leaves_the_old_one(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model.tar.gz"
    pack([model], target)
    before = target.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        pack([write(model, more="x")], target)
    assert target.read_bytes() == before


def test_absolute_links_within_the_model_become_relative(model: Path, tmp_path: Path) -> None:
    (model / "code" / "best").symlink_to("/opt/ml/model/model.pkl")
    pack([model], tmp_path / "model.tar.gz")
    unpack(tmp_path / "model.tar.gz", tmp_path / "out")
    assert (tmp_path / "out" / "code" / "best").read_text() == "weights"
    copy_tree([model], tmp_path / "copy")
    assert (tmp_path / "copy" / "code" / "best").read_text() == "weights"


def test_copies_are_plain_files(model: Path, tmp_path: Path) -> None:
    (model / "latest").symlink_to("model.pkl")
    (model / "circle").symlink_to("circle")
    (model / "dangling").symlink_to("nowhere")
    assert copy_tree([model], tmp_path / "copy") == 3
    assert tree(tmp_path / "copy") == {**tree(model)}
    assert not (tmp_path / "copy" / "latest").is_symlink()


def test_links_to_the_host_give_nothing_away(model: Path, tmp_path: Path) -> None:
    secret = write(tmp_path / "host", secret="secret") / "secret"
    (model / "absolute").symlink_to(secret)
    (model / "relative").symlink_to("../../host/secret")
    (model / "folder").symlink_to(secret.parent)
    copy_tree([model], tmp_path / "copy")
    pack([model], tmp_path / "model.tar.gz")
    assert "secret" not in "".join(tree(tmp_path / "copy").values())
    assert b"secret" not in gzip.decompress((tmp_path / "model.tar.gz").read_bytes()).replace(b"host/secret", b"")


@pytest.mark.parametrize("replaced", ["model", "output"])
def test_a_folder_that_was_replaced_by_a_link_is_empty(tmp_path: Path, replaced: str) -> None:
    host = write(tmp_path / "host", secret="x", data__secret="x")
    (tmp_path / "ml").mkdir()
    (tmp_path / "ml" / replaced).symlink_to(host)
    folder = tmp_path / "ml" / "model" if replaced == "model" else tmp_path / "ml" / "output" / "data"
    assert list(members([folder])) == []


# --- unpacking -------------------------------------------------------------------------------------------------------


def archive(path: Path, *entries: tuple[str, dict[str, Any]], mode: Any = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, attributes in entries:
            content = attributes.pop("content", b"")
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for attribute, value in attributes.items():
                setattr(member, attribute, value)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(params=["filter", "older Python"])
def python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With tarfile's own filter and without it, as before 3.10.12 and 3.11.4."""
    if request.param == "older Python":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
        monkeypatch.setattr(tarfile.TarFile, "extraction_filter", staticmethod(lambda member, _: member), raising=False)
    chosen: str = request.param
    return chosen


SYM, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE
ATTACKS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "parent": [("../evil", {"content": b"x"})],
    "deep parent": [("a/../../evil", {"content": b"x"})],
    "absolute link": [("l", {"type": SYM, "linkname": "/etc"})],
    "link out": [("l", {"type": SYM, "linkname": "../.."})],
    "through a link": [("l", {"type": SYM, "linkname": ".."}), ("l/evil", {"content": b"x"})],
    "link by link": [
        ("k", {"type": SYM, "linkname": "."}),
        ("m", {"type": SYM, "linkname": "k/.."}),
        ("m/evil", {"content": b"x"}),
    ],
    "hard link out": [("h", {"type": HARD, "linkname": "../secret"})],
    "device": [("d", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})],
    "pipe": [("p", {"type": tarfile.FIFOTYPE})],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_archives_that_reach_out_are_refused(tmp_path: Path, python: str, attack: str) -> None:
    (tmp_path / "secret").write_text("secret")
    entries = [(name, dict(attributes)) for name, attributes in ATTACKS[attack]]
    with pytest.raises(Invalid, match=r"^s3://b/x.tar.gz cannot be unpacked: "):
        unpack(archive(tmp_path / "x.tar.gz", *entries), tmp_path / "in" / "to", "s3://b/x.tar.gz")
    assert not list(tmp_path.rglob("evil"))


def test_an_absolute_name_stays_inside(tmp_path: Path, python: str) -> None:
    path = archive(tmp_path / "x.tar.gz", ("/evil-of-selfmaker", {"content": b"x"}))
    try:
        unpack(path, tmp_path / "into")
    except Invalid:
        assert python == "older Python"
    assert not Path("/evil-of-selfmaker").exists()


def test_a_file_through_a_link_that_leads_nowhere(tmp_path: Path, python: str) -> None:
    entries: list[tuple[str, dict[str, Any]]] = [("a", {"type": SYM, "linkname": "b/c"}), ("a", {"content": b"x"})]
    with contextlib.suppress(Invalid):  # Pythons differ in whether they replace the link
        unpack(archive(tmp_path / "x.tar.gz", *entries), tmp_path / "into")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["into", "x.tar.gz"]


def test_a_full_disk_is_not_the_archives_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    path = archive(tmp_path / "x.tar.gz", ("a", {"content": b"x"}))
    monkeypatch.setattr(tarfile.TarFile, "makefile", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(path, tmp_path / "into")


def test_hard_links_in_a_circle(tmp_path: Path, python: str) -> None:
    entries: list[tuple[str, dict[str, Any]]] = [
        (".", {"type": HARD, "linkname": "a"}),
        ("a", {"type": HARD, "linkname": "."}),
        (".", {"type": HARD, "linkname": "a"}),
    ]
    with pytest.raises(Invalid, match="cannot be unpacked"):
        unpack(archive(tmp_path / "x.tar.gz", *entries), tmp_path / "into")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz", "w"])
def test_any_compression(tmp_path: Path, mode: str, python: str) -> None:
    entries: list[tuple[str, dict[str, Any]]] = [
        ("./", {"type": tarfile.DIRTYPE, "mode": 0o755}),
        ("./train.py", {"content": b"print()", "uid": 4321, "mode": 0o755}),
        ("./sub", {"type": tarfile.DIRTYPE, "mode": 0o755}),
        ("./sub/link", {"type": SYM, "linkname": "../train.py"}),
    ]
    unpack(archive(tmp_path / "x", *entries, mode=mode), tmp_path / "into")
    assert (tmp_path / "into" / "sub" / "link").read_text() == "print()"
    assert (tmp_path / "into" / "train.py").stat().st_uid == os.getuid()


def damaged(path: Path, change: Callable[[bytes], bytes]) -> Path:
    archive(path, ("a", {"content": os.urandom(100_000)}))
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: b"not an archive",
        lambda data: data[: len(data) // 2],
        lambda data: data[:5000] + bytes(1000) + data[6000:],
        lambda data: gzip.compress(b"not a tar file" * 99),
        lambda data: bz2.compress(b"neither"),
        lambda data: data[:-8] + b"\1\2\3\4\5\6\7\7",
    ],
    ids=["empty", "text", "cut", "overwritten", "gzip of text", "bzip2 of text", "checksum"],
)
def test_damaged_archives(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Invalid, match="cannot be unpacked"):
        unpack(damaged(tmp_path / "x.tar.gz", change), tmp_path / "into")


def test_a_file_and_a_folder_of_one_name(tmp_path: Path, python: str) -> None:
    entries: list[tuple[str, dict[str, Any]]] = [("a", {"content": b"x"}), ("a/b", {"content": b"x"})]
    with pytest.raises(Invalid, match="cannot be unpacked"):
        unpack(archive(tmp_path / "x.tar.gz", *entries), tmp_path / "into")


NAME = st.text(st.sampled_from("./ab"), min_size=1, max_size=8)


@given(st.lists(st.tuples(NAME, st.sampled_from([b"0", b"1", b"2", b"5"]), NAME), max_size=6), st.booleans())
@settings(max_examples=150, deadline=None)
def test_nothing_is_ever_written_outside(entries: list[tuple[str, bytes, str]], filtered: bool) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        base = Path(name)
        if not filtered:
            patch.delattr(tarfile, "data_filter", raising=False)
            patch.setattr(tarfile.TarFile, "extraction_filter", staticmethod(lambda m, _: m), raising=False)
        wanted = [(n, {"type": kind, "linkname": link, "mode": 0o755}) for n, kind, link in entries]
        path = archive(base / "x.tar.gz", *wanted)
        into = base / "one" / "two" / "into"
        with contextlib.suppress(Invalid):
            unpack(path, into)
        assert sorted(p.name for p in base.iterdir()) == ["one", "x.tar.gz"]
        assert [p.name for p in (base / "one").iterdir()] == ["two"]
        assert [p.name for p in (base / "one" / "two").iterdir()] == ["into"]
