"""What a framework image is here: an environment to build and the commands that its toolkit would run.

A runtime knows an image by ``repository:tag`` (account and region do not matter) and translates it. It starts nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

Log = Callable[[str], None]


@dataclass(frozen=True)
class ImageReference:
    """``account.dkr.ecr.region.amazonaws.com/repository:tag`` taken apart; ``tag`` is empty when there is none."""

    uri: str
    repository: str
    tag: str


@dataclass(frozen=True)
class Programs:
    """An image's own programs: ``folder`` on the host is at ``directory`` in the image, where commands run and are
    looked for first; ``variables`` are the image's. ``serve`` is the command that answers requests. ``network``:
    whether that reaches more than itself."""

    folder: Path
    directory: str
    variables: Mapping[str, str]
    serve: tuple[str, ...] = ("serve",)
    network: bool = False


def over_image(image: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """A process's variables: its ``own`` before those of the image. PYTHONPATH has both folders, its own first."""
    paths = [variables["PYTHONPATH"] for variables in (own, image) if variables.get("PYTHONPATH")]
    return {**image, **own, **({"PYTHONPATH": ":".join(paths)} if paths else {})}


@dataclass(frozen=True)
class EnvironmentRequest:
    """What to install: a Python version (``3.10``), requirements as pip spells them, and a name for people that is
    safe as a file name. ``notes``: how the request itself differs from the image. ``without``: dependencies of the
    requirements that are left out. ``cpu_builds``: packages of which builds for the CPU are wanted, where package
    indexes have builds for GPUs; the first is the one that the others belong to. ``compiles``: whether a package that
    there is only as source may be built from it. ``programs`` go with the environment as they are."""

    name: str
    python: str
    requirements: tuple[str, ...]
    notes: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    cpu_builds: tuple[str, ...] = ()
    compiles: bool = False
    programs: Programs | None = None


@dataclass(frozen=True)
class Environment:
    """A built virtual environment. ``prefix`` is the environment's folder, ``python`` its interpreter, ``base`` the
    folder of the interpreter's own installation (None where it is the system's, below /usr); both must be visible to
    the process at the same paths. ``notes`` tell people what differs from the image (a nearest version, say)."""

    prefix: Path
    python: Path
    base: Path | None
    packages: Mapping[str, str]
    notes: tuple[str, ...] = ()
    programs: Programs | None = None


@dataclass(frozen=True)
class Command:
    """A process of the user's: argv, and what its environment must hold beyond the contract's."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


class Runtime(Protocol):
    """One framework. Stateless and thread safe. ``description`` names its images and releases, for people."""

    name: str
    description: str

    def matches(self, image: ImageReference) -> bool:
        """Whether this runtime stands for that image."""

    def environment(self, image: ImageReference) -> EnvironmentRequest:
        """What the image has installed, as near as it can be had."""

    def algorithm(self, image: ImageReference, python: Path) -> Command | None:
        """The command of the built-in algorithm that the image runs when a training job names no program, or None."""
