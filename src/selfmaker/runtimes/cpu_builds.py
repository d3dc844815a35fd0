"""Where builds for the CPU come from, of packages that package indexes have for GPUs only (PyTorch's).

In this order: the image's versions from PyTorch's own index, which uv knows; a wheel for the CPU (``+cpu``) in one of
the folders in which pip is told to look, of the version nearest to the image's; and last the index's builds for GPUs.
"""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from selfmaker.runtimes.base import EnvironmentRequest

FROM_PYTORCH = ("--torch-backend", "cpu")
_SUFFIX = "+cpu"


@dataclass(frozen=True)
class Wheel:
    """A build for the CPU in a local folder: its whole version, and the Python that it is for (``3.11``)."""

    name: str
    version: str
    python: str

    @property
    def order(self) -> tuple[int, ...]:
        return _numbers(self.version)


def variants(request: EnvironmentRequest, folders: Sequence[str]) -> Iterator[EnvironmentRequest]:
    """The request in the forms in which it is to be tried; itself alone where it asks for no build for the CPU."""
    yield request
    if not request.cpu_builds:
        return
    wheels = [wheel for folder in folders for wheel in _wheels(folder, request.cpu_builds)]
    local = _with_wheels(request, wheels)
    if local is not None:
        yield local
    note = f"no build of {request.cpu_builds[0]} for the CPU can be had here: this one, for GPUs, is larger"
    yield replace(request, cpu_builds=(), notes=(*request.notes, note))


def folders(environment: Mapping[str, str], links: Sequence[str]) -> list[str]:
    """The places that uv is told of, by its variable and by those arguments."""
    return [*environment.get("UV_FIND_LINKS", "").replace(",", " ").split(), *links[1::2]]


def _with_wheels(request: EnvironmentRequest, wheels: list[Wheel]) -> EnvironmentRequest | None:
    """The request with the first package that needs a build for the CPU at the version of a local wheel. The others
    (torchvision and its like) belong to one version of it exactly: they are there for the same Python, or left out."""
    first = request.cpu_builds[0]
    pinned = {name: version for name, _, version in (item.partition("==") for item in request.requirements)}
    chosen = _nearest([wheel for wheel in wheels if wheel.name == first], _numbers(pinned.get(first, "")))
    if chosen is None:
        return None
    requirements = [item for item in request.requirements if item.partition("==")[0] not in request.cpu_builds]
    others = {w.name for w in wheels if w.python == chosen.python and w.name != first}
    return replace(
        request,
        python=chosen.python,
        requirements=(f"{first}=={chosen.version}", *sorted(others), *requirements),
        cpu_builds=(),
    )


def _nearest(wheels: list[Wheel], wanted: tuple[int, ...]) -> Wheel | None:
    """The oldest that is not older than what is wanted, else the newest."""
    ordered = sorted(wheels, key=lambda wheel: wheel.order)
    newer = [wheel for wheel in ordered if wheel.order >= wanted]
    return newer[0] if newer else ordered[-1] if ordered else None


def _wheels(folder: str, names: Sequence[str]) -> Iterator[Wheel]:
    parts = urlsplit(folder)
    place = Path(unquote(parts.path) if parts.scheme == "file" else folder).expanduser()
    try:
        files = sorted(path.name for path in place.iterdir())
    except OSError:
        return
    for file in files:
        fields = file.removesuffix(".whl").split("-")
        if not file.endswith(".whl") or len(fields) != 5 or not fields[4].endswith(platform.machine()):
            continue
        name, version, python = fields[:3]
        if name.lower() in names and version.endswith(_SUFFIX) and python.startswith("cp3"):
            yield Wheel(name.lower(), version, f"3.{python[3:]}")


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.partition("+")[0].split(".")
    return tuple(int(part) for part in parts if part.isdigit())
