"""From what a configuration says to what a worker needs: the environment, the model's files, the script."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from selfmaker.errors import Invalid, NotFound
from selfmaker.executors.protocol import Mount
from selfmaker.runtimes.base import Environment, Log
from selfmaker.serving.model_files import ModelFiles
from selfmaker.serving.spec import ARCHIVE, ModelSpec
from selfmaker.serving.worker_plan import CODE_DIR, MODEL_DIR, WorkerPlan

DEFAULT_PROGRAM = "inference.py"
ADDITIONAL_DIR = "/opt/ml/additional-model-data-sources"


class Environments(Protocol):
    """What serving asks of the runtimes."""

    def for_image(self, image: str, requirements: Path | None, log: Log) -> tuple[str, Environment]:
        """The runtime's name and the environment of ``image``, built if need be, with ``requirements`` on top.

        Raises NotFound for an image that no runtime stands for, Unavailable or Invalid when it cannot be built.
        """


Surroundings = Callable[[str], Mapping[str, str]]
"""The variables by which code in a worker finds this server, for a region: its address and credentials of its own."""


@dataclass(frozen=True)
class Around:
    """What every worker has about it: variables, what they speak of, and host paths that are out of its reach."""

    surroundings: Surroundings
    mounts: tuple[Mount, ...]
    hidden: tuple[Path, ...]


@dataclass(frozen=True)
class LaidOut:
    """A model's files: where its data and its code are on the host, where the script's folder is in the sandbox, and
    what must be installed; ``held`` as in Prepared; ``additional`` are the model's further data sources."""

    model: Path | None
    code: Path | None
    code_dir: str | None
    program: str | None
    requirements: Path | None
    held: Mapping[str, str]
    additional: tuple[Mount, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A plan, and the folders (names in ModelFiles) that it holds, by the URI that each was made from."""

    plan: WorkerPlan
    held: Mapping[str, str]


class Preparation:
    """Thread safe; blocks, for minutes where an environment is built for the first time."""

    def __init__(self, environments: Environments, files: ModelFiles, around: Around) -> None:
        self._environments = environments
        self._files = files
        self._around = around

    def prepare(self, model: ModelSpec, region: str, known: Mapping[str, str], log: Log) -> Prepared:
        """What the workers of ``model`` need. ``known`` are folders that an earlier server held: they are used in
        preference, because the object may have been replaced or deleted since.

        Raises SelfmakerError; then nothing is held.
        """
        files = self.lay_out(model, known)
        try:
            framework, environment = self._environments.for_image(model.image, files.requirements, log)
        except NotFound as error:
            self.release(files.held)
            raise Invalid(error.message) from error
        except BaseException:
            self.release(files.held)
            raise
        for note in environment.notes:
            log(note)
        plan = WorkerPlan(
            framework=framework,
            environment=environment,
            model=files.model,
            code=files.code,
            code_dir=files.code_dir,
            program=files.program,
            variables=container_variables(self._around.surroundings(region), model.environment),
            mounts=(*self._around.mounts, *files.additional),
            network=model.network,
            hidden=self._around.hidden,
        )
        return Prepared(plan, files.held)

    def lay_out(self, model: ModelSpec, known: Mapping[str, str]) -> LaidOut:
        """The first half of ``prepare``: the files, without the environment. Raises as it does."""
        held: dict[str, str] = {}
        try:
            data = self._fetch(model.uri, model.form, known, held) if model.uri else None
            code, code_dir, program = self._script(model, data, known, held)
            additional = tuple(
                Mount(self._fetch(source.uri, source.form, known, held), f"{ADDITIONAL_DIR}/{source.channel}")
                for source in model.additional
            )
        except BaseException:
            self._files.drop(held.values())
            raise
        requirements = self._requirements(code_dir, data, code)
        return LaidOut(data, code, code_dir, program, requirements, held, additional)

    def release(self, held: Mapping[str, str]) -> None:
        """The workers are gone: give their folders up."""
        self._files.drop(held.values())

    def _fetch(self, uri: str, form: str, known: Mapping[str, str], held: dict[str, str]) -> Path:
        if uri not in held:
            name = known.get(uri, "")
            held[uri] = name if name and self._files.hold(name) else self._files.fetch(uri, form)
        return self._files.path(held[uri])

    def _script(
        self, model: ModelSpec, data: Path | None, known: Mapping[str, str], held: dict[str, str]
    ) -> tuple[Path | None, str | None, str | None]:
        """The folder to mount as the code (None when it is part of the model), where the script's folder is in the
        sandbox, and the script."""
        program = model.environment.get("SAGEMAKER_PROGRAM", "").strip('"')
        source = model.environment.get("SAGEMAKER_SUBMIT_DIRECTORY", "").strip('"')
        if program and source.startswith("s3://"):
            return self._fetch(source, ARCHIVE, known, held), CODE_DIR, program
        folder = source.removeprefix("file://").rstrip("/") or MODEL_DIR + "/code"
        inside = _inside_model(folder, data)
        if program:
            if data is not None and inside is not None and not (inside / program).is_file():
                folder = MODEL_DIR if (data / program).is_file() else folder
            return None, folder, program
        if inside is not None and (inside / DEFAULT_PROGRAM).is_file():
            return None, folder, DEFAULT_PROGRAM
        return None, None, None

    def _requirements(self, code_dir: str | None, data: Path | None, code: Path | None) -> Path | None:
        if code_dir is None:
            return None
        folder = code if code is not None else _inside_model(code_dir, data)
        return folder / "requirements.txt" if folder and (folder / "requirements.txt").is_file() else None


def container_variables(around: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The container's variables over ours; PYTHONPATH has both."""
    paths = [text for text in (given.get("PYTHONPATH"), around.get("PYTHONPATH")) if text]
    return {**around, **given, **({"PYTHONPATH": ":".join(paths)} if paths else {})}


def _inside_model(folder: str, data: Path | None) -> Path | None:
    """Where ``folder`` of the sandbox, below /opt/ml/model, is on the host."""
    path = PurePosixPath(folder)
    if data is None or ".." in path.parts or not path.is_relative_to(MODEL_DIR):
        return None
    return data / path.relative_to(MODEL_DIR)
