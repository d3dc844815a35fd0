"""What one host of a transform job is to do: written by the server, read by the host's program. It holds credentials.

Paths are on the host; ``outputs`` is the folder in which object number n becomes ``n.out`` once all of it is there.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selfmaker.transform.data_processing import Filters


@dataclass(frozen=True)
class Container:
    """One of the model's containers, laid out. Paths are None where there is nothing; ``code_dir`` and ``program`` as
    in WorkerPlan; ``requirements`` is a file; ``mounts`` are (source, target), to be read only."""

    image: str
    model: str | None
    code: str | None
    code_dir: str | None
    program: str | None
    requirements: str | None
    variables: Mapping[str, str]
    mounts: tuple[tuple[str, str], ...]
    network: bool


@dataclass(frozen=True)
class InputObject:
    """``name`` is the relative key, ``title`` is ``bucket/key`` for messages, ``path`` the file."""

    name: str
    title: str
    path: str


@dataclass(frozen=True)
class Sending:
    """How the data goes to the model and comes back. ``limit`` is in bytes, 0 for none; ``timeout`` in
    seconds, with the wait for the requests that are at the same worker."""

    content_type: str
    accept: str
    split_type: str
    strategy: str
    assemble_with: str
    gzip: bool
    limit: int
    concurrency: int
    timeout: float
    retries: int
    filters: Filters


@dataclass(frozen=True)
class HostPlan:
    """``workers`` is how many of each container; ``patience`` how many seconds one may take to load the model; ``asks``
    are the parameters that the request leaves to a container of the user's own."""

    containers: tuple[Container, ...]
    objects: tuple[InputObject, ...]
    sending: Sending
    workers: int
    patience: float
    environments: str
    images: str
    sandbox: str
    hidden: tuple[str, ...]
    outputs: str
    runs: str
    failure: str
    log: str
    data_log: str
    asks: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file)

    @classmethod
    def read(cls, path: Path) -> "HostPlan":
        values: dict[str, Any] = json.loads(path.read_text())
        sending = values["sending"]
        values["sending"] = Sending(**{**sending, "filters": Filters(**sending["filters"])})
        values["containers"] = tuple(
            Container(**{**container, "mounts": tuple((source, target) for source, target in container["mounts"])})
            for container in values["containers"]
        )
        values["objects"] = tuple(InputObject(**given) for given in values["objects"])
        values["hidden"], values["asks"] = tuple(values["hidden"]), tuple(values.get("asks", ()))
        return cls(**values)

    def output(self, number: int) -> Path:
        """The finished output of object ``number``, if it is there."""
        return Path(self.outputs) / f"{number}.out"
