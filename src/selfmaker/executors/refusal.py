# Paths are strings here: pathlib costs a forked child more than the child's own work.
# ruff: noqa: PTH110, PTH123
"""Why this machine does not let us isolate a process, and what its owner can do about it."""

import os
from collections.abc import Mapping

_SWITCHES = (  # a kernel setting that forbids user namespaces: its name, the value that does, and one that does not
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "15000"),
)


def remedies() -> tuple[str, ...]:
    """What would help here, best first."""
    found = [
        f"allow user namespaces: sudo sysctl -w {name}={wanted}"
        for name, forbidding, wanted in _SWITCHES
        if _read("/proc/sys/" + name.replace(".", "/")) == forbidding
    ]
    if not _which("bwrap"):
        found.append("install bubblewrap (apt install bubblewrap, dnf install bubblewrap)")
    if in_container():
        found.append(
            "start the container that selfmaker runs in with --privileged, or with --security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined --security-opt systempaths=unconfined"
        )
    return tuple(found or ["run selfmaker as root, or on a Linux kernel built with user namespaces"])


def explain(reasons: Mapping[str, str]) -> str:
    """One line that says what was tried, what happened and what helps."""
    tried = "; ".join(f"{backend}: {reason}" for backend, reason in reasons.items())
    return f"this machine does not let selfmaker isolate a process ({tried}). Remedies: {' | '.join(remedies())}"


def in_container() -> bool:
    """Whether we seem to run in a container ourselves."""
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return True
    return "docker" in _read("/proc/1/cgroup") or "kubepods" in _read("/proc/1/cgroup")


def _which(name: str) -> bool:
    return any(os.access(f"{folder}/{name}", os.X_OK) for folder in os.get_exec_path())


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
