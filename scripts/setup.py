"""Make the virtual environments that the Makefile's targets need, by name: ``setup.py dev sdk-v2 sdk-v3``.

Warm, this compares a few stamps. A stamp is a hash of what went in (requirements, interpreter, folder), written
only when the installation has ended well; an environment that was moved, half made or built by another Python is made
anew. Standard library only, in syntax as old as Python 3.6, so that an old interpreter is told what is wrong with it.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 10)
ENVIRONMENTS = {
    # name: folder, uv's arguments, the file whose text says when to install again
    "dev": (".venv", ["--editable", ".[dev]"], "pyproject.toml"),
    "sdk-v2": (".cache/sdk-v2", ["--requirement", "tests/sdk/v2/requirements.txt"], "tests/sdk/v2/requirements.txt"),
    "sdk-v3": (".cache/sdk-v3", ["--requirement", "tests/sdk/v3/requirements.txt"], "tests/sdk/v3/requirements.txt"),
}


class SetupError(Exception):
    """Setting up cannot go on; the text is what the person at the terminal reads first."""


def check_interpreter():
    """Raise SetupError, naming the Debian package, when this interpreter cannot make a virtual environment."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info < OLDEST:
        raise SetupError(
            f"Python 3.10 or newer is needed and this is {version}: apt-get install python3.11 python3.11-venv "
            "(as root), then run make with PYTHON=python3.11"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        is_default = Path("/usr/bin/python3").resolve() == Path(sys.executable).resolve()
        package = "python3-venv" if is_default else f"python{version}-venv"
        raise SetupError(
            f"Python's venv module is missing: apt-get install {package} (as root), then run make again"
        ) from None


def base_executable():
    """The interpreter that this one's virtual environment, if it is in one, was made from."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def wanted_stamp(folder, requirements):
    parts = [(ROOT / requirements).read_text(), str(folder), str(base_executable().resolve()), sys.version]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_current(folder, stamp):
    """True when nothing has to be done: the last installation was of just this, here, and its interpreter exists."""
    try:
        found = (folder / ".stamp").read_text()
    except OSError:
        return False
    return found == stamp and was_made_here(folder) and (folder / "bin" / "python").exists()


def is_sound(folder):
    """True when the folder's interpreter runs, is this Python version, and the environment was made in this place."""
    program = "import sys; print(sys.prefix, sys.version_info[0], sys.version_info[1])"
    command = [str(folder / "bin" / "python"), "-I", "-c", program]
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    expected = f"{folder} {sys.version_info[0]} {sys.version_info[1]}"
    return result.returncode == 0 and result.stdout.decode().strip() == expected and was_made_here(folder)


def was_made_here(folder):
    """True unless a script in the environment still names the folder that it was copied or moved from."""
    for name in ("pip", "uv", "pytest", "ruff", "selfmaker"):
        path = folder / "bin" / name
        if path.is_file():
            with path.open("rb") as file:
                first = file.readline()
            if first.startswith(b"#!") and b"python" in first and str(folder).encode() not in first:
                return False
    return True


def call(command):
    """Run a command quietly; when it fails, raise SetupError with its output, hosts of package indexes left out."""
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", UV_NO_PROGRESS="1")
    environment.pop("PYTHONHOME", None)
    environment.pop("VIRTUAL_ENV", None)
    result = subprocess.run(command, cwd=str(ROOT), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        output = re.sub(r"(\w+://)[^/\s]+", r"\1...", result.stdout.decode(errors="replace"))
        shown = " ".join(Path(part).name if part.startswith("/") else part for part in command[:4])
        raise SetupError(f"`{shown} ...` failed with exit code {result.returncode}:\n{output}")


def index_of_pip():
    """uv's option for the package index that pip is configured with: uv reads no pip.conf."""
    if any(name in os.environ for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX")):
        return []
    command = [str(ROOT / ".venv" / "bin" / "python"), "-m", "pip", "config", "get", "global.index-url"]
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().strip()
    url = os.environ.get("PIP_INDEX_URL") or found
    return ["--default-index", url] if url else []


def make(name):
    """Bring one environment up to date; a line on standard output when there was something to do."""
    relative, arguments, requirements = ENVIRONMENTS[name]
    folder = ROOT / relative
    stamp = wanted_stamp(folder, requirements)
    if is_current(folder, stamp):
        return
    started = time.monotonic()
    print(f"setting up {relative} ...", end=" ", flush=True)
    python, uv = folder / "bin" / "python", ROOT / ".venv" / "bin" / "uv"
    if not is_sound(folder):
        shutil.rmtree(str(folder), ignore_errors=True)
        without_pip = ["--without-pip"] if name != "dev" else []
        call([str(base_executable()), "-m", "venv", *without_pip, str(folder)])
    if name == "dev" and not uv.exists():
        call([str(python), "-m", "pip", "install", "--quiet", "uv"])
    call([str(uv), "pip", "install", "--quiet", "--python", str(python), *index_of_pip(), *arguments])
    (folder / ".stamp").write_text(stamp)
    print(f"{time.monotonic() - started:.1f} s", flush=True)


def main(names):
    try:
        check_interpreter()
        (ROOT / ".cache").mkdir(exist_ok=True)
        with (ROOT / ".cache" / "setup.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two makes at once: one sets up, the other waits for it
            for name in names:
                make(name)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
