"""How the hosts of a distributed job find each other, for the frameworks whose containers see to that.

PyTorch's container starts the script by ``torchrun`` where the SDK's ``distribution`` says so, and tells a script that
sets out by itself MASTER_ADDR and MASTER_PORT; TensorFlow's describes the cluster in TF_CONFIG for
MultiWorkerMirroredStrategy. There each host is a machine with ports of its own, 7777 and 8890; ours share a machine,
and with the hosts of other jobs: each job has ports of its own, and a script that reads what it is told finds them.
"""

import json
import socket
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfmaker.contract.script_mode import ScriptCommand, ScriptSettings
from selfmaker.errors import Invalid

TORCH = ("pytorch", "huggingface")
TENSORFLOW = ("tensorflow",)
TORCHRUN = ("sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled")
MIRRORED = "sagemaker_multi_worker_mirrored_strategy_enabled"
PARAMETER_SERVERS = "sagemaker_parameter_server_enabled"
REFUSED = {
    "sagemaker_mpi_enabled": "MPI (Horovod)",
    "sagemaker_distributed_dataparallel_enabled": "SageMaker's distributed data parallel library",
    "sagemaker_pytorch_xla_multi_worker_enabled": "PyTorch/XLA",
}
_FIRST_PORT, _PORTS = 10000, 20000  # below those that systems give to outgoing connections


@dataclass(frozen=True)
class Distribution:
    """What the hosts of one job are told. ``ports`` are free ones, one for each host; ``torchrun``: whether the script
    is started by it; ``mirrored``: whether TensorFlow's workers are to find each other."""

    framework: str = ""
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    torchrun: bool = False
    mirrored: bool = False

    def variables(self, index: int, interface: str) -> dict[str, str]:
        """The variables of one host, beyond the toolkit's."""
        if self.framework in TORCH:
            told = {"MASTER_ADDR": self.hosts[0], "MASTER_PORT": str(self.ports[0])}
            return {**told, "NCCL_SOCKET_IFNAME": interface, "GLOO_SOCKET_IFNAME": interface}
        if self.mirrored:
            workers = [f"{host}:{port}" for host, port in zip(self.hosts, self.ports, strict=True)]
            task = {"index": index, "type": "worker"}
            return {"TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "environment": "cloud", "task": task})}
        return {}

    def argv(self, index: int, command: ScriptCommand, processes: int) -> tuple[str, ...]:
        """One host's command instead of ``command``, which runs the script in one process; ``torchrun`` starts as many
        as are wanted: one for each GPU."""
        if not self.torchrun:
            return command.argv
        options = ["--nnodes", str(len(self.hosts)), "--nproc_per_node", str(processes)]
        options += ["--master_addr", self.hosts[0], "--master_port", str(self.ports[0]), "--node_rank", str(index)]
        return ("torchrun", *options, *command.argv[1:])


def distribution(
    framework: str, script: ScriptSettings, command: ScriptCommand, hosts: Sequence[str], job: str
) -> Distribution:
    """How a job of ``framework`` is started on ``hosts``. ``job`` is what tells it from others, for its ports.

    Raises Invalid for what cannot be had here.
    """
    if framework not in TORCH + TENSORFLOW:
        return Distribution()
    asked = script.framework
    for name, words in REFUSED.items():
        if asked.get(name):
            raise Invalid(f"AlgorithmError: {words} is not available here ({name}), exit code: 1")
    if asked.get(PARAMETER_SERVERS) and len(hosts) > 1:
        raise Invalid(
            "AlgorithmError: parameter servers are not available here: use MultiWorkerMirroredStrategy, which "
            f"{MIRRORED} prepares, exit code: 1"
        )
    torchrun = framework in TORCH and _any(asked, TORCHRUN)
    if torchrun and command.argv[:2] != ("python", script.program):
        raise Invalid("AlgorithmError: torch_distributed needs a Python script as its entry point, exit code: 1")
    mirrored = framework in TENSORFLOW and bool(asked.get(MIRRORED))
    needed = len(hosts) if framework in TORCH or mirrored else 0
    return Distribution(framework, tuple(hosts), tuple(_ports(job, needed)), torchrun, mirrored)


def _any(asked: Mapping[str, object], names: Sequence[str]) -> bool:
    return any(asked.get(name) for name in names)


def _ports(job: str, count: int) -> list[int]:
    """Ports that nobody listens on, from a place that the job's name chooses: jobs that start together differ."""
    found: list[int] = []
    start = zlib.crc32(job.encode())
    for number in _around(start):
        if len(found) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind(("", number))
            except OSError:
                continue
        found.append(number)
    return found


def _around(start: int) -> Iterator[int]:
    for step in range(_PORTS):
        yield _FIRST_PORT + (start + step) % _PORTS
