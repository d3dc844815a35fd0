"""Which files a channel comes to."""

import gzip
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfmaker.contract.channels import Linked, Source, link_channel, place
from selfmaker.errors import Invalid
from selfmaker.objects.store import ObjectStore
from selfmaker.store import objects as _tables  # noqa: F401 - declares the tables
from selfmaker.store.database import Database
from selfmaker.store.schema import metadata


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_prefix_with_and_without_its_slash(bucket: Any, tmp_path: Path) -> None:
    bucket.add("data/train/a.csv", "data/train/deep/b.csv", "data/other.csv")
    expected = {"a.csv": b"data/train/a.csv", "deep/b.csv": b"data/train/deep/b.csv"}
    for number, uri in enumerate(("s3://b/data/train", "s3://b/data/train/")):
        into = tmp_path / str(number)
        assert link_channel(bucket, Source(uri), into) == Linked(2, 16 + 21)
        assert files(into) == expected


def test_a_prefix_that_is_one_key_lands_as_its_last_part(bucket: Any, tmp_path: Path) -> None:
    bucket.add("job/input/code/train.py")
    link_channel(bucket, Source("s3://b/job/input/code/train.py"), tmp_path / "in")
    assert list(files(tmp_path / "in")) == ["train.py"]


def test_a_prefix_that_ends_within_a_name_takes_every_key_that_begins_with_it(bucket: Any, tmp_path: Path) -> None:
    bucket.add("data/part-1.csv", "data/part-2/x.csv", "data/q.csv")
    link_channel(bucket, Source("s3://b/data/part"), tmp_path / "in")
    assert list(files(tmp_path / "in")) == ["part-1.csv", "part-2/x.csv"]


def test_a_whole_bucket(bucket: Any, tmp_path: Path) -> None:
    bucket.add("a", "b/c")
    for number, uri in enumerate(("s3://b", "s3://b/")):
        link_channel(bucket, Source(uri), tmp_path / str(number))
        assert list(files(tmp_path / str(number))) == ["a", "b/c"]


def test_folder_markers_are_no_files(bucket: Any, tmp_path: Path) -> None:
    bucket.add("data/", "data/sub/", "data/sub/x", "data/empty/")
    assert link_channel(bucket, Source("s3://b/data"), tmp_path / "in").files == 1
    assert list(files(tmp_path / "in")) == ["sub/x"]


def test_files_are_links_and_not_copies(bucket: Any, tmp_path: Path) -> None:
    bucket.add("d/x")
    link_channel(bucket, Source("s3://b/d/"), tmp_path / "in")
    assert (tmp_path / "in" / "x").samefile(bucket.objects["d/x"].path)


