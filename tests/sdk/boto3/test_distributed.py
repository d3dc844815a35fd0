"""Several hosts that start a script together: MPI, parameter servers, and hosts without a network."""

import json

import pytest

DLC = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
TENSORFLOW = f"{DLC}/tensorflow-training:2.19.0-cpu-py312-ubuntu22.04-sagemaker"
PYTORCH = f"{DLC}/pytorch-training:2.6.0-cpu-py312-ubuntu22.04-sagemaker"


def hosts(count):
    return {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1}


def image(uri):
    return {"TrainingImage": uri, "TrainingInputMode": "File"}


RANKS = """
import json, os, pathlib, socket, sys
from mpi4py import MPI
world = MPI.COMM_WORLD
seen = world.gather((world.Get_rank(), socket.gethostname(), os.environ["SM_CURRENT_HOST"], os.environ.get("OWN")))
total = world.allreduce(world.Get_rank())
if world.Get_rank() == 0:
    told = {"seen": seen, "total": total, "argv": sys.argv[1:]}
    pathlib.Path(os.environ["SM_MODEL_DIR"], "told.json").write_text(json.dumps(told))
"""
FAILS = """
from mpi4py import MPI
if MPI.COMM_WORLD.Get_rank() == 3:
    raise ValueError("rank 3 gives up")
MPI.COMM_WORLD.Barrier()
"""
MPI_ASKED = {"sagemaker_mpi_enabled": "true", "sagemaker_mpi_num_of_processes_per_host": "2"}


@pytest.mark.frameworks
def test_mpi_starts_ranks_on_two_hosts(account):
    described = account.succeed(
        RANKS,
        AlgorithmSpecification=image(PYTORCH),
        HyperParameters={**MPI_ASKED, "sagemaker_mpi_custom_mpi_options": '"-x OWN=value"', "rate": "0.5"},
        ResourceConfig=hosts(2),
    )
    told = json.loads(account.artifact(described)["told.json"])
    assert told["seen"] == [[rank, f"algo-{1 + rank // 2}", f"algo-{1 + rank // 2}", "value"] for rank in range(4)]
    assert told["total"] == 6
    assert told["argv"] == ["--rate", "0.5"]


@pytest.mark.frameworks
def test_mpi_on_one_host_and_without_a_network(account):
    asked = {"sagemaker_mpi_enabled": "true"}
    alone = account.succeed(RANKS, AlgorithmSpecification=image(PYTORCH), HyperParameters=asked)
    assert json.loads(account.artifact(alone)["told.json"])["seen"] == [[0, "algo-1", "algo-1", None]]
    isolated = account.succeed(
        RANKS,
        AlgorithmSpecification=image(PYTORCH),
        HyperParameters=asked,
        ResourceConfig=hosts(2),
        EnableNetworkIsolation=True,
    )
    assert len(json.loads(account.artifact(isolated)["told.json"])["seen"]) == 2


GROUPED = """
import json, os, pathlib
from sagemaker_containers import entry_point
from sagemaker_training import environment
entry_point._wait_hostname_resolution()
job, seen = environment.Environment(), json.loads(os.environ["SM_TRAINING_ENV"])
names = ("instance_groups", "instance_groups_dict", "is_hetero", "current_instance_group", "distribution_hosts",
         "current_instance_group_hosts", "distribution_instance_groups", "master_hostname", "is_master")
assert {name: job[name] for name in names} == {name: seen[name] for name in names}, dict(job)
assert job.is_hetero and job.instance_groups == ["data", "net"] and job.distribution_hosts == ["algo-3", "algo-4"]
if os.environ["SM_CURRENT_INSTANCE_GROUP"] == "net":
    from mpi4py import MPI
    text = f"{MPI.COMM_WORLD.Get_rank()} of {MPI.COMM_WORLD.Get_size()}"
else:
    text = "alone"
pathlib.Path(os.environ["SM_MODEL_DIR"], os.environ["SM_CURRENT_HOST"]).write_text(text)
"""


