"""Channels: which objects a channel names, and the folder of links that shows them to a job without a copy.

The naming rules are those of ``S3DataSource`` in SageMaker's API reference.
"""

import errno
import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from selfmaker.errors import Invalid, NotFound
from selfmaker.objects.uri import parse_s3_uri

MANIFEST = "ManifestFile"
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP)


class Stored(Protocol):
    """What is needed of an object."""

    @property
    def key(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def path(self) -> Path: ...


class Objects(Protocol):
    """What is needed of the object store."""

    def list(self, bucket: str, prefix: str = "") -> Iterator[Any]: ...

    def head(self, bucket: str, key: str) -> Any: ...

    def link(self, bucket: str, key: str, target: Path) -> Any: ...


@dataclass(frozen=True)
class Source:
    """Where a channel's (or a processing input's) data is, as AWS's members say it."""

    uri: str
    data_type: str = "S3Prefix"
    distribution: str = "FullyReplicated"
    compression: str = "None"

    @classmethod
    def of_channel(cls, channel: Mapping[str, Any]) -> "Source":
        """From AWS's Channel structure."""
        data = channel["DataSource"]["S3DataSource"]
        return cls(
            uri=data["S3Uri"],
            data_type=data["S3DataType"],
            distribution=data.get("S3DataDistributionType", "FullyReplicated"),
            compression=channel.get("CompressionType", "None"),
        )


@dataclass(frozen=True)
class Linked:
    """What a channel came to: the number of files and of bytes."""

    files: int
    size: int


def link_channel(objects: Objects, source: Source, into: Path, host: int = 0, hosts: int = 1) -> Linked:
    """Fill ``into`` with what host number ``host`` of ``hosts`` gets of ``source``; O(files), not O(bytes).

    Files are hard links onto the store's own: they must not be written through. Raises Invalid, with AWS's words, when
    the source names nothing or names that no file system can hold side by side.
    """
    into.mkdir(parents=True, exist_ok=True)
    files = size = 0
    for index, (bucket, stored, relative) in enumerate(_named(objects, source)):
        if source.distribution == "ShardedByS3Key" and index % hosts != host:
            continue
        target = _place(into, relative, stored.key)
        if source.compression == "Gzip" and target.name.endswith(".gz"):
            _decompress(objects, bucket, stored, target.with_suffix(""))
        else:
            _link(objects, bucket, stored, target)
        files += 1
        size += stored.size
    return Linked(files, size)


def _named(objects: Objects, source: Source) -> Iterator[tuple[str, Stored, str]]:
    """Bucket, object and relative path of everything that the source names, in key order."""
    bucket, key = _location(source.uri)
    try:
        if source.data_type == "S3Prefix":
            yield from _below_prefix(objects, bucket, key, source.uri)
        elif source.data_type == MANIFEST:
            yield from _in_manifest(objects, bucket, key, source.uri)
        else:
            raise Invalid(f"ClientError: S3DataType {source.data_type} is not supported in File mode ({source.uri})")
    except NotFound as error:
        raise Invalid(f"ClientError: Data download failed for {source.uri}: {error.message}") from None


def _below_prefix(objects: Objects, bucket: str, prefix: str, uri: str) -> Iterator[tuple[str, Stored, str]]:
    """Keys that start with the prefix, by what follows its last slash (a prefix that is one whole key: its last part).

    A prefix that ends within a name, as ``data/train`` does for ``data/train/x.csv``, is taken as the folder.
    """
    cut = prefix.rfind("/") + 1
    folder = f"{prefix}/"
    found = False
    for stored in objects.list(bucket, prefix):
        found = True
        if stored.key.endswith("/"):
            continue  # a console's folder marker
        relative = stored.key[len(folder) :] if prefix and stored.key.startswith(folder) else stored.key[cut:]
        yield bucket, stored, relative
    if not found:
        raise Invalid(f'ClientError: No S3 objects found under S3 URL "{uri}" given in input data source.')


def _in_manifest(objects: Objects, bucket: str, key: str, uri: str) -> Iterator[tuple[str, Stored, str]]:
    """The manifest is a JSON list: ``{"prefix": "s3://..."}`` first, then what to append to it for each object."""
    try:
        entries = json.loads(objects.head(bucket, key).path.read_text())
        prefix = entries[0]["prefix"]
        names = [str(name) for name in entries[1:]]
    except (ValueError, LookupError, TypeError):
        raise Invalid(
            f'ClientError: the manifest {uri} is not a JSON list that starts with {{"prefix": "s3://..."}}'
        ) from None
    for name in names:
        source_bucket, source_key = _location(prefix + name)
        yield source_bucket, objects.head(source_bucket, source_key), name


def _place(into: Path, relative: str, key: str) -> Path:
    """The file for a key, which never leaves ``into``; its folder is made."""
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or any("\0" in part for part in parts):
        raise Invalid(f"ClientError: the object {key!r} cannot be given to a job as a file: its key is no file's path")
    target = into.joinpath(*parts)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        taken = target.is_dir()
    except (FileExistsError, NotADirectoryError):
        taken = True
    except OSError as error:
        raise Invalid(f"ClientError: the object {key!r} cannot be given to a job as a file: {error.strerror}") from None
    if taken:
        raise Invalid(
            f"ClientError: the object {key!r} cannot be given to a job as a file: another key makes a folder of its "
            "name, or a file of its folder"
        )
    return target


def _link(objects: Objects, bucket: str, stored: Stored, target: Path) -> None:
    try:
        objects.link(bucket, stored.key, target)
    except FileExistsError:
        return  # keys that differ only in empty parts ("a//b", "a/b"): the first stays
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise Invalid(f"ClientError: the object {stored.key!r} has a name too long for a file") from None
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(stored.path, target)


def _decompress(objects: Objects, bucket: str, stored: Stored, target: Path) -> None:
    packed = objects.head(bucket, stored.key).path
    try:
        with gzip.open(packed, "rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1024 * 1024)
    except (OSError, EOFError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Invalid(f"ClientError: the object {stored.key!r} is not valid gzip: {error}") from None


def _location(uri: str) -> tuple[str, str]:
    try:
        return parse_s3_uri(uri)
    except ValueError:
        raise Invalid(f"ClientError: {uri!r} is not an S3 URI of the form s3://bucket/key") from None
