"""What this machine can do for a sandbox, tried for real: for ``selfmaker doctor``. Costs some ten milliseconds."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from selfmaker.errors import SelfmakerError
from selfmaker.executors import refusal
from selfmaker.executors.process import BACKENDS, ProcessExecutor
from selfmaker.executors.protocol import Access, Exit, Mount, RunSpec

_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Readiness:
    """``backend`` is the one that ``auto`` takes, None where none works. ``failures``: why the others don't.
    ``notes``: what works less well than it might. ``remedies``: what would help, best first."""

    backend: str | None
    failures: Mapping[str, str]
    notes: tuple[str, ...]
    remedies: tuple[str, ...]


def probe() -> Readiness:
    """Run a small program, which writes to a copy-on-write folder, in each kind of sandbox."""
    failures: dict[str, str] = {}
    working: dict[str, tuple[str, ...]] = {}
    for backend in BACKENDS:
        try:
            working[backend] = _try(backend)
        except (SelfmakerError, OSError) as error:
            failures[backend] = str(error).partition(" Remedies: ")[0]
    first = next(iter(working), None)
    return Readiness(
        backend=first,
        failures=failures,
        notes=working[first] if first is not None else (),
        remedies=() if first == BACKENDS[0] else refusal.remedies(),
    )


def _try(backend: str) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory(prefix="selfmaker-probe-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        (folder / "scratch").mkdir()
        spec = RunSpec(
            argv=("/bin/sh", "-c", "echo x > /opt/data/x"),
            environment={},
            directory="/",
            scratch=folder / "scratch",
            mounts=(Mount(folder / "data", "/opt/data", Access.COPY_ON_WRITE),),
        )
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            run = ProcessExecutor(backend).start(spec, null)
        finally:
            os.close(null)
        ended = run.wait(_PATIENCE_SECONDS)
        if ended != Exit(0):
            raise SelfmakerError(f"a program in the sandbox did not end as it should: {ended}")
        if list((folder / "data").iterdir()):
            raise SelfmakerError("a program in the sandbox wrote through copy-on-write")
        return run.notes
