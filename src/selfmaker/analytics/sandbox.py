"""Runs a program of ours with DuckDB in a sandbox without a network, on files that are laid into a folder for it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from selfmaker.analytics import program
from selfmaker.errors import Invalid, Unavailable
from selfmaker.executors.protocol import Access, Executor, Mount, RunHandle, RunSpec
from selfmaker.runtimes.analytics import analytics_environment
from selfmaker.runtimes.base import Environment, EnvironmentRequest, Log

WORK = "/work"

_PROGRAMS = "/opt/selfmaker/analytics"
_SAID = 4096


class Environments(Protocol):
    """What is asked of the runtimes."""

    def build(self, request: EnvironmentRequest, log: Log) -> Environment:
        """The environment, built if need be. Raises Unavailable or Invalid."""


@dataclass(frozen=True)
class AnalyticsSandbox:
    """Thread safe. ``folder`` is where runs have their folders; it must be on the disk of the objects."""

    environments: Environments
    executor: Executor
    folder: Path
    hidden: tuple[Path, ...]

    def clear(self) -> None:
        """Remove what a server that is gone left behind."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True)

    @contextmanager
    def place(self) -> Iterator[Path]:
        """A folder for one run; its ``work`` is what the program sees, and it goes at the end."""
        place = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            (place / "work").mkdir()
            (place / "scratch").mkdir()
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def run(
        self,
        place: Path,
        name: str,
        started: Callable[[RunHandle], None] = lambda handle: None,
        timeout: float | None = None,
    ) -> None:
        """Run the program ``name`` until its end. Raises Invalid with what it said when it fails, and Unavailable."""
        environment = self.environments.build(analytics_environment(), lambda line: None)
        said = place / "said"
        with said.open("wb") as output:
            handle = self.executor.start(self._spec(environment, place, name), output.fileno())
            started(handle)
            exit_ = handle.wait(timeout)
            if exit_ is None:
                handle.signal(9)
                handle.wait()
                raise Invalid(f"The query took longer than {timeout:g} seconds")
        if exit_.launch_error:
            raise Unavailable(exit_.launch_error)
        if exit_.code:
            text = said.read_bytes()[-_SAID:].decode("utf-8", "replace").strip()
            raise Invalid(text.splitlines()[-1] if text else f"the program ended with exit code {exit_.code}")

    def _spec(self, environment: Environment, place: Path, name: str) -> RunSpec:
        mounts = [
            Mount(environment.prefix, str(environment.prefix)),
            Mount(Path(program.__file__).parent, _PROGRAMS),
            Mount(place / "work", WORK, Access.READ_WRITE),
        ]
        if environment.base is not None:
            mounts.append(Mount(environment.base, str(environment.base)))
        return RunSpec(
            argv=(str(environment.python), f"{_PROGRAMS}/{name}.py", WORK),
            environment={"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
            directory=WORK,
            scratch=place / "scratch",
            mounts=tuple(mounts),
            hidden=self.hidden,
            hostname="analytics",
            network=False,
        )