def test_another_file_system_gets_a_copy(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    bucket.add("d/x")
    monkeypatch.setattr(os, "link", refuse)
    link_channel(bucket, Source("s3://b/d/"), tmp_path / "in")
    assert files(tmp_path / "in") == {"x": b"d/x"}
    assert not (tmp_path / "in" / "x").samefile(bucket.objects["d/x"].path)


def test_an_object_that_was_replaced_since_it_was_listed(bucket: Any, tmp_path: Path) -> None:
    bucket.add("d/gone", "d/x")

    class Changing:
        def list(self, name: str, prefix: str = "") -> Any:
            for stored in list(bucket.list(name, prefix)):
                stored_before = type(stored)(stored.key, stored.size, stored.path.with_name("removed"))
                if stored.key == "d/gone":
                    del bucket.objects[stored.key]
                yield stored_before

        head = bucket.head
        link = bucket.link

    link_channel(Changing(), Source("s3://b/d/"), tmp_path / "in")
    assert files(tmp_path / "in") == {"x": b"d/x"}


def test_sharding_gives_each_object_to_one_host(bucket: Any, tmp_path: Path) -> None:
    keys = [f"d/{n:02}" for n in range(11)]
    bucket.add("d/", *keys)
    source = Source("s3://b/d", distribution="ShardedByS3Key")
    shares = []
    for host in range(3):
        link_channel(bucket, source, tmp_path / str(host), host, 3)
        shares.append(list(files(tmp_path / str(host))))
    assert sorted(key for share in shares for key in share) == [key[2:] for key in keys]
    assert {len(share) for share in shares} == {3, 4}


def test_nothing_at_the_prefix_and_no_such_bucket(bucket: Any, tmp_path: Path) -> None:
    for uri in ("s3://b/nothing", "s3://other/x"):
        with pytest.raises(Invalid, match=f'No S3 objects found under S3 URL "{uri}" given in input'):
            link_channel(bucket, Source(uri), tmp_path / "in")
    with pytest.raises(Invalid, match="Error message from S3: The specified bucket does not exist"):
        link_channel(bucket, Source("s3://other/x"), tmp_path / "in")
    with pytest.raises(Invalid, match="not an S3 URI"):
        link_channel(bucket, Source("http://b/x"), tmp_path / "in")


def test_a_manifest(bucket: Any, tmp_path: Path) -> None:
    manifest = [{"prefix": "s3://b/data/"}, "one.csv", "deep/two.csv"]
    bucket.add("data/one.csv", "data/deep/two.csv", "data/three.csv")
    bucket.add("manifest", content=json.dumps(manifest).encode())
    link_channel(bucket, Source("s3://b/manifest", "ManifestFile"), tmp_path / "in")
    assert list(files(tmp_path / "in")) == ["deep/two.csv", "one.csv"]


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{}", b"[]", b"null", b"not json", b"\xff", b'["s3://b/x"]', b'[{"prefix": 5}, "x"]',
        b'[{"prefix": "s3://b/"}, {"x": 1}]', b'[{"prefix": "s3://b/"}, 7]', b"[" * 100_000,
    ],
)  # fmt: skip
def test_manifests_that_are_none(bucket: Any, tmp_path: Path, text: bytes) -> None:
    bucket.add("manifest", content=text)
    with pytest.raises(Invalid, match="the manifest s3://b/manifest is not"):
        link_channel(bucket, Source("s3://b/manifest", "ManifestFile"), tmp_path / "in")


def test_a_manifest_that_names_what_is_not_there(bucket: Any, tmp_path: Path) -> None:
    bucket.add("manifest", content=b'[{"prefix": "s3://b/data/"}, "absent.csv"]')
    with pytest.raises(Invalid, match=r"Data download failed: s3://b/data/absent\.csv"):
        link_channel(bucket, Source("s3://b/manifest", "ManifestFile"), tmp_path / "in")
    with pytest.raises(Invalid, match="Data download failed: s3://b/no-manifest"):
        link_channel(bucket, Source("s3://b/no-manifest", "ManifestFile"), tmp_path / "in")


def test_an_augmented_manifest_is_refused(bucket: Any, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="AugmentedManifestFile is not supported in File mode"):
        link_channel(bucket, Source("s3://b/x", "AugmentedManifestFile"), tmp_path / "in")


