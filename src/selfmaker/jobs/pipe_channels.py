"""Pipe channels in the plan: what their feeders, in the supervisor, will send."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from selfmaker.contract.channels import Source, link_channel
from selfmaker.contract.pipes import Item, items_of_folder, manifest_attributes
from selfmaker.errors import Invalid, NotFound
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import parse_s3_uri

AUGMENTED = "AugmentedManifestFile"


def pipe_channel(objects: ObjectStore, channel: Mapping[str, Any], into: Path, host: int, hosts: int) -> dict[str, Any]:
    """The channel as its feeder takes it (see ``contract.pipes``); its objects are linked below ``into``.

    Raises Invalid, with AWS's words, where the source names nothing or makes no sense.
    """
    data = channel["DataSource"]["S3DataSource"]
    records = channel.get("RecordWrapperType", "None") == "RecordIO"
    if data["S3DataType"] == AUGMENTED:
        items = _augmented(objects, channel, into, host, hosts)
    else:
        link_channel(objects, replace(Source.of_channel(channel), compression="None"), into, host, hosts)
        items = items_of_folder(into)
    return {
        "name": channel["ChannelName"],
        "items": items,
        "records": records,
        "gzip": channel.get("CompressionType", "None") == "Gzip",
        "seed": channel.get("ShuffleConfig", {}).get("Seed"),
    }


def _augmented(objects: ObjectStore, channel: Mapping[str, Any], into: Path, host: int, hosts: int) -> list[Item]:
    """The attributes of each line in their order: texts, and the contents of the objects that are referred to."""
    data = channel["DataSource"]["S3DataSource"]
    name = channel["ChannelName"]
    into.mkdir(parents=True)
    items: list[Item] = []
    try:
        lines = objects.file(*parse_s3_uri(data["S3Uri"])).read_text().splitlines()
        shard = host if data.get("S3DataDistributionType") == "ShardedByS3Key" else None
        for number, line in enumerate(line for line in lines if line.strip()):
            if shard is not None and number % hosts != shard:
                continue
            for reference, value in manifest_attributes(line, list(data.get("AttributeNames", ()))):
                if not reference:
                    items.append(["text", value])
                    continue
                target = into / str(len(items))
                objects.link(*parse_s3_uri(value), target)
                items.append(["file", str(target)])
    except NotFound as error:
        raise Invalid(f"ClientError: Data download failed for channel {name}: {error.message}") from None
    except ValueError as error:
        raise Invalid(f"ClientError: the augmented manifest of channel {name} cannot be read: {error}") from None
    return items
