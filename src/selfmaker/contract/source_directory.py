"""A script-mode job's source directory, brought to where it runs from, whichever way the request names it."""

import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from selfmaker.contract.artifacts import unpack
from selfmaker.contract.channels import Objects, Source, link_channel
from selfmaker.contract.layout import ROOT
from selfmaker.errors import Invalid, NotFound
from selfmaker.objects.uri import parse_s3_uri

CHANNELS = f"{ROOT}/input/data/"


def bring(store: Objects, directory: str, channels: Iterable[Mapping[str, Any]], into: Path) -> None:
    """Fill ``into`` from an archive in S3, or from an archive, folder or file in a channel: the SDK sends the code of a
    job without network as a channel. Any other folder is the image's own, of which there is nothing to bring.

    Raises Invalid, naming the directory, when it isn't there or cannot be unpacked.
    """
    into.mkdir(parents=True, exist_ok=True)
    if directory.startswith("s3://"):
        bucket, key = parse_s3_uri(directory)
        try:
            archive = store.head(bucket, key).path
        except NotFound as error:
            raise Invalid(f"ClientError: the source {directory} cannot be downloaded: {error.message}") from None
        unpack(archive, into, directory)
    elif directory.startswith(CHANNELS):
        name, _, inner = directory.removeprefix(CHANNELS).partition("/")
        for channel in channels:
            if channel["ChannelName"] == name:
                _bring_from_channel(store, channel, inner, into)


def _bring_from_channel(store: Objects, channel: Mapping[str, Any], inner: str, into: Path) -> None:
    shelf = into.with_name(f"{into.name}-channel")
    try:
        link_channel(store, Source.of_channel(channel), shelf)
        found = (shelf / inner).resolve()
        if not found.is_relative_to(shelf.resolve()) or not found.exists():
            name = channel["ChannelName"]
            raise Invalid(f"ClientError: the source directory {CHANNELS}{name}/{inner} is not in the channel {name}")
        if found.is_dir():
            shutil.copytree(found, into, dirs_exist_ok=True)
        elif tarfile.is_tarfile(found):
            unpack(found, into, f"{CHANNELS}{channel['ChannelName']}/{inner}")
        else:
            shutil.copy2(found, into)
    finally:
        shutil.rmtree(shelf, ignore_errors=True)
