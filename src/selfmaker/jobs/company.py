"""The hosts of a job that start programs on each other, as MPI does: what they share, and what they find."""

from pathlib import Path
from typing import Any

from selfmaker.contract.distribution import COMPANY, PROGRAMS, PROGRAMS_IN_JOB, Distribution
from selfmaker.executors.protocol import Access
from selfmaker.jobs.folder import JobFolder

DRIVERS = "sm_drivers"  # the channel that SDK v3's ModelTrainer brings
_SSHD = Path("/usr/sbin/sshd")
_ENVIRONMENT = Path("/etc/environment")


def equip(plan: dict[str, Any], distribution: Distribution, folder: JobFolder, channels: Path) -> None:
    """Add to one host's plan what it needs to start the script together with the others. ``channels``: where its
    channels are laid out."""
    by_driver = _brings_mpi_driver(channels)
    mpi = distribution.mpi is not None or by_driver
    if distribution.servers or mpi:
        shared = folder.path / "hosts" / "company"
        shared.mkdir(exist_ok=True)
        plan["mounts"].append([str(PROGRAMS), PROGRAMS_IN_JOB, Access.READ_ONLY.value])
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
    """Whether there is SDK v3's driver for MPI, and a script that runs it."""
    try:
        return b"/mpi_driver.py" in (channels / DRIVERS / "sm_train.sh").read_bytes()
    except OSError:
        return False
