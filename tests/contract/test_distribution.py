"""How hosts of a distributed job are told of each other."""

import json
import socket
import subprocess
import sys

import pytest

from selfmaker.contract.config import Cluster
from selfmaker.contract.distribution import PROGRAMS, distribution, of_entry_point
from selfmaker.contract.script_mode import ScriptCommand, ScriptSettings
from selfmaker.errors import Invalid

HOSTS = ("algo-1", "algo-2")
COMMAND = ScriptCommand(("python", "train.py", "--epochs", "2"), "python train.py --epochs 2")


def script(**asked):
    return ScriptSettings("train.py", "/opt/ml/code", {"epochs": 2}, {f"sagemaker_{k}": v for k, v in asked.items()})


def test_a_pytorch_script_that_sets_out_by_itself_is_told_the_master():
    spread = distribution("pytorch", script(), COMMAND, HOSTS, "job")
    first, second = (spread.variables(host, "lo") for host in HOSTS)
    assert first == second
    assert first["MASTER_ADDR"] == "algo-1"
    with socket.socket() as listener:
        listener.bind(("", int(first["MASTER_PORT"])))
    assert spread.argv(HOSTS[1], COMMAND, 1) == COMMAND.argv


def test_torchrun_starts_the_script_with_its_arguments_on_each_host():
    for name in ("torch_distributed_enabled", "pytorch_ddp_enabled"):
        spread = distribution("pytorch", script(**{name: True}), COMMAND, HOSTS, "job")
        argv = spread.argv(HOSTS[1], COMMAND, 4)
        port = spread.variables(HOSTS[1], "lo")["MASTER_PORT"]
        assert argv[0] == "torchrun"
        assert argv[-3:] == ("train.py", "--epochs", "2")
        options = dict(zip(argv[1:-3:2], argv[2:-3:2], strict=True))
        assert options == {
            "--nnodes": "2",
            "--nproc_per_node": "4",
            "--master_addr": "algo-1",
            "--master_port": port,
            "--node_rank": "1",
        }


def test_jobs_that_start_together_have_ports_of_their_own():
    ports = {distribution("pytorch", script(), COMMAND, HOSTS, f"job-{number}").ports for number in range(20)}
    assert len(ports) == 20


def test_a_port_in_use_is_passed_over():
    taken = distribution("pytorch", script(), COMMAND, HOSTS, "job").ports[0]
    with socket.socket() as listener:
        listener.bind(("", taken))
        listener.listen()
        assert taken not in distribution("pytorch", script(), COMMAND, HOSTS, "job").ports


def test_tensorflows_mirrored_workers_find_each_other_in_tf_config():
    spread = distribution("tensorflow", script(multi_worker_mirrored_strategy_enabled=True), COMMAND, HOSTS, "job")
    told = [json.loads(spread.variables(host, "lo")["TF_CONFIG"]) for host in HOSTS]
    assert told[0]["cluster"] == told[1]["cluster"]
    workers = told[0]["cluster"]["worker"]
    assert [worker.partition(":")[0] for worker in workers] == list(HOSTS)
    assert workers[0].partition(":")[2] != workers[1].partition(":")[2], "the hosts share a machine"
    assert [one["task"] for one in told] == [{"index": 0, "type": "worker"}, {"index": 1, "type": "worker"}]


def test_other_jobs_are_told_nothing():
    assert distribution("tensorflow", script(), COMMAND, HOSTS, "job").variables(HOSTS[0], "lo") == {}
    plain = distribution("sklearn", script(mpi_enabled=True), COMMAND, HOSTS, "job")
    assert plain.variables(HOSTS[0], "lo") == {}
    assert plain.argv(HOSTS[0], COMMAND, 1) == COMMAND.argv


@pytest.mark.parametrize("name", ["distributed_dataparallel_enabled", "pytorch_xla_multi_worker_enabled"])
def test_what_is_not_here_is_refused_by_name(name):
    with pytest.raises(Invalid, match=f"sagemaker_{name}"):
        distribution("pytorch", script(**{name: True}), COMMAND, HOSTS, "job")


def test_parameter_servers_are_described_as_tensorflows_image_does():
    spread = distribution("tensorflow", script(parameter_server_enabled=True), COMMAND, HOSTS, "job")
    told = [json.loads(spread.variables(host, "lo")["TF_CONFIG"]) for host in HOSTS]
    cluster = told[0]["cluster"]
    assert cluster == told[1]["cluster"]
    places = [place for task in ("master", "worker", "ps") for place in cluster[task]]
    assert [place.partition(":")[0] for place in places] == ["algo-1", "algo-2", "algo-1", "algo-2"]
    assert len({place.partition(":")[2] for place in places}) == 4, "the hosts share a machine"
    assert [one["task"] for one in told] == [{"index": 0, "type": "master"}, {"index": 0, "type": "worker"}]
    assert spread.argv(HOSTS[1], COMMAND, 1)[-4:] == COMMAND.argv


