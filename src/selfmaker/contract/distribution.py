"""How the hosts of a distributed job find each other, for the frameworks whose containers see to that.

PyTorch's container starts the script by ``torchrun`` where the SDK's ``distribution`` says so, and tells a script that
sets out by itself MASTER_ADDR and MASTER_PORT; TensorFlow's describes the cluster in TF_CONFIG, for
MultiWorkerMirroredStrategy or with parameter servers, which it starts; both start the script by MPI where that is
asked for. There each host is a machine with ports of its own, 7777 and 8890; ours share a machine,
and with the hosts of other jobs: each job has ports of its own, and a script that reads what it is told finds them.
"""

import json
import socket
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfmaker.contract.script_mode import ScriptCommand, ScriptSettings
from selfmaker.errors import Invalid

TORCH = ("pytorch", "huggingface")
TENSORFLOW = ("tensorflow",)
XGBOOST = ("xgboost",)
TORCHRUN = ("sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled")
MIRRORED = "sagemaker_multi_worker_mirrored_strategy_enabled"
PARAMETER_SERVERS = "sagemaker_parameter_server_enabled"
MPI, MPI_PROCESSES, MPI_OPTIONS = (
    "sagemaker_mpi_enabled",
    "sagemaker_mpi_num_of_processes_per_host",
    "sagemaker_mpi_custom_mpi_options",
)
GROUPS = "sagemaker_distribution_instance_groups"
REFUSED = {
    "sagemaker_distributed_dataparallel_enabled": "SageMaker's distributed data parallel library",
    "sagemaker_pytorch_xla_multi_worker_enabled": "PyTorch/XLA",
}

PROGRAMS = Path(__file__).parent / "programs"
"""Stand-alone programs that start scripts on several hosts, and where the hosts of a job find them."""
PROGRAMS_IN_JOB = "/opt/selfmaker/programs"
COMPANY = "/opt/selfmaker/company"
"""A folder that the hosts of one job share, where there is MPI: the sockets by which they start programs."""
MPI_PACKAGES = ("openmpi", "mpi4py")

_FIRST_PORT, _PORTS = 10000, 20000  # below those that systems give to outgoing connections


