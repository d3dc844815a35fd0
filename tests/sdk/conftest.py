"""For the suites of boto3 and of both SDKs: programs that run inside jobs, and how to read what they leave behind."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = Path(__file__).resolve().parent / "programs"


def read_archive(s3: Any, uri: str) -> dict[str, bytes]:
    """The regular files of a ``.tar.gz`` in S3, by name."""
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        files = {m.name.removeprefix("./"): archive.extractfile(m) for m in archive.getmembers() if m.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of the programs that the suites share."""
    return PROGRAMS


@pytest.fixture(scope="session")
def archive() -> Any:
    """``archive(s3, uri)``: the files of a ``.tar.gz`` in S3, by name."""
    return read_archive
