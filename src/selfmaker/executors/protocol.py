"""What an executor does: it runs one process tree as a RunSpec says and knows nothing of jobs, AWS or SQL.

An executor gives the process a file system in which the targets of ``mounts`` hold what their sources hold, a
private writable /tmp, /dev/shm and home directory, its own process space and host name, and nothing of the host that
was not asked for beyond the system's read-only programs and libraries. When the first process ends, every process it
left behind ends. A run ends, too, when the process that started it dies or lets go of its handle.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from selfmaker.executors.island import Island


class Access(str, enum.Enum):
    """How a mount may be used. COPY_ON_WRITE: the process may write, the source never changes; what it wrote is kept
    under the run's ``scratch`` while the run lasts."""

    READ_ONLY = "ro"
    READ_WRITE = "rw"
    COPY_ON_WRITE = "cow"


@dataclass(frozen=True)
class Mount:
    """``source`` on the host (a file or a folder, which must exist) appears at the absolute path ``target``."""

    source: Path
    target: str
    access: Access = Access.READ_ONLY


@dataclass(frozen=True)
class RunSpec:
    """One process to run. ``argv[0]`` is looked up in ``environment['PATH']`` inside the sandbox; ``environment`` is
    the whole environment. ``directory`` is made where it is missing. ``scratch`` is an empty folder on the host that
    the executor may fill and the caller removes afterwards. ``hosts`` are extra lines of /etc/hosts: name -> address.
    ``network`` False: only a loopback of its own, or, with ``island``, the one that is shared by the runs that are
    given the same island. ``hidden`` are host paths that must not be reachable even below
    another mount (the server's data)."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    scratch: Path
    mounts: tuple[Mount, ...] = ()
    hidden: tuple[Path, ...] = ()
    hostname: str = "algo-1"
    hosts: Mapping[str, str] = field(default_factory=dict)
    network: bool = True
    island: Island | None = None


@dataclass(frozen=True)
class Exit:
    """How a run ended: ``code`` as a shell gives it (128 + n after signal n); ``launch_error`` is set, and ``code`` is
    126 or 127, when the program itself could not be started."""

    code: int
    launch_error: str | None = None


class RunHandle(Protocol):
    """A started run. ``wait`` may be called from one thread while another calls ``signal``."""

    pid: int

    def wait(self, timeout: float | None = None) -> Exit | None:
        """The exit, or None when ``timeout`` seconds passed first. Reaps the process and all that it left behind."""

    def signal(self, number: int) -> None:
        """Send ``number`` to the user's first process (SIGKILL: to every process of the run). Nothing after its end."""


class Executor(Protocol):
    """Starts runs. Thread safe."""

    def start(self, spec: RunSpec, output: int) -> RunHandle:
        """Start ``spec`` with stdin from /dev/null, and stdout and stderr on the file descriptor ``output``, which
        stays the caller's.

        Returns at once. Raises Unavailable when this machine cannot isolate processes, with the remedies in the
        message, and Invalid when the spec asks for what cannot be, such as a mount of what does not exist.
        """