@pytest.mark.frameworks
def test_of_several_instance_groups_those_that_are_named_start_together(account):
    names = ("data", "net")
    groups = [{"InstanceGroupName": name, "InstanceType": "ml.m5.large", "InstanceCount": 2} for name in names]
    described = account.succeed(
        GROUPED,
        AlgorithmSpecification=image(PYTORCH),
        HyperParameters={"sagemaker_mpi_enabled": "true", "sagemaker_distribution_instance_groups": '["net"]'},
        ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 1},
    )
    told = {name: text.decode() for name, text in account.artifact(described).items()}
    assert told == {"algo-1": "alone", "algo-2": "alone", "algo-3": "0 of 2", "algo-4": "1 of 2"}


@pytest.mark.frameworks
def test_a_failure_of_one_rank_is_the_jobs(account):
    described = account.train(
        FAILS, AlgorithmSpecification=image(PYTORCH), HyperParameters=MPI_ASKED, ResourceConfig=hosts(2)
    )
    assert described["TrainingJobStatus"] == "Failed"
    assert "rank 3 gives up" in described["FailureReason"]


SERVED = """
import json, os, pathlib
import tensorflow as tf
config = json.loads(os.environ["TF_CONFIG"])
task = config["task"]
if task["type"] == "master":
    servers = config["cluster"]["ps"]
    # every parameter server holds a variable: both are reached
    cluster = tf.train.ClusterSpec({"ps": servers})
    tf.config.experimental_connect_to_cluster(cluster, job_name="master")
    values = []
    for index in range(len(servers)):
        with tf.device(f"/job:ps/replica:0/task:{index}"):
            values.append(float(tf.Variable(float(index + 1)).assign_add(1.0)))
    told = {"values": values, "cluster": config["cluster"], "environment": config["environment"]}
    pathlib.Path(os.environ["SM_MODEL_DIR"], "told.json").write_text(json.dumps(told))
print("task", task["type"], task["index"])
"""


@pytest.mark.frameworks
def test_parameter_servers_hold_variables_for_the_master(account):
    described = account.succeed(
        SERVED,
        AlgorithmSpecification=image(TENSORFLOW),
        HyperParameters={"sagemaker_parameter_server_enabled": "true"},
        ResourceConfig=hosts(2),
    )
    told = json.loads(account.artifact(described)["told.json"])
    assert told["values"] == [2.0, 3.0]
    assert told["environment"] == "cloud"
    names = {task: [place.partition(":")[0] for place in places] for task, places in told["cluster"].items()}
    assert names == {"master": ["algo-1"], "ps": ["algo-1", "algo-2"], "worker": ["algo-2"]}
    log = account.log_text(described["TrainingJobName"])
    assert "task master 0" in log
    assert "task worker 0" in log


MEET = """
import json, os, pathlib, socket, time
hosts, own = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
told = {}
if own == hosts[0]:
    with socket.create_server((own, 23456)) as server:
        with server.accept()[0] as connection:
            told["heard"] = connection.recv(100).decode()
else:
    for _ in range(300):
        try:
            with socket.create_connection((hosts[0], 23456), 5) as connection:
                connection.sendall(own.encode())
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    else:
        raise SystemExit("no way to the first host")
place = os.environ["AWS_ENDPOINT_URL"].rpartition("/")[2].rpartition(":")
try:
    socket.create_connection((place[0], int(place[2])), 5).close()
    told["outside"] = "reached"
except OSError as error:
    told["outside"] = "refused"
pathlib.Path(os.environ["SM_MODEL_DIR"], own + ".json").write_text(json.dumps(told))
"""


def test_hosts_without_a_network_reach_each_other_and_nothing_else(account):
    described = account.succeed(MEET, ResourceConfig=hosts(2), EnableNetworkIsolation=True)
    told = {name: json.loads(text) for name, text in account.artifact(described).items()}
    assert told == {"algo-1.json": {"heard": "algo-2", "outside": "refused"}, "algo-2.json": {"outside": "refused"}}
