"""Channels: which objects a channel names, and the folder of links that shows them to a job without a copy.

The naming rules are those of ``S3DataSource`` in SageMaker's API reference.
"""

import errno
import gzip
import json
import os
import shutil
import zlib
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
        data = channel.get("DataSource", {}).get("S3DataSource")
        if data is None:
            name = channel["ChannelName"]
            raise Invalid(f"ClientError: the channel {name} has no S3DataSource; file systems are not supported here")
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
    folders: set[str] = set()
    for index, (bucket, stored, relative) in enumerate(named(objects, source)):
        if source.distribution == "ShardedByS3Key" and index % hosts != host:
            continue
        target = place(into, relative, stored.key, folders)
        if source.compression == "Gzip" and target.suffix == ".gz":
            _decompress(objects, bucket, stored, target.with_suffix(""))
        else:
            link(objects, bucket, stored, target)
        files += 1
        size += stored.size
    return Linked(files, size)


def named(objects: Objects, source: Source) -> Iterator[tuple[str, Stored, str]]:
    """Bucket, object and relative path of everything that the source names, in key order."""
    bucket, key = _location(source.uri)
    if source.data_type == "S3Prefix":
        yield from _below_prefix(objects, bucket, key, source.uri)
    elif source.data_type == MANIFEST:
        yield from _in_manifest(objects, bucket, key, source.uri)
    else:
        raise Invalid(f"ClientError: S3DataType {source.data_type} is not supported in File mode ({source.uri})")


def _below_prefix(objects: Objects, bucket: str, prefix: str, uri: str) -> Iterator[tuple[str, Stored, str]]:
    """Keys that start with the prefix, by what follows its last slash (a prefix that is one whole key: its last part).

    A prefix that ends within a name, as ``data/train`` does for ``data/train/x.csv``, is taken as the folder.
    """
    cut = prefix.rfind("/") + 1
    folder = f"{prefix}/"
    found = False
    try:
        for stored in objects.list(bucket, prefix):
            found = True
            if stored.key.endswith("/"):
                continue  # a console's folder marker
            relative = stored.key[len(folder) :] if prefix and stored.key.startswith(folder) else stored.key[cut:]
            yield bucket, stored, relative
    except NotFound as error:
        raise Invalid(f"{_nothing_at(uri)} Error message from S3: {error.message}") from None
    if not found:
        raise Invalid(_nothing_at(uri))


def _nothing_at(uri: str) -> str:
    return (
        f'ClientError: No S3 objects found under S3 URL "{uri}" given in input data source. '
        "Please ensure that the bucket exists and that objects exist under that S3 prefix."
    )


def _in_manifest(objects: Objects, bucket: str, key: str, uri: str) -> Iterator[tuple[str, Stored, str]]:
    """The manifest is a JSON list: ``{"prefix": "s3://..."}`` first, then what to append to it for each object."""
    prefix, names = _manifest(_found(objects, bucket, key, uri).path, uri)
    for name in names:
        source_bucket, source_key = _location(prefix + name)
        yield source_bucket, _found(objects, source_bucket, source_key, uri), name


def _found(objects: Objects, bucket: str, key: str, uri: str) -> Any:
    try:
        return objects.head(bucket, key)
    except NotFound as error:
        raise Invalid(
            f"ClientError: Data download failed: s3://{bucket}/{key}, given by {uri}: {error.message}"
        ) from None


def _manifest(path: Path, uri: str) -> tuple[str, list[str]]:
    try:
        first, *names = json.loads(path.read_text(encoding="utf-8"))
        prefix = first["prefix"]
    except (ValueError, LookupError, TypeError, RecursionError):
        prefix, names = None, []
    if not isinstance(prefix, str) or not all(isinstance(name, str) for name in names):
        raise Invalid(
            f'ClientError: the manifest {uri} is not a JSON list of {{"prefix": "s3://..."}} and, after it, texts'
        )
    return prefix, names


def place(into: Path, relative: str, key: str, made: set[str] | None = None) -> Path:
    """The file for a key, which never leaves ``into``; its folder is made. ``made``: folders known to be there.

    Raises Invalid when no file system can hold the key, or not beside another.
    """
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or any("\0" in part for part in parts):
        raise Invalid(f"ClientError: the object {key!r} cannot be given to a job as a file: its key is no file's path")
    target = into.joinpath(*parts)
    folder = "/".join(parts[:-1])
    if made is None or folder not in made:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unplaceable(key, error) from None
        if made is not None:
            made.add(folder)
    return target


def _unplaceable(key: str, error: OSError) -> Invalid:
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        why = "another key has its name, or makes a folder of its name or a file of its folder"
    elif error.errno == errno.ENAMETOOLONG:
        why = "a part of its name is longer than a file's name may be"
    elif error.errno in (errno.EINVAL, errno.EILSEQ):
        why = "the file system does not take its name"
    else:
        raise error
    return Invalid(f"ClientError: the object {key!r} cannot be given to a job as a file: {why}")


def link(objects: Objects, bucket: str, stored: Stored, target: Path) -> None:
    try:
        try:
            os.link(stored.path, target)
        except FileNotFoundError:  # replaced since it was listed: take what is there now
            objects.link(bucket, stored.key, target)
    except NotFound:
        return  # deleted since it was listed
    except OSError as error:
        if error.errno == errno.EEXIST and target.is_file() and target.samefile(stored.path):
            return  # the same object, named twice
        if error.errno not in _NO_LINK:
            raise _unplaceable(stored.key, error) from None
        shutil.copyfile(stored.path, target)


def _decompress(objects: Objects, bucket: str, stored: Stored, target: Path) -> None:
    """Exclusively: a link onto the store's own file may already have the name."""
    packed = objects.head(bucket, stored.key).path
    try:
        with gzip.open(packed, "rb") as source, target.open("xb") as file:
            shutil.copyfileobj(source, file, 1024 * 1024)
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise _unplaceable(stored.key, error) from None
        raise Invalid(f"ClientError: the object {stored.key!r} is not valid gzip: {error}") from None


def _location(uri: str) -> tuple[str, str]:
    try:
        return parse_s3_uri(uri)
    except ValueError:
        raise Invalid(f"ClientError: {uri!r} is not an S3 URI of the form s3://bucket/key") from None
