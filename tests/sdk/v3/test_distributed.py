"""ModelTrainer's distributed runners, as the SDK's own drivers start them in the job."""

import json

import pytest
from sagemaker.core import image_uris
from sagemaker.train.configs import Compute
from sagemaker.train.distributed import MPI, Torchrun

pytestmark = pytest.mark.frameworks

TORCH = """
import argparse, json, os, pathlib
import torch
import torch.distributed as dist

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
given = parser.parse_args()
dist.init_process_group("gloo")
total = torch.tensor([float(dist.get_rank())])
dist.all_reduce(total)
if dist.get_rank() == 0:
    told = {"world": dist.get_world_size(), "total": total.item(), "rate": given.rate}
    pathlib.Path("/opt/ml/model/told.json").write_text(json.dumps(told))
dist.destroy_process_group()
"""
RANKS = """
import json, pathlib, socket, sys
from mpi4py import MPI
world = MPI.COMM_WORLD
seen = world.gather((world.Get_rank(), socket.gethostname()))
if world.Get_rank() == 0:
    pathlib.Path("/opt/ml/model/told.json").write_text(json.dumps({"seen": seen, "argv": sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def pytorch(session):
    return image_uris.retrieve(
        "pytorch",
        session.boto_region_name,
        version="2.6.0",
        py_version="py312",
        instance_type="ml.m5.large",
        image_scope="training",
    )


@pytest.fixture
def told(artifact):
    return lambda trainer: json.loads(artifact(trainer)["told.json"])


@pytest.mark.parametrize(("hosts", "processes"), [(1, 2), (2, 1)])
def test_torchrun(trainer, pytorch, told, hosts, processes):
    made = trainer(
        {"train.py": TORCH},
        training_image=pytorch,
        compute=Compute(instance_type="ml.m5.large", instance_count=hosts),
        distributed=Torchrun(process_count_per_node=processes),
        hyperparameters={"rate": 0.5},
    )
    made.train()
    assert told(made) == {"world": 2, "total": 1.0, "rate": 0.5}


def test_mpi_on_one_host(trainer, pytorch, told):
    made = trainer(
        {"train.py": RANKS},
        training_image=pytorch,
        distributed=MPI(process_count_per_node=2),
        hyperparameters={"rate": 0.5},
    )
    made.train()
    assert told(made) == {"seen": [[0, "algo-1"], [1, "algo-1"]], "argv": ["--rate", "0.5"]}


def test_mpi_on_two_hosts(trainer, pytorch, told):
    made = trainer(
        {"train.py": RANKS},
        training_image=pytorch,
        compute=Compute(instance_type="ml.m5.large", instance_count=2),
        # The SDK's driver gives mpirun the processes of one host as the number of all.
        distributed=MPI(process_count_per_node=2, mpi_additional_options=["--map-by", "node"]),
    )
    made.train()
    assert told(made)["seen"] == [[0, "algo-1"], [1, "algo-2"]]
