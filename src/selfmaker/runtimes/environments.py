"""Built environments, each in a folder of its own that never changes once it is there.

An environment is made in a temporary folder and renamed into place, by one process at a time: others that want the
same one wait for it. Supervisors ask for an environment at every job's start, so what is ready is found by reading one
small file, and what it takes to build is imported only then. One folder may serve several servers.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from selfmaker.errors import Unavailable
from selfmaker.runtimes.base import Environment, EnvironmentRequest, Log

if TYPE_CHECKING:
    from selfmaker.runtimes.construction import Made

FORMAT = 3  # raise it when environments are built otherwise than before
MARKER = "selfmaker.json"
PACKAGES = Path(__file__).parent / "packages"
ONCE_KEPT_SECONDS = 24 * 3600.0

_NEVER_PART_OF_IT = ("__pycache__",)


class Environments:
    """The environments in ``folder``, which is made when first needed. Safe from any thread and process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @property
    def package_path(self) -> Path:
        """Stand-ins for the packages that the images' own containers bring. Every environment has a copy of them, at
        the end of its ``sys.path``, where real packages of the same name go before them."""
        return PACKAGES

    def build(self, request: EnvironmentRequest, log: Log) -> Environment:
        """The environment of an image; built if need be, which takes seconds to minutes and is told to ``log``.

        Raises Unavailable when it cannot be had on this machine.
        """
        asked = json.dumps([FORMAT, request.python, request.requirements, request.without, platform.machine()])
        key = f"{request.name}-{hashlib.sha256(asked.encode()).hexdigest()[:16]}"

        def make(folder: Path) -> "Made":
            from selfmaker.runtimes import construction
            from selfmaker.runtimes.uv import Uv

            return construction.build(request, folder, Uv(self.folder), log)

        return replace(self._have(key, make, log), programs=request.programs)

    def extend(self, environment: Environment, source: Path, log: Log) -> Environment:
        """``environment`` with ``source``'s requirements.txt installed on top, as ``pip install -r`` does in the image.

        ``environment`` itself where there is no such file, or nothing in it. Raises Invalid, whose message holds the
        installer's own, when it cannot be installed.
        """
        path = source / "requirements.txt"
        if not path.is_file():
            return environment
        from selfmaker.runtimes import requirements_file

        requirements = requirements_file.read(path)
        if requirements.empty:
            return environment
        digest = requirements.digest(f"{FORMAT} {environment.prefix.name}")[:16]
        key = f"{environment.prefix.name.split('+')[0]}+{digest}"
        if not requirements.fixed:
            self._sweep_once()
            key += f"-once-{uuid.uuid4().hex[:8]}"

        def make(folder: Path) -> "Made":
            from selfmaker.runtimes import construction
            from selfmaker.runtimes.uv import Uv

            log("Installing requirements.txt.")
            made = self._read(environment.prefix)
            return construction.extend(environment.prefix, made, requirements, folder, Uv(self.folder), log)

        return replace(self._have(key, make, log), programs=environment.programs)

    def with_package(self, environment: Environment, requirement: str, log: Log) -> Environment:
        """``environment`` with one more package, as by a requirements.txt of that line. Raises as ``extend``."""
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "requirements.txt").write_text(f"{requirement}\n")
            return self.extend(environment, Path(folder), log)

    def for_image(self, image: str, requirements: Path | None, log: Log) -> tuple[str, Environment]:
        """The name of the runtime that stands for ``image``, and its environment with the file ``requirements`` on top.

        Raises NotFound for an image that no runtime stands for, else as ``build`` and ``extend`` do.
        """
        from selfmaker.runtimes.catalog import parse_image, runtime_for

        runtime = runtime_for(image)
        environment = self.build(runtime.environment(parse_image(image)), log)
        if requirements is not None:
            from selfmaker.runtimes.model_builders import sdk_of_model

            environment = self.extend(environment, requirements.parent, log)
            sdk = sdk_of_model(requirements.parent, environment.packages)
            environment = self.with_package(environment, sdk, log) if sdk else environment
        return runtime.name, environment

    def size(self) -> int:
        """Bytes on disk. A file that several environments share counts once."""
        seen: dict[tuple[int, int], int] = {}
        for top, _, files in os.walk(self.folder):
            for name in files:
                found = Path(top, name).lstat()
                seen[found.st_dev, found.st_ino] = found.st_blocks * 512
        return sum(seen.values())

    def prune(self, unused_seconds: float = 0.0) -> list[str]:
        """Remove the environments that no job has asked for in that time, and what broken builds left. Their names.

        A job that runs in one of them loses it: prune when none does, or by age.
        """
        removed = []
        for gone in self.folder.glob(".gone-*"):
            shutil.rmtree(gone, ignore_errors=True)
        for path in self._entries():
            key = path.name if (path / MARKER).exists() else path.name.removeprefix(".making-").rpartition(".")[0]
            with self._lock(key) as ours:
                marker = path / MARKER
                if ours and (not marker.exists() or time.time() - marker.stat().st_mtime >= unused_seconds):
                    self._remove(path)
                    removed.append(path.name)
        return removed

    # -- one environment

    def _have(self, key: str, make: "Callable[[Path], Made]", log: Log) -> Environment:
        ready = self._ready(key)
        if ready is not None:
            return ready
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"the folder of environments {self.folder} cannot be made: {error.strerror}") from None
        waiting = f"Waiting for the environment {key}, which another job is building."
        with self._lock(key, lambda: log(waiting)):
            ready = self._ready(key)
            if ready is not None:
                return ready
            for left in self.folder.glob(f".making-{key}.*"):
                self._remove(left)
            self._make(key, make)
        ready = self._ready(key)
        if ready is None:
            raise Unavailable(f"the environment {key} was removed as soon as it was built")
        return ready

    def _make(self, key: str, make: "Callable[[Path], Made]") -> None:
        from selfmaker.runtimes import construction

        folder = self.folder / f".making-{key}.{uuid.uuid4().hex[:8]}"
        final = self.folder / key
        try:
            made = make(folder)
            construction.settle(folder, final)
            self._install_packages(folder)
            (folder / MARKER).unlink(missing_ok=True)
            (folder / MARKER).write_text(json.dumps({**vars(made), "packages_of_ours": signature()}))
            os.sync()  # half an environment after a power cut would be taken for a whole one
            if final.exists():
                self._remove(final)
            folder.rename(final)
        except OSError as error:
            raise Unavailable(f"the environment {key} cannot be written: {error}") from error
        finally:
            self._remove(folder)

    def _ready(self, key: str) -> Environment | None:
        """The environment, if it is there and its interpreter still is."""
        folder = self.folder / key
        try:
            text = (folder / MARKER).read_text()
        except OSError:
            return None
        try:
            told = json.loads(text)
            python = folder / "bin" / "python"
            if not python.exists():
                return None
            if told["packages_of_ours"] != signature():
                self._renew_packages(key)
            base = Path(told["base"])
            environment = Environment(
                prefix=folder,
                python=python,
                base=None if base.is_relative_to("/usr") else base,
                packages=told["packages"],
                notes=tuple(told["notes"]),
            )
        except (ValueError, KeyError, TypeError):
            return None
        with suppress(OSError):  # somebody else's folder: then it is theirs to prune
            os.utime(folder / MARKER)
        return environment

    def _read(self, folder: Path) -> "Made":
        from selfmaker.runtimes.construction import Made

        told = json.loads((folder / MARKER).read_text())
        return Made(told["python"], told["base"], told["packages"], tuple(told["notes"]))

    # -- our stand-ins

    def _install_packages(self, folder: Path) -> None:
        """Copy them in, and let ``sys.path`` end with them."""
        from selfmaker.runtimes.construction import compile_files
        from selfmaker.runtimes.installed import site_packages

        own = signature()
        target = folder / "selfmaker" / own
        if not target.exists():
            making = folder / "selfmaker" / f".{uuid.uuid4().hex[:8]}"
            shutil.copytree(PACKAGES, making, ignore=shutil.ignore_patterns(*_NEVER_PART_OF_IT))
            making.rename(target)
            compile_files(folder / "bin" / "python", sorted(target.rglob("*.py")))
        line = site_packages(folder) / f".{uuid.uuid4().hex[:8]}"
        line.write_text(f"../../../selfmaker/{own}\n")
        line.rename(site_packages(folder) / "zz-selfmaker.pth")

    def _renew_packages(self, key: str) -> None:
        """This selfmaker's stand-ins differ from those of the one that built it. Older copies stay: jobs use them."""
        folder = self.folder / key
        try:
            with self._lock(key):
                self._install_packages(folder)
                told = json.loads((folder / MARKER).read_text())
                written = folder / f".{uuid.uuid4().hex[:8]}"
                written.write_text(json.dumps({**told, "packages_of_ours": signature()}))
                written.rename(folder / MARKER)
        except OSError:
            pass  # a folder that we may only read: its own stand-ins have to do

    # -- the folder

    @contextmanager
    def _lock(self, key: str, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
        """Hold the lock of one key; the system gives it up when its holder dies. With ``waiting``, which is called
        before a wait, this blocks; without it never does, and the value is whether the lock was had."""
        locks = self.folder / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(locks / key, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            had = True
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                had = False
                if waiting is not None:
                    waiting()
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                    had = True
            yield had
        finally:
            os.close(descriptor)

    def _entries(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if path.is_dir() and (path / "pyvenv.cfg").exists()]

    def _sweep_once(self) -> None:
        """Remove what was built for one job a day ago."""
        for path in self.folder.glob("*-once-*"):
            marker = path / MARKER
            if marker.exists() and time.time() - marker.stat().st_mtime > ONCE_KEPT_SECONDS:
                self._remove(path)

    def _remove(self, path: Path) -> None:
        """Out of the way by a rename first, so that nobody takes half of it for a whole."""
        if not path.exists():
            return
        gone = self.folder / f".gone-{uuid.uuid4().hex}"
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def signature() -> str:
    """What tells one set of our stand-ins from another: the names and contents of the files."""
    found, folders = [], [PACKAGES]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.is_dir():
                if entry.name not in _NEVER_PART_OF_IT:
                    folders.append(Path(entry.path))
            else:
                status = entry.stat()
                found.append((entry.path, status.st_size, status.st_mtime_ns))
    return _signature_of(tuple(sorted(found)))


@lru_cache(maxsize=1)
def _signature_of(files: tuple[tuple[str, int, int], ...]) -> str:
    """Each is read once, for as long as its size and time stay."""
    told = hashlib.sha256()
    for path, _, _ in files:
        told.update(f"{Path(path).relative_to(PACKAGES)}\0".encode() + hashlib.sha256(Path(path).read_bytes()).digest())
    return told.hexdigest()[:16]
