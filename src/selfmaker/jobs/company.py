"""The hosts of a job that start programs on each other, as MPI does: what they share, and what they find."""

from pathlib import Path
from typing import Any

from selfmaker.contract.distribution import COMPANY, PROGRAMS, PROGRAMS_IN_JOB, Distribution
from selfmaker.executors.protocol import Access
from selfmaker.jobs.folder import JobFolder

# The scripts that the SDKs bring in channels, and what those have in them that start an sshd and mpirun: ModelTrainer
# of SDK v3 with the MPI runner, and remote functions of both SDKs with use_mpirun.
_DRIVERS = (
    ("sm_drivers/sm_train.sh", b"/mpi_driver.py"),
    ("sagemaker_remote_function_bootstrap/job_driver.sh", b"mpirun --host"),
)
_SSHD = Path("/usr/sbin/sshd")
_ENVIRONMENT = Path("/etc/environment")


def equip(plan: dict[str, Any], distribution: Distribution, folder: JobFolder, channels: Path) -> None:
    """Add to one host's plan what it needs to start the script together with the others. ``channels``: where its
    channels are laid out."""
    by_driver = _brings_mpi_driver(channels)
    mpi = distribution.mpi is not None or by_driver
    if distribution.servers or distribution.own or mpi:
        plan["mounts"].append([str(PROGRAMS), PROGRAMS_IN_JOB, Access.READ_ONLY.value])
    if distribution.own:
        plan["path"] = [f"{PROGRAMS_IN_JOB}/torch"]
    if distribution.servers or mpi:
        shared = folder.path / "hosts" / "company"
        shared.mkdir(exist_ok=True)
        plan["mounts"].append([str(shared), COMPANY, Access.READ_WRITE.value])
    if mpi:
        plan["mpi"] = True
        plan["variables"].setdefault("OMPI_MCA_opal_if_retain_loopback", "1")  # the hosts meet on it
    if by_driver:  # it starts an sshd, and writes to /etc/environment
        # /usr/sbin is a copy, for it may have no sshd to mount ours on
        plan["mounts"].append([str(_SSHD.parent), str(_SSHD.parent), Access.COPY_ON_WRITE.value])
        plan["mounts"].append([str(PROGRAMS / "bin" / "sshd"), str(_SSHD), Access.READ_ONLY.value])
        if _ENVIRONMENT.exists():
            plan["mounts"].append([str(_ENVIRONMENT), str(_ENVIRONMENT), Access.COPY_ON_WRITE.value])
        before = plan["variables"].get("PYTHONPATH", "")
        plan["variables"]["PYTHONPATH"] = f"{before}:{PROGRAMS_IN_JOB}/site".lstrip(":")


def _brings_mpi_driver(channels: Path) -> bool:
    """Whether a script of the SDK's starts MPI by itself."""
    for name, words in _DRIVERS:
        script = channels / name
        if script.is_file() and words in script.read_bytes():
            return True
    return False
