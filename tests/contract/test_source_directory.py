"""The ways in which a request names its source directory."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from selfmaker.contract.source_directory import bring
from selfmaker.errors import Invalid


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{name}.py")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


CODE = {
    "ChannelName": "code",
    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/job/source/"}},
}


def test_an_archive_in_s3(bucket: Any, tmp_path: Path) -> None:
    bucket.add("job/sourcedir.tar.gz", content=archive(train="pass"))
    bring(bucket, "s3://b/job/sourcedir.tar.gz", [], tmp_path / "source")
    assert names(tmp_path / "source") == ["train.py"]


def test_an_archive_in_a_channel_as_the_sdk_sends_it_for_isolated_jobs(bucket: Any, tmp_path: Path) -> None:
    bucket.add("job/source/sourcedir.tar.gz", content=archive(train="pass", other="pass"))
    bring(bucket, "/opt/ml/input/data/code/sourcedir.tar.gz", [CODE], tmp_path / "source")
    assert names(tmp_path / "source") == ["other.py", "train.py"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bucket", "source"]


def test_a_folder_and_a_file_of_a_channel_are_copied_not_linked(bucket: Any, tmp_path: Path) -> None:
    bucket.add("job/source/train.py", "job/source/lib/more.py")
    bring(bucket, "/opt/ml/input/data/code", [CODE], tmp_path / "all")
    assert names(tmp_path / "all") == ["lib/more.py", "train.py"]
    bring(bucket, "/opt/ml/input/data/code/train.py", [CODE], tmp_path / "one")
    assert names(tmp_path / "one") == ["train.py"]
    assert (tmp_path / "one" / "train.py").stat().st_nlink == 1


@pytest.mark.parametrize("directory", ["/opt/ml/input/data/code/nowhere.tar.gz", "/opt/ml/input/data/code/../../x"])
def test_what_is_not_in_the_channel_is_named(bucket: Any, tmp_path: Path, directory: str) -> None:
    bucket.add("job/source/train.py")
    with pytest.raises(Invalid, match="is not in the channel code"):
        bring(bucket, directory, [CODE], tmp_path / "source")


def test_a_missing_object_is_named(bucket: Any, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="s3://b/nowhere"):
        bring(bucket, "s3://b/nowhere", [], tmp_path / "source")


def test_a_folder_of_the_image_brings_nothing(bucket: Any, tmp_path: Path) -> None:
    bring(bucket, "/opt/ml/code", [CODE], tmp_path / "source")
    assert names(tmp_path / "source") == []
