"""uv as a subprocess, in an environment of our making."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from selfmaker.errors import Unavailable
from selfmaker.runtimes import pip_configuration
from selfmaker.runtimes.base import Log
from selfmaker.settings import inherited_environment

PATIENCE = 3600.0  # seconds for one command: a cold cache behind a slow line
TAIL = 25  # lines of output that an error quotes

_NAMES = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "NETRC", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy",
    "https_proxy", "all_proxy", "no_proxy", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME",
    "PYENV_ROOT",
)  # fmt: skip
_PREFIXES = ("PIP_", "UV_", "GIT_")
# What would make uv work on another environment than the one that it is given.
_DROPPED = ("UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_BREAK_SYSTEM_PACKAGES", "UV_PROJECT_ENVIRONMENT", "UV_WORKING_DIR")
_DROPPED_PIP = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON", "PIP_REQUIRE_VIRTUALENV")

_UNREACHABLE = re.compile(
    r"error sending request|failed to fetch|dns error|connection refused|timed out|network is unreachable"
    r"|name or service not known|could not connect|certificate|proxyerror|newconnectionerror",
    re.IGNORECASE,
)
_SHOWN = re.compile(r"^(Downloading|Building|Prepared|Installed|Resolved|warning|error|Updat)", re.IGNORECASE)


class CommandError(Exception):
    """A command ended with an error; ``output`` is all that it wrote."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output

    @property
    def tail(self) -> str:
        return "\n".join(self.output.strip().splitlines()[-TAIL:])

    @property
    def unreachable(self) -> bool:
        """Whether it failed because a package index (or what is on the way to it) could not be reached."""
        return _UNREACHABLE.search(self.output) is not None


class Uv:
    """Thread safe. ``folder`` is where environments are built: the cache must be on its file system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.inherited = {
            name: value
            for name, value in inherited_environment(_NAMES, _PREFIXES).items()
            if name not in _DROPPED + _DROPPED_PIP
        }
        self.sources = pip_configuration.sources(self.inherited)

    @property
    def managed(self) -> Path:
        """Where Python interpreters are fetched to."""
        return self._folder / ".pythons"

    def fetch_python(self, minor: str, log: Log) -> None:
        """Fetch an interpreter of that version. Fails soon where it can't be had. Raises CommandError."""
        if self.inherited.get("UV_PYTHON_DOWNLOADS") in ("never", "manual", "0", "false"):
            raise CommandError("downloads of Python are turned off (UV_PYTHON_DOWNLOADS)")
        variables = {
            "UV_PYTHON_INSTALL_DIR": str(self.managed),
            "UV_PYTHON_DOWNLOADS": "automatic",
            "UV_HTTP_RETRIES": "0",
            "UV_HTTP_TIMEOUT": "20",
        }
        self.run(("python", "install", minor, "--no-bin"), log, variables, patience=300.0)

    def create(self, folder: Path, interpreter: Path, log: Log) -> None:
        """A virtual environment that can be moved. Raises CommandError."""
        self.run(("venv", "--quiet", "--relocatable", "--no-project", "--python", str(interpreter), str(folder)), log)

    def install(self, python: Path, arguments: Sequence[str], log: Log, *, own_index: bool = False) -> None:
        """``uv pip install`` into the environment of ``python``. Where the index can't be reached, what the cache holds
        has to do. ``own_index``: the arguments' files name the index, which goes before the configured ones.

        Raises CommandError, or Unavailable when the cache doesn't do.
        """
        configured = self.sources.links if own_index else self.sources.arguments
        command = (
            *("pip", "install", "--python", str(python), "--index-strategy", "unsafe-best-match"),
            *configured,
            *arguments,
        )
        try:
            self.run(command, log)
        except CommandError as failed:
            if not failed.unreachable:
                raise
            try:
                self.run((*command, "--offline"), lambda line: None)
            except CommandError:
                raise Unavailable(
                    f"a package index cannot be reached, and uv's cache lacks what is needed:\n{failed.tail}"
                ) from None
            log("The package index cannot be reached; uv's cache had all that was needed.")

    def run(
        self,
        arguments: Sequence[str],
        log: Log,
        variables: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Run uv; the lines that tell people something go to ``log`` as they come. Raises CommandError."""
        run_logged((str(find_uv()), *arguments), self.environment(variables), log, patience)

    def environment(self, variables: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of a command."""
        ours = {
            "UV_LINK_MODE": "hardlink",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_PYTHON_INSTALL_DIR": str(self.managed),
            "NO_COLOR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }
        cache = self._cache()
        if cache is not None:
            ours["UV_CACHE_DIR"] = str(cache)
        return {**self.inherited, **self.sources.variables, **ours, **(variables or {})}

    def _cache(self) -> Path | None:
        """A cache of our own where uv's cannot be written, or is out of hard links' reach: on another file system."""
        home = self.inherited.get("HOME", "")
        default = self.inherited.get("UV_CACHE_DIR") or Path(
            self.inherited.get("XDG_CACHE_HOME") or Path(home or "/nonexistent", ".cache"), "uv"
        )
        place = _existing(Path(default).expanduser())
        same = place.stat().st_dev == _existing(self._folder).stat().st_dev
        return None if same and os.access(place, os.W_OK) else self._folder / ".cache"


def find_uv() -> Path:
    """The uv that came with selfmaker, else the one on the PATH. Raises Unavailable."""
    try:
        import uv

        return Path(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        pass
    path = shutil.which("uv")
    if path is None:
        raise Unavailable("uv is missing, which builds the environments of framework images: pip install uv")
    return Path(path)


def run_logged(command: Sequence[str], environment: Mapping[str, str], log: Log, patience: float) -> None:
    """Run a command to its end. Raises CommandError, also after ``patience`` seconds."""
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        alarm = threading.Timer(patience, process.kill)
        alarm.start()
        lines: list[str] = []
        try:
            for line in process.stdout:
                lines.append(line)
                if _SHOWN.match(line):
                    log(line.rstrip())
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            expired = not alarm.is_alive()
            alarm.cancel()
    if code != 0:
        late = f"\nended after {patience:g} seconds" if expired else ""
        raise CommandError("".join(lines) + late)


def _existing(path: Path) -> Path:
    """The nearest folder at or above ``path`` that exists."""
    while not path.exists():
        path = path.parent
    return path