@dataclass(frozen=True)
class Distribution:
    """What the hosts of one job are told.

    ``hosts`` are those that start together; others run the script alone (in clusters with several instance groups,
    all but the groups that are named). ``ports`` are free ones, one for each host (with parameter servers two);
    ``torchrun``: whether the script is started by it; ``mirrored``: whether TensorFlow's workers are to find each
    other; ``servers``: whether each host has a parameter server; ``own``: whether an entry point of the job's own sets
    out, which may run torchrun."""

    framework: str = ""
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    torchrun: bool = False
    mirrored: bool = False
    servers: bool = False
    mpi: "Mpi | None" = None
    own: bool = False

    def variables(self, host: str, interface: str) -> dict[str, str]:
        """The variables of one host, beyond the toolkit's."""
        if self.own:
            return {"PET_MASTER_PORT": str(self.ports[0])}  # torchrun's default, where no port is named
        if self.framework in XGBOOST:  # its program, and scripts by way of the container's package, meet there
            return {"MASTER_ADDR": self.hosts[0], "MASTER_PORT": str(self.ports[0])} if self.ports else {}
        if self.framework in TORCH:
            told = {"MASTER_ADDR": self.hosts[0], "MASTER_PORT": str(self.ports[0])}
            return {**told, "NCCL_SOCKET_IFNAME": interface, "GLOO_SOCKET_IFNAME": interface}
        if host not in self.hosts:
            return {}
        index = self.hosts.index(host)
        if self.servers:
            return {"TF_CONFIG": json.dumps(self._with_servers(index))}
        if self.mirrored:
            workers = [f"{host}:{port}" for host, port in zip(self.hosts, self.ports, strict=True)]
            task = {"index": index, "type": "worker"}
            return {"TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "environment": "cloud", "task": task})}
        return {}

    def argv(self, host: str, command: ScriptCommand, processes: int) -> tuple[str, ...]:
        """One host's command instead of ``command``, which runs the script in one process; ``torchrun`` starts as many
        as are wanted: one for each GPU."""
        if host not in self.hosts:
            return command.argv
        if self.servers:
            return ("python", f"{PROGRAMS_IN_JOB}/parameter_server.py", "--", *command.argv)
        if self.mpi is not None:
            own = ("--hosts", ",".join(self.hosts), "--per-host", str(self.mpi.processes or processes))
            return (
                "python",
                f"{PROGRAMS_IN_JOB}/mpi.py",
                "launch",
                *own,
                f"--options={self.mpi.options}",
                "--",
                *command.argv,
            )
        if not self.torchrun:
            return command.argv
        options = ["--nnodes", str(len(self.hosts)), "--nproc_per_node", str(processes)]
        options += [
            "--master_addr",
            self.hosts[0],
            "--master_port",
            str(self.ports[0]),
            "--node_rank",
            str(self.hosts.index(host)),
        ]
        return ("torchrun", *options, *command.argv[1:])

    def _with_servers(self, index: int) -> dict[str, object]:
        """As TensorFlow's container has it: the first host's script is the master, and each host has a server."""
        here = [f"{host}:{port}" for host, port in zip(self.hosts, self.ports, strict=False)]
        servers = [f"{host}:{port}" for host, port in zip(self.hosts, self.ports[len(here) :], strict=True)]
        cluster = {"master": here[:1], "ps": servers, "worker": here[1:]}
        task = {"index": index - 1, "type": "worker"} if index else {"index": 0, "type": "master"}
        return {"cluster": cluster, "environment": "cloud", "task": task}


@dataclass(frozen=True)
class Mpi:
    """``processes`` on each host, 0 for one on each GPU; ``options`` for mpirun, as on a command line."""

    processes: int
    options: str


def distribution(
    framework: str, script: ScriptSettings, command: ScriptCommand, hosts: Sequence[str], job: str
) -> Distribution:
    """How a job of ``framework`` is started on ``hosts``. ``job`` is what tells it from others on the machine, those of
    other servers included, for its ports.

    Raises Invalid for what cannot be had here.
    """
    if framework in XGBOOST:
        return _by_itself(framework, hosts, job)
    if framework not in TORCH + TENSORFLOW:
        return Distribution()
    asked = script.framework
    for name, words in REFUSED.items():
        if asked.get(name):
            raise Invalid(f"AlgorithmError: {words} is not available here ({name}), exit code: 1")
    torchrun = framework in TORCH and _any(asked, TORCHRUN)
    if torchrun and command.argv[:2] != ("python", script.program):
        raise Invalid("AlgorithmError: torch_distributed needs a Python script as its entry point, exit code: 1")
    mirrored = framework in TENSORFLOW and bool(asked.get(MIRRORED))
    servers = framework in TENSORFLOW and bool(asked.get(PARAMETER_SERVERS)) and len(hosts) > 1
    needed = 2 * len(hosts) if servers else len(hosts) if framework in TORCH or mirrored else 0
    ports = tuple(_ports(job, needed))
    mpi = _mpi(asked) if not (torchrun or servers) else None
    return Distribution(framework, tuple(hosts), ports, torchrun, mirrored, servers, mpi)


def of_entry_point(framework: str, hosts: Sequence[str], job: str) -> Distribution:
    """As ``distribution``, for a job that runs an entry point: the drivers that the SDKs bring, or the image's own."""
    if framework in XGBOOST:
        return _by_itself(framework, hosts, job)
    if framework not in TORCH:
        return Distribution()
    return Distribution(framework, tuple(hosts), tuple(_ports(job, 1)), own=True)


def _by_itself(framework: str, hosts: Sequence[str], job: str) -> Distribution:
    """Nothing is started by us: the hosts only need a port to meet at."""
    return Distribution(framework, tuple(hosts), tuple(_ports(job, 1))) if len(hosts) > 1 else Distribution()


def _mpi(asked: Mapping[str, object]) -> Mpi | None:
    if not asked.get(MPI):
        return None
    given = asked.get(MPI_PROCESSES) or 0
    try:
        return Mpi(int(str(given)), str(asked.get(MPI_OPTIONS) or ""))
    except ValueError:
        raise Invalid(f"AlgorithmError: {MPI_PROCESSES} is {given!r}, not a number, exit code: 1") from None


def _any(asked: Mapping[str, object], names: Sequence[str]) -> bool:
    return any(asked.get(name) for name in names)


def _ports(job: str, count: int) -> list[int]:
    """Ports that nobody listens on, from a place that ``job`` chooses: jobs that start together differ."""
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
