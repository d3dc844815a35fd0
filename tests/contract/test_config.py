"""The files in /opt/ml/input/config, and the folders around them."""

import json
from pathlib import Path
from typing import Any

import pytest

from selfmaker.contract.config import Cluster, input_data_config, write_config
from selfmaker.contract.layout import Layout


def channel(name: str, **members: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://b/x", **members.pop("source", {})}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **members}


def test_input_data_config() -> None:
    channels = [
        channel("train", ContentType="text/csv", source={"S3DataDistributionType": "ShardedByS3Key"}),
        channel("val", InputMode="FastFile", RecordWrapperType="RecordIO"),
    ]
    assert input_data_config(channels, "File") == {
        "train": {
            "ContentType": "text/csv",
            "TrainingInputMode": "File",
            "S3DistributionType": "ShardedByS3Key",
            "RecordWrapperType": "None",
        },
        "val": {
            "TrainingInputMode": "FastFile",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "RecordIO",
        },
    }


def test_resource_config_of_one_kind_of_instance() -> None:
    cluster = Cluster(("algo-1", "algo-2"), "ml.m5.large")
    assert cluster.resource_config("algo-2") == {
        "current_host": "algo-2",
        "current_instance_type": "ml.m5.large",
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1", "algo-2"],
        "instance_groups": [
            {
                "instance_group_name": "homogeneousCluster",
                "instance_type": "ml.m5.large",
                "hosts": ["algo-1", "algo-2"],
            }
        ],
        "network_interface_name": "lo",
    }


def test_resource_config_of_instance_groups() -> None:
    groups = (
        {"InstanceGroupName": "one", "InstanceType": "ml.m5.large", "InstanceCount": 1},
        {"InstanceGroupName": "two", "InstanceType": "ml.c5.large", "InstanceCount": 2},
    )
    found = Cluster(("algo-1", "algo-2", "algo-3"), "", groups).resource_config("algo-3")
    assert (found["current_group_name"], found["current_instance_type"]) == ("two", "ml.c5.large")
    assert [group["hosts"] for group in found["instance_groups"]] == [["algo-1"], ["algo-2", "algo-3"]]


def test_the_files(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "ml")
    layout.create()
    write_config(layout, {"epochs": "3", "name": '"x"'}, {"train": {}}, {"hosts": ["algo-1"]})
    found = {path.name: json.loads(path.read_text()) for path in layout.config.iterdir()}
    assert found == {
        "hyperparameters.json": {"epochs": "3", "name": '"x"'},
        "inputdataconfig.json": {"train": {}},
        "resourceconfig.json": {"hosts": ["algo-1"]},
    }
    for folder in ("model", "output/data", "input/data", "code", "checkpoints"):
        assert (tmp_path / "ml" / folder).is_dir()


def test_paths_of_the_job_on_the_host(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "ml")
    assert layout.at("/opt/ml/checkpoints/x") == layout.checkpoints / "x"
    assert layout.at("/opt/ml") == layout.root
    for path in ("/opt/mlx", "/opt", "/tmp/x", "opt/ml/x", "/opt/ml/../x"):
        with pytest.raises(ValueError, match=path):
            layout.at(path)