def test_gzip_is_unpacked(bucket: Any, tmp_path: Path) -> None:
    bucket.add("d/x.csv.gz", content=gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    bucket.add("d/plain.csv")
    link_channel(bucket, Source("s3://b/d", compression="Gzip"), tmp_path / "in")
    assert files(tmp_path / "in") == {"plain.csv": b"d/plain.csv", "x.csv": b"one\ntwo\n"}


@pytest.mark.parametrize(
    "content",
    [b"not gzip", gzip.compress(b"x" * 999)[:-9], gzip.compress(b"x")[:10] + b"\xff" * 9],
    ids=["no gzip", "cut short", "other bytes"],
)
def test_gzip_that_is_damaged(bucket: Any, tmp_path: Path, content: bytes) -> None:
    bucket.add("d/x.gz", content=content)
    with pytest.raises(Invalid, match=r"the object 'd/x.gz' is not valid gzip"):
        link_channel(bucket, Source("s3://b/d", compression="Gzip"), tmp_path / "in")


def test_unpacking_never_writes_into_a_stored_object(bucket: Any, tmp_path: Path) -> None:
    bucket.add("d/x.csv", content=b"stored").add("d/x.csv.gz", content=gzip.compress(b"other"))
    with pytest.raises(Invalid, match="another key has its name"):
        link_channel(bucket, Source("s3://b/d", compression="Gzip"), tmp_path / "in")
    assert bucket.content()["d/x.csv"] == b"stored"


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        (["d/a", "d/a/b"], "makes a folder of its name or a file of its folder"),
        (["d/a/b", "d/a//b"], "another key has its name"),
        (["d/../x"], "is no file's path"),
        (["d/a/../../x"], "is no file's path"),
        (["d/" + "x" * 300], "longer than a file's name"),
        (["d/" + "x" * 300 + "/y"], "longer than a file's name"),
        (["d/a\0b"], "is no file's path"),
    ],
)
def test_keys_that_no_folder_can_hold(bucket: Any, tmp_path: Path, keys: list[str], why: str) -> None:
    bucket.add(*keys)
    with pytest.raises(Invalid, match=why):
        link_channel(bucket, Source("s3://b/d/"), tmp_path / "in")
    assert not (tmp_path / "x").exists()


def test_keys_with_odd_slashes_and_names(bucket: Any, tmp_path: Path) -> None:
    bucket.add("d//lead", "d/ space +%20é", "d/./dot", "d/...", "d/-rf")
    link_channel(bucket, Source("s3://b/d/"), tmp_path / "in")
    assert set(files(tmp_path / "in")) == {"lead", " space +%20é", "dot", "...", "-rf"}


@given(
    st.lists(st.text(st.sampled_from("./a\0 é\\~$"), max_size=12), max_size=8),
    st.text(st.sampled_from("./a"), max_size=4),
)
@settings(max_examples=200, deadline=None)
def test_no_key_leaves_the_folder(keys: list[str], prefix: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        into = base / "outer" / "into"
        into.mkdir(parents=True)
        for key in keys:
            try:
                target = place(into, key, prefix + key)
            except Invalid:
                continue
            assert target != into
            assert target.is_relative_to(into)
            assert ".." not in target.parts
            target.touch()
        assert [p.name for p in base.iterdir()] == ["outer"]
        assert [p.name for p in (base / "outer").iterdir()] == ["into"]


def test_source_of_a_channel() -> None:
    channel: dict[str, Any] = {
        "ChannelName": "train",
        "CompressionType": "Gzip",
        "DataSource": {
            "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/x", "S3DataDistributionType": "ShardedByS3Key"}
        },
    }
    assert Source.of_channel(channel) == Source("s3://b/x", "S3Prefix", "ShardedByS3Key", "Gzip")
    with pytest.raises(Invalid, match="the channel train has no S3DataSource"):
        Source.of_channel({"ChannelName": "train", "DataSource": {"FileSystemDataSource": {}}})


def test_with_the_real_store(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/x.sqlite3")
    metadata.create_all(database.engine)
    store = ObjectStore(database, tmp_path / "objects")
    try:
        store.create_bucket("bucket", "us-east-1")
        store.put("bucket", "data/train/a.csv", b"one")
        store.put("bucket", "data/train/b/c.csv", b"two")
        assert link_channel(store, Source("s3://bucket/data/train"), tmp_path / "in") == Linked(2, 6)
        store.delete("bucket", "data/train/a.csv")
        assert files(tmp_path / "in") == {"a.csv": b"one", "b/c.csv": b"two"}
        assert (tmp_path / "in" / "b" / "c.csv").samefile(store.file("bucket", "data/train/b/c.csv"))
        with pytest.raises(Invalid, match="Error message from S3"):
            link_channel(store, Source("s3://absent-bucket/x"), tmp_path / "in2")
    finally:
        store.close()
        database.close()
