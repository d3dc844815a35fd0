"""Whether this machine has an NVIDIA GPU: what a build for GPUs is good for."""

from pathlib import Path

DRIVER = Path("/proc/driver/nvidia")


def present() -> bool:
    """Whether NVIDIA's driver is loaded."""
    return DRIVER.exists()
