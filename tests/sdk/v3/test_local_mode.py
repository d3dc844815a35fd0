"""ModelTrainer's local mode where no Docker is."""

import json
import tarfile
from pathlib import Path

import pytest
from sagemaker.train.configs import Compute, InputData
from sagemaker.train.model_trainer import Mode

pytestmark = pytest.mark.skipif(Path("/var/run/docker.sock").exists(), reason="Docker is there, and runs local mode")

TRAIN = """
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "rows.csv").read_text().split()
told = [parser.parse_args().epochs, rows, os.environ["SM_CURRENT_HOST"][:6]]
pathlib.Path(os.environ["SM_MODEL_DIR"], "told.json").write_text(json.dumps(told))
"""


@pytest.mark.parametrize("hosts", [1, 2])
def test_a_script_trains_on_this_machine(trainer, folder, tmp_path, hosts):
    made = trainer(
        {"train.py": TRAIN},
        training_mode=Mode.LOCAL_CONTAINER,
        compute=Compute(instance_type="local", instance_count=hosts),
        hyperparameters={"epochs": 3},
        local_container_root=str(tmp_path),
    )
    made.train(input_data_config=[InputData(channel_name="train", data_source=folder({"rows.csv": "a\nb\n"}))])
    with tarfile.open(tmp_path / "compressed_artifacts" / "model.tar.gz") as archive:
        epochs, rows, host = json.load(archive.extractfile("told.json"))
    assert (epochs, rows) == (3, ["a", "b"])
    assert host in ("algo-1", "algo-2")[:hosts]


def test_a_failing_script_raises(trainer, tmp_path, capfd):
    made = trainer(
        {"train.py": "raise KeyError('the price is missing')"},
        training_mode=Mode.LOCAL_CONTAINER,
        compute=Compute(instance_type="local", instance_count=1),
        local_container_root=str(tmp_path),
    )
    with pytest.raises(RuntimeError):
        made.train()
    assert "the price is missing" in capfd.readouterr().out
