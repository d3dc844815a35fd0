"""What this machine has of what jobs need: one small function for each line that ``selfmaker doctor`` prints."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from selfmaker.client import server
from selfmaker.errors import SelfmakerError
from selfmaker.settings import Settings

GIB = 1024**3
_PATIENCE = 30
"""Seconds that a program may take to say what it is; uv starts every Python that it finds."""


@dataclass(frozen=True)
class Finding:
    """One line. ``state``: ok; lacking (most jobs run, something works less well or not at all); broken (none runs)."""

    check: str
    state: str
    found: str
    remedy: str | None = None


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, in the order in which they matter."""
    yield _python()
    yield _home(settings.home)
    yield _disk(settings.home)
    yield _sandbox(settings)
    yield _copy_on_write()
    yield from _uv()
    yield _port(settings)
    yield _cores(settings)
    yield _container_engine()
    yield _gpus()


def _python() -> Finding:
    return Finding("python", "ok", f"{sys.version.split()[0]} ({sys.executable})")


def _home(home: Path) -> Finding:
    place = _existing(home)
    if os.access(place, os.W_OK | os.X_OK) and place.is_dir():
        return Finding("home", "ok", str(home) if place == home else f"{home} (not made yet)")
    remedy = "choose another folder with --home or SELFMAKER_HOME"
    return Finding("home", "broken", f"{place} cannot be written to", remedy)


def _disk(home: Path) -> Finding:
    free = shutil.disk_usage(_existing(home)).free
    found = f"{free / GIB:.1f} GiB free"
    if free >= 10 * GIB:
        return Finding("disk", "ok", found)
    remedy = f"make room below {_existing(home)}, or move the home: environments of framework images take some GiB"
    return Finding("disk", "lacking" if free >= GIB else "broken", found, remedy)


def _sandbox(settings: Settings) -> Finding:
    """Runs a job's essence: a program with a file system of its own."""
    if sys.platform != "linux":
        return Finding("sandbox", "broken", f"{sys.platform} has no namespaces", "run selfmaker on Linux, in a VM say")
    from selfmaker.executors.process import ProcessExecutor
    from selfmaker.executors.protocol import RunSpec

    with tempfile.TemporaryDirectory(prefix="selfmaker-doctor-") as scratch, open(os.devnull, "wb") as output:  # noqa: PTH123
        spec = RunSpec(("true",), {"PATH": "/usr/bin:/bin"}, "/", Path(scratch))
        try:
            ended = ProcessExecutor(settings.sandbox).start(spec, output.fileno()).wait(_PATIENCE)
        except SelfmakerError as error:
            found, _, remedy = error.message.partition(" Remedies: ")
            return Finding("sandbox", "broken", found.rstrip("."), remedy or "run selfmaker as root")
    if ended is None or ended.code != 0:
        why = "has not ended" if ended is None else ended.launch_error or f"ended with {ended.code}"
        return Finding("sandbox", "broken", f"a program in it {why}", "report it with the output of `selfmaker doctor`")
    return Finding("sandbox", "ok", f"jobs are isolated ({settings.sandbox})")


def _copy_on_write() -> Finding:
    try:
        known = "overlay" in Path("/proc/filesystems").read_text().split()
    except OSError:
        known = False
    if known:
        return Finding("copy-on-write", "ok", "overlayfs")
    remedy = "load it with `sudo modprobe overlay`; until then a job's inputs are copied"
    return Finding("copy-on-write", "lacking", "the kernel offers no overlayfs", remedy)


def _uv() -> Iterator[Finding]:
    program = _uv_program()
    version = None if program is None else _output(program, "--version")
    if program is None or version is None:
        yield Finding("uv", "broken", "not found", "install it: pip install uv")
        return
    yield Finding("uv", "ok", version)
    versions = _python_versions(program)
    remedy = None if versions else "uv python install 3.10 3.11 3.12"
    found = ", ".join(versions) or "none; uv fetches them when it can"
    yield Finding("python versions", "ok" if versions else "lacking", found, remedy)


def _uv_program() -> str | None:
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return shutil.which("uv")


def _python_versions(uv: str) -> list[str]:
    text = _output(uv, "python", "list", "--only-installed", "--output-format", "json")
    try:
        parts = [found["version_parts"] for found in json.loads(text or "[]")]
        return [f"{major}.{minor}" for major, minor in sorted({(p["major"], p["minor"]) for p in parts})]
    except (ValueError, KeyError, TypeError):
        return []


def _port(settings: Settings) -> Finding:
    where = f"{settings.host}:{settings.port}"
    running = server.find(settings.home)
    if running is not None:
        return Finding("port", "ok", f"a server answers on {running.connection.endpoint_url}")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            remedy = "choose another with `selfmaker up --port N`; `selfmaker run` takes a free one by itself"
            return Finding("port", "lacking", f"{where}: {error.strerror or error}", remedy)
    return Finding("port", "ok", f"{where} is free")


def _cores(settings: Settings) -> Finding:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return Finding("cores", "ok", f"{os.cpu_count()} cores, {memory:.1f} GiB of memory, {settings.slots} job slots")


def _container_engine() -> Finding:
    for engine in ("docker", "podman"):
        version = _output(engine, "version", "--format", "{{.Server.Version}}") if shutil.which(engine) else None
        if version:
            return Finding("container engine", "ok", f"{engine} {version}")
    installed = next((engine for engine in ("docker", "podman") if shutil.which(engine)), None)
    if installed:
        remedy = f"start its service, or add yourself to its group; `{installed} version` says what is wrong"
        return Finding("container engine", "lacking", f"{installed} does not answer", remedy)
    remedy = "install docker or podman, for images other than the framework images"
    return Finding("container engine", "lacking", "none", remedy)


def _gpus() -> Finding:
    text = _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    if text:
        return Finding("gpus", "ok", "; ".join(line.strip() for line in text.splitlines()))
    if any(Path("/proc/driver/nvidia/gpus").glob("*")):
        return Finding("gpus", "lacking", "there, but nvidia-smi is not", "install nvidia-utils, as new as the driver")
    return Finding("gpus", "ok", "none; jobs run on the cores")


def _existing(path: Path) -> Path:
    """The nearest folder that exists, upwards."""
    return next((place for place in (path, *path.parents) if place.exists()), Path("/"))


def _output(*command: str) -> str | None:
    """What a program prints, or None when it fails, is missing or takes too long."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
