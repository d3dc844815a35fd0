"""Python interpreters on this machine: found without running what is found, so that version managers' shims, which are
scripts that fail or install something, are never called.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Minor = tuple[int, int]

OLDEST: Minor = (3, 8)  # what our own programs inside the environments run on
NEWEST_LOOKED_FOR = 20

_PROBE = """
import sys
import bz2, ctypes, lzma, ssl, zlib
sys.stdout.write('{"version": "%d.%d.%d", "base": "%s"}' % (sys.version_info[:3] + (sys.base_prefix,)))
"""


@dataclass(frozen=True)
class Interpreter:
    """A working interpreter: its real path, its whole version, and the folder of its installation."""

    executable: Path
    version: str
    base: Path

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])


def parse_minor(text: str) -> Minor:
    """``3.10`` or ``3.10.13`` -> (3, 10)."""
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


def found(environment: Mapping[str, str], managed: Path) -> Iterator[tuple[Minor, Path]]:
    """Candidates, the likeliest to be whole first; the same version may come more than once. ``managed`` is the folder
    into which uv fetches interpreters for us."""
    home = Path(environment.get("HOME") or Path.home())
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    uv = environment.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python"
    pyenv = Path(environment.get("PYENV_ROOT") or home / ".pyenv")
    yield sys.version_info[:2], Path(getattr(sys, "_base_executable", sys.executable))
    folders: list[Path] = [managed / name for name in _sorted(managed)]
    folders += [Path(uv, name) for name in _sorted(Path(uv))]
    folders += [pyenv / "versions" / name for name in _sorted(pyenv / "versions")]
    search = [folder / "bin" for folder in folders]
    search += [Path(part) for part in environment.get("PATH", "").split(":") if part.startswith("/")]
    search += [Path("/usr/local/bin"), Path("/usr/bin")]
    for folder in dict.fromkeys(search):
        for number in range(OLDEST[1], NEWEST_LOOKED_FOR):
            path = folder / f"python3.{number}"
            if _is_program(path):
                yield (3, number), path


def probe(executable: Path) -> Interpreter | None:
    """The interpreter, or None where it doesn't run or was built without the modules that wheels take for granted."""
    real = executable.resolve()
    try:
        result = subprocess.run([real, "-I", "-S", "-c", _PROBE], capture_output=True, timeout=30, check=True)
        told = json.loads(result.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(real, told["version"], Path(told["base"]).resolve())


def by_nearness(wanted: Minor, candidates: set[Minor]) -> list[Minor]:
    """The wanted version, then newer ones from the nearest, then older ones from the nearest: wheels of a package are
    found more often for a Python somewhat newer than the package than for one older."""
    usable = [candidate for candidate in candidates if candidate >= OLDEST]
    newer = sorted(candidate for candidate in usable if candidate >= wanted)
    return newer + sorted((candidate for candidate in usable if candidate < wanted), reverse=True)


def _is_program(path: Path) -> bool:
    """A real executable: shims are scripts."""
    try:
        with path.open("rb") as file:
            return file.read(2) != b"#!" and bool(path.stat().st_mode & 0o111)
    except OSError:
        return False


def _sorted(folder: Path) -> list[str]:
    """Newest first, as far as names tell."""
    try:
        return sorted((entry.name for entry in folder.iterdir()), reverse=True)
    except OSError:
        return []
