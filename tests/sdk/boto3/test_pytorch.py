"""PyTorch, from scripts that train on one host and on two to endpoints that serve what they made."""

import json

import pytest

pytestmark = pytest.mark.frameworks

DLC = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
TRAINING = f"{DLC}/pytorch-training:2.6.0-cpu-py312-ubuntu22.04-sagemaker"
INFERENCE = f"{DLC}/pytorch-inference:2.6.0-cpu-py312-ubuntu22.04-sagemaker"
ALGORITHM = {"TrainingImage": TRAINING, "TrainingInputMode": "File"}
TWO_HOSTS = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
TRAIN = """
import argparse, os
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int)
steps = parser.parse_args().steps
torch.manual_seed(0)
text = open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "rows.csv")).read()
rows = torch.tensor([list(map(float, line.split(","))) for line in text.splitlines()])
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.Adam(model.parameters(), 0.1)
for step in range(steps):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(rows[:, :2]), rows[:, 2:])
    loss.backward()
    optimizer.step()
print("loss=%.6f" % loss.item())
torch.save(model.state_dict(), os.path.join(os.environ["SM_MODEL_DIR"], "weights.pth"))
torch.jit.script(model).save(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "model.pt"))
"""
MODEL_FN = """
import os, torch
def model_fn(model_dir):
    model = torch.nn.Linear(2, 1)
    model.load_state_dict(torch.load(os.path.join(model_dir, "weights.pth")))
    return model
"""
DISTRIBUTED = """
import os, sys
import torch
import torch.distributed as dist
if "RANK" not in os.environ:  # set out by itself
    hosts, current = os.environ["SM_HOSTS"], os.environ["SM_CURRENT_HOST"]
    import json
    os.environ["RANK"] = str(json.loads(hosts).index(current))
    os.environ["WORLD_SIZE"] = str(len(json.loads(hosts)))
dist.init_process_group("gloo")
counted = torch.ones(1)
dist.all_reduce(counted)
print("rank", dist.get_rank(), "of", dist.get_world_size(), "counted", int(counted.item()), "with", sys.argv[1:])
if dist.get_rank() == 0:
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "told.txt"), "w") as file:
        file.write(os.environ.get("LOCAL_WORLD_SIZE", "none"))
dist.barrier()
dist.destroy_process_group()
"""
FAILS = DISTRIBUTED.replace("dist.barrier()", "raise ValueError('rank %d gives up' % dist.get_rank())")


@pytest.fixture(scope="module")
def trained(account, channel):
    rows = "\n".join(f"{a / 10},{b / 10},{(2 * a - b) / 10 + 1}" for a in range(-8, 8) for b in range(-8, 8))
    account.put("pytorch/train/rows.csv", rows)
    return account.succeed(
        TRAIN,
        AlgorithmSpecification={**ALGORITHM, "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]},
        HyperParameters={"steps": "200"},
        InputDataConfig=[channel("train", f"s3://{account.bucket}/pytorch/train")],
    )


def test_a_model_is_trained_from_a_channel(account, trained):
    assert trained["FinalMetricDataList"][0]["Value"] < 0.01
    assert set(account.artifact(trained)) == {"weights.pth"}


def test_it_is_served_by_a_model_fn(account, trained):
    endpoint = account.deploy(account.model(account.artifact(trained), MODEL_FN, Image=INFERENCE))
    try:
        answer = json.loads(account.invoke(endpoint, "[[0.5, 0.1], [0, 0]]", "application/json"))
        assert [row[0] for row in answer] == pytest.approx([1.9, 1.0], abs=0.1)
    finally:
        account.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_torchscript_is_served_without_a_script(account, trained):
    endpoint = account.deploy(account.model({"model.pt": account.output(trained)["model.pt"]}, Image=INFERENCE))
    try:
        answer = json.loads(account.invoke(endpoint, "0.5,0.1\n0,0\n", "text/csv", Accept="application/json"))
        assert [row[0] for row in answer] == pytest.approx([1.9, 1.0], abs=0.1)
        with pytest.raises(account.runtime.exceptions.ModelError) as caught:
            account.invoke(endpoint, "x", "application/x-nobody")
        assert caught.value.response["OriginalStatusCode"] == 415
    finally:
        account.sagemaker.delete_endpoint(EndpointName=endpoint)


@pytest.mark.parametrize("asked", [{"sagemaker_torch_distributed_enabled": "true"}, {}], ids=["torchrun", "by itself"])
def test_two_hosts_train_together(account, asked):
    described = account.succeed(
        DISTRIBUTED,
        AlgorithmSpecification=ALGORITHM,
        HyperParameters={**asked, "rate": "0.5"},
        ResourceConfig=TWO_HOSTS,
    )
    log = account.log_text(described["TrainingJobName"])
    for rank in (0, 1):
        assert f"rank {rank} of 2 counted 2 with ['--rate', '0.5']" in log
    assert account.artifact(described) == {"told.txt": b"1" if asked else b"none"}


def test_jobs_of_one_name_on_two_servers_do_not_meet(account, account_on, new_server):
    """The servers share the machine, and its ports."""
    source = "import os; print('port', os.environ['MASTER_PORT'])"
    ports = set()
    for each in (account, account_on(new_server())):
        each.succeed(source, TrainingJobName="same", AlgorithmSpecification=ALGORITHM, ResourceConfig=TWO_HOSTS)
        ports |= {line for line in each.log("same") if line.startswith("port")}
    assert len(ports) == 2


def test_a_failure_under_torchrun_is_the_jobs(account):
    described = account.train(
        FAILS,
        AlgorithmSpecification=ALGORITHM,
        HyperParameters={"sagemaker_torch_distributed_enabled": "true"},
        ResourceConfig=TWO_HOSTS,
    )
    assert described["TrainingJobStatus"] == "Failed"
    assert "gives up" in account.log_text(described["TrainingJobName"])
    assert "exit code: 1" in described["FailureReason"]
