from pathlib import Path

import pytest

from selfmaker.jobs.gpus import gpus_of, installed


@pytest.mark.parametrize(
    ("instance_type", "count"),
    [
        ("ml.m5.xlarge", 0),
        ("ml.p3.2xlarge", 1),
        ("ml.p3.8xlarge", 4),
        ("ml.p3dn.24xlarge", 8),
        ("ml.p4d.24xlarge", 8),
        ("ml.p5.4xlarge", 1),
        ("ml.g4dn.xlarge", 1),
        ("ml.g4dn.12xlarge", 4),
        ("ml.g5.48xlarge", 8),
        ("ml.g4dn.metal", 8),
        ("local_gpu", 0),
    ],
)
def test_gpus_of(instance_type: str, count: int) -> None:
    assert gpus_of(instance_type) == count


def test_only_numbered_devices_are_gpus(tmp_path: Path) -> None:
    for name in ("nvidia1", "nvidia0", "nvidia10", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert installed(tmp_path) == (0, 1, 10)
