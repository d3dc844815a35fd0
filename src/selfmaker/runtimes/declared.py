"""Images of the user's own, run as an environment and the programs that the image would hold.

Each declaration is kept as a file; its programs are copied to a folder that is named by its content and never changes,
so that jobs and endpoints go on with what they had when the image is declared anew.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from selfmaker import ids
from selfmaker.errors import NotFound
from selfmaker.runtimes.base import Command, EnvironmentRequest, ImageReference, Programs
from selfmaker.runtimes.images import parse_image

LATEST = "latest"
CONTAINER = "container"
TRAIN, SERVE = "train", "serve"
_NOT_COPIED = shutil.ignore_patterns("__pycache__", ".git")


@dataclass(frozen=True)
class DeclaredImage:
    """One declaration, and the Runtime that stands for its image. ``entrypoint`` is what ``train`` and ``serve`` are
    given to as an argument, as Docker does it; without one they are programs."""

    repository: str
    tag: str
    python: str
    requirements: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    programs: str = ""
    directory: str = "/opt/program"
    entrypoint: tuple[str, ...] = ()
    network: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)

    name = CONTAINER
    description = "an image declared by `selfmaker images add`"

    def matches(self, image: ImageReference) -> bool:
        return image.repository == self.repository and (image.tag or LATEST) == self.tag

    def environment(self, image: ImageReference) -> EnvironmentRequest:
        return EnvironmentRequest(
            name=f"image-{quote(self.repository, safe='').replace('%', '_')}",
            python=self.python,
            requirements=(*self.requirements, "pip"),  # as Python's own images have it
            without=self.without,
            compiles=True,
            programs=self._programs(),
        )

    def algorithm(self, image: ImageReference, python: Path) -> Command | None:
        """What ``docker run IMAGE train`` runs: its entry point, its own program, or one of an installed package."""
        if self.entrypoint:
            return Command((*self.entrypoint, TRAIN))
        if (Path(self.programs) / TRAIN).is_file():
            return Command((f"{self.directory}/{TRAIN}",))
        installed = python.parent / TRAIN
        return Command((str(installed),)) if installed.is_file() else None

    def script_programs(self) -> Programs | None:
        """The programs, where SAGEMAKER_PROGRAM names what ``docker run IMAGE train`` starts: in an image that has
        SageMaker's training toolkit, and no ``train`` before that."""
        if self.entrypoint or (Path(self.programs) / TRAIN).is_file():
            return None
        return self._programs()

    def _programs(self) -> Programs:
        serve = (*self.entrypoint, SERVE)
        return Programs(Path(self.programs), self.directory, dict(self.variables), serve, self.network)


class DeclaredImages:
    """Those kept in ``folder``. Every change is whole or not there, for any number of processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, image: ImageReference) -> DeclaredImage | None:
        """The declaration of that repository and tag."""
        return self._read(self._folder / _file_name(image.repository, image.tag or LATEST))

    def all(self) -> list[DeclaredImage]:
        """By name."""
        found = [self._read(path) for path in sorted(self._folder.glob("*.json"))]
        return [image for image in found if image is not None]

    def add(self, declared: DeclaredImage) -> DeclaredImage:
        """Keep a declaration, with a copy of its programs, in place of an earlier one of that name."""
        self._folder.mkdir(parents=True, exist_ok=True)
        declared = replace(declared, programs=str(self._keep(declared.programs)))
        target = self._folder / _file_name(declared.repository, declared.tag)
        _write(target, json.dumps(asdict(declared)))
        return declared

    def remove(self, name: str) -> None:
        """Forget a declaration. Jobs and endpoints that run it go on. Raises NotFound."""
        image = parse_image(name)
        try:
            (self._folder / _file_name(image.repository, image.tag or LATEST)).unlink()
        except FileNotFoundError:
            raise NotFound(f"no image is declared as {name}; `selfmaker images` lists them") from None

    def _keep(self, programs: str) -> Path:
        """A copy of the folder that is named by what is in it; an empty one where there is none."""
        temporary = self._folder / f".{ids.unique_id()}"
        if programs:
            shutil.copytree(programs, temporary, ignore=_NOT_COPIED)
        else:
            temporary.mkdir()
        for name in (TRAIN, SERVE):
            if (temporary / name).is_file():
                (temporary / name).chmod(0o755)
        kept = self._folder / "programs" / _digest(temporary)
        kept.parent.mkdir(exist_ok=True)
        if kept.is_dir():
            shutil.rmtree(temporary)
        else:
            os.sync()  # the declaration must not be there before its programs are
            temporary.rename(kept)
        return kept

    def _read(self, path: Path) -> DeclaredImage | None:
        try:
            told = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        lists = {name: tuple(told[name]) for name in ("requirements", "without", "entrypoint")}
        return DeclaredImage(**{**told, **lists})


def _digest(folder: Path) -> str:
    told = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            told.update(f"{path.relative_to(folder)}\0{path.stat().st_mode:o}\0".encode())
            told.update(hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest()[:32]


def _file_name(repository: str, tag: str) -> str:
    return f"{quote(repository, safe='')}@{quote(tag, safe='')}.json"


def _write(target: Path, text: str) -> None:
    temporary = target.with_name(f".{ids.unique_id()}")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
