"""The file by which an image is declared: ``image.toml``, beside the Dockerfile that says the same to Docker.

name = "xgboost-daal4py"                      # repository, or repository:tag; the registry does not matter
python = "3.11"
requirements = ["xgboost==2.1.4", "flask"]    # or the name of a file of that folder
without = ["nvidia-nccl-cu12"]                # dependencies that are left out
programs = "program"                          # a folder with `train`, `serve` and what they need
directory = "/opt/program"                    # where the image has it: first in PATH, and where commands run
entrypoint = ["python", "main.py"]            # gets `train` or `serve` as argument; left out: programs of that name
network = false                               # whether `serve` reaches more than itself
[environment]                                 # the image's variables
MODEL_SERVER_WORKERS = "1"
"""

import sys
from pathlib import Path, PurePosixPath
from typing import Any

from selfmaker.errors import Invalid
from selfmaker.runtimes.catalog import RUNTIMES
from selfmaker.runtimes.declared import LATEST, DeclaredImage
from selfmaker.runtimes.images import parse_image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "image.toml"
_MEMBERS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "python": (str,),
    "requirements": (list, str),
    "without": (list,),
    "programs": (str,),
    "directory": (str,),
    "entrypoint": (list,),
    "network": (bool,),
    "environment": (dict,),
}


def read(source: Path) -> DeclaredImage:
    """What the folder ``source`` declares; ``programs`` is its own folder. Raises Invalid."""
    told = _told(source)
    image = parse_image(told["name"])
    if any(runtime.matches(image) for runtime in RUNTIMES):
        raise Invalid(f"{FILE}: name: {told['name']} is a framework's image already; give yours another name")
    requirements = told.get("requirements", [])
    if isinstance(requirements, str):
        requirements = _lines(_inside(source, "requirements", requirements))
    directory = PurePosixPath(told.get("directory", "/opt/program"))
    if not directory.is_absolute() or len(directory.parts) < 3 or ".." in directory.parts:
        raise Invalid(f"{FILE}: directory must be an absolute path of two names or more, as /opt/program is")
    programs = ""
    if "programs" in told:
        folder = _inside(source, "programs", told["programs"])
        if not folder.is_dir():
            raise Invalid(f"{FILE}: programs: there is no folder {folder}")
        programs = str(folder)
    return DeclaredImage(
        repository=image.repository,
        tag=image.tag or LATEST,
        python=told["python"],
        requirements=tuple(_texts("requirements", requirements)),
        without=tuple(_texts("without", told.get("without", []))),
        programs=programs,
        directory=str(directory),
        entrypoint=tuple(_texts("entrypoint", told.get("entrypoint", []))),
        network=told.get("network", False),
        variables={name: str(value) for name, value in told.get("environment", {}).items()},
    )


def _told(source: Path) -> dict[str, Any]:
    try:
        told = tomllib.loads((source / FILE).read_text())
    except OSError as error:
        raise Invalid(
            f"{source / FILE} cannot be read: {error.strerror}; docs/runtimes.md says what it holds"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{source / FILE} is not TOML: {error}") from None
    for member in ("name", "python"):
        if not told.get(member):
            raise Invalid(f"{FILE}: {member} is missing")
    for member, value in told.items():
        if member not in _MEMBERS:
            raise Invalid(f"{FILE}: there is no member {member}; there are {', '.join(_MEMBERS)}")
        if not isinstance(value, _MEMBERS[member]):
            raise Invalid(f"{FILE}: {member} has a value of the wrong type, {value!r}")
    return told


def _inside(source: Path, member: str, name: str) -> Path:
    path = (source / name).resolve()
    if not path.is_relative_to(source.resolve()):
        raise Invalid(f"{FILE}: {member}: {name} is not in the folder of the declaration")
    return path


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.partition(" #")[0].strip() for line in path.read_text().splitlines()]
    except OSError as error:
        raise Invalid(f"{FILE}: requirements: {path} cannot be read: {error.strerror}") from None
    return [line for line in lines if line and not line.startswith("#")]


def _texts(member: str, values: list[Any]) -> list[str]:
    if any(not isinstance(value, str) for value in values):
        raise Invalid(f"{FILE}: {member} must be a list of texts")
    return values