def test_parameter_servers_on_one_host_are_none():
    alone = distribution("tensorflow", script(parameter_server_enabled=True), COMMAND, HOSTS[:1], "job")
    assert alone.variables(HOSTS[0], "lo") == {}
    assert alone.argv(HOSTS[0], COMMAND, 1) == COMMAND.argv


def test_mpi_starts_as_many_as_are_asked_for_else_one_for_each_gpu():
    asked = {"mpi_enabled": True, "mpi_num_of_processes_per_host": 3, "mpi_custom_mpi_options": "-verbose"}
    argv = distribution("tensorflow", script(**asked), COMMAND, HOSTS, "job").argv(HOSTS[0], COMMAND, 8)
    assert argv[2:] == (
        "launch",
        "--hosts",
        "algo-1,algo-2",
        "--per-host",
        "3",
        "--options=-verbose",
        "--",
        *COMMAND.argv,
    )
    by_gpu = distribution("pytorch", script(mpi_enabled=True), COMMAND, HOSTS, "job").argv(HOSTS[0], COMMAND, 8)
    assert by_gpu[5:7] == ("--per-host", "8")


def test_hosts_of_other_instance_groups_run_the_script_alone():
    groups = [
        {"InstanceGroupName": name, "InstanceType": "ml.m5.large", "InstanceCount": 2} for name in ("data", "net")
    ]
    cluster = Cluster(("algo-1", "algo-2", "algo-3", "algo-4"), "ml.m5.large", tuple(groups))
    members = cluster.members(["net"])
    assert members == ("algo-3", "algo-4")
    assert cluster.members(None) == cluster.hosts
    spread = distribution("pytorch", script(mpi_enabled=True), COMMAND, members, "job")
    assert spread.argv("algo-1", COMMAND, 1) == COMMAND.argv
    assert "algo-3,algo-4" in spread.argv("algo-4", COMMAND, 1)
    assert {spread.variables(host, "lo")["MASTER_ADDR"] for host in cluster.hosts} == {"algo-3"}
    mirrored = distribution("tensorflow", script(multi_worker_mirrored_strategy_enabled=True), COMMAND, members, "job")
    assert mirrored.variables("algo-2", "lo") == {}
    assert json.loads(mirrored.variables("algo-4", "lo")["TF_CONFIG"])["task"] == {"index": 1, "type": "worker"}


def test_a_number_of_processes_that_is_none_is_refused():
    with pytest.raises(Invalid, match="'many', not a number"):
        distribution("pytorch", script(mpi_enabled=True, mpi_num_of_processes_per_host="many"), COMMAND, HOSTS, "job")


def test_torchrun_needs_a_python_script():
    package = ScriptCommand(("/bin/sh", "-c", "pip install . && python -m train"), "python -m train")
    with pytest.raises(Invalid, match="Python script"):
        distribution("pytorch", script(torch_distributed_enabled=True), package, HOSTS, "job")


def test_an_entry_point_of_ones_own_gets_a_port_for_torchrun():
    told = [of_entry_point("pytorch", HOSTS, f"job-{number}").variables(HOSTS[0], "lo") for number in (1, 2)]
    assert [list(one) for one in told] == [["PET_MASTER_PORT"]] * 2
    assert told[0] != told[1]
    assert of_entry_point("tensorflow", HOSTS, "job").variables(HOSTS[0], "lo") == {}


def test_torchrun_is_not_given_the_port_that_all_of_the_sdks_jobs_name(tmp_path):
    real = tmp_path / "torchrun"
    real.write_text('#!/bin/sh\necho "$@"\n')
    real.chmod(0o755)

    def run(*arguments, **variables):
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **variables}
        command = [sys.executable, str(PROGRAMS / "torchrun.py"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()

    given = ("--nnodes=2", "--master_port=7777", "--node_rank", "1", "train.py", "--rate", "0.5")
    assert run(*given, PET_MASTER_PORT="12345") == [argument for argument in given if "7777" not in argument]
    assert run(*given) == list(given)
    own = ("train.py", "--master_port", "7777")
    assert run("--master_port", "7777", *own, PET_MASTER_PORT="1") == list(own)
    assert run("--master_port", "4321", "train.py", PET_MASTER_PORT="1") == ["--master_port", "4321", "train.py"]
