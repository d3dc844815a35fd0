"""The configuration files that a training container finds in ``/opt/ml/input/config``.

Their form is given by "How Amazon SageMaker AI Provides Training Information" in AWS's developer guide.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfmaker.contract.layout import Layout

HOMOGENEOUS_GROUP = "homogeneousCluster"


@dataclass(frozen=True)
class Cluster:
    """The hosts of a job. ``groups`` are AWS's InstanceGroup structures, empty for a cluster of one kind. On AWS the
    hosts meet on ``eth0``; ours share a machine and its loopback, and a machine need not have an ``eth0``."""

    hosts: tuple[str, ...]
    instance_type: str
    groups: tuple[Mapping[str, Any], ...] = ()
    network_interface: str = "lo"

    def resource_config(self, host: str) -> dict[str, Any]:
        """resourceconfig.json of one host."""
        groups = self._group_hosts()
        own = next(group for group in groups if host in group["hosts"])
        return {
            "current_host": host,
            "current_instance_type": own["instance_type"],
            "current_group_name": own["instance_group_name"],
            "hosts": list(self.hosts),
            "instance_groups": groups,
            "network_interface_name": self.network_interface,
        }

    def members(self, groups: object) -> tuple[str, ...]:
        """The hosts of the instance groups of these names; all hosts where none are named."""
        named = groups if isinstance(groups, list) else []
        found = [
            host for group in self._group_hosts() if group["instance_group_name"] in named for host in group["hosts"]
        ]
        return tuple(found) or self.hosts

    def _group_hosts(self) -> list[dict[str, Any]]:
        if not self.groups:
            return [_group(HOMOGENEOUS_GROUP, self.instance_type, self.hosts)]
        found, start = [], 0
        for group in self.groups:
            end = start + group["InstanceCount"]
            found.append(_group(group["InstanceGroupName"], group["InstanceType"], self.hosts[start:end]))
            start = end
        return found


def input_data_config(channels: Sequence[Mapping[str, Any]], mode: str) -> dict[str, Any]:
    """inputdataconfig.json from AWS's Channel structures. ``mode``: the input mode of channels that name none."""
    described = {}
    for channel in channels:
        source = channel["DataSource"].get("S3DataSource", {})
        entry = {
            "TrainingInputMode": channel.get("InputMode", mode),
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        }
        if "ContentType" in channel:
            entry = {"ContentType": channel["ContentType"], **entry}
        described[channel["ChannelName"]] = entry
    return described


def write_config(layout: Layout, hyperparameters: Mapping[str, str], inputs: Any, resources: Any) -> None:
    """Write the three files. Hyperparameters are strings, as they came."""
    documents = {
        "hyperparameters.json": dict(hyperparameters),
        "inputdataconfig.json": inputs,
        "resourceconfig.json": resources,
    }
    for name, document in documents.items():
        (layout.config / name).write_text(json.dumps(document))


def write_checkpoint_config(layout: Layout, uri: str, path: str) -> None:
    """checkpointconfig.json, which the containers of AWS's own algorithms read."""
    (layout.config / "checkpointconfig.json").write_text(json.dumps({"S3Uri": uri, "LocalPath": path}))


def write_processing_config(layout: Layout, document: Mapping[str, Any], host: str, hosts: Sequence[str]) -> None:
    """What a processing container finds in ``/opt/ml/config``: the request as AWS describes it, and the hosts.

    The form is given by "How Amazon SageMaker Processing Configures Your Processing Container".
    """
    folder = layout.root / "config"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "processingjobconfig.json").write_text(json.dumps(document))
    (folder / "resourceconfig.json").write_text(json.dumps({"current_host": host, "hosts": list(hosts)}))


def _group(name: str, instance_type: str, hosts: Sequence[str]) -> dict[str, Any]:
    return {"instance_group_name": name, "instance_type": instance_type, "hosts": list(hosts)}
