"""How an environment is made, in a folder that its maker then moves into place. Imported only when one is missing."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from selfmaker.errors import Invalid, Unavailable
from selfmaker.runtimes import cpu_builds, interpreters
from selfmaker.runtimes.base import EnvironmentRequest, Log
from selfmaker.runtimes.installed import distributions, python_files
from selfmaker.runtimes.interpreters import Interpreter
from selfmaker.runtimes.requirements_file import Requirements
from selfmaker.runtimes.uv import CommandError, Uv, run_logged

# Compiling these takes many minutes, and compilers that most machines lack.
NEVER_COMPILED = ("numpy", "scipy", "pandas", "scikit-learn", "xgboost", "pyarrow", "matplotlib", "lightgbm")
MOST_PYTHONS = 3  # that are tried with the image's own versions


@dataclass(frozen=True)
class Made:
    """What was installed, and how it differs from what was asked for."""

    python: str
    base: str
    packages: dict[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Attempt:
    interpreter: Interpreter
    exact: bool


def build(request: EnvironmentRequest, folder: Path, uv: Uv, log: Log) -> Made:
    """Make the environment of an image in ``folder``, which doesn't exist. Raises Unavailable, with what was tried."""
    failures: list[str] = []
    for variant in cpu_builds.variants(request, cpu_builds.folders(uv.inherited, uv.sources.links)):
        try:
            attempt = _first_that_installs(variant, folder, uv, log, failures)
        except Unavailable as unreachable:
            if not variant.cpu_builds:
                raise
            why = unreachable.message.strip().splitlines()[-1].strip()
            log(f"No builds of {request.cpu_builds[0]} for the CPU can be fetched: {why}")
            continue
        if attempt is not None:
            _point_at(folder, attempt.interpreter)
            return _made(replace(request, notes=variant.notes), attempt, folder, log)
    tried = "\n".join(failures) or "nothing, for there is no usable Python: install one, by: uv python install 3.10"
    raise Unavailable(f"the environment {request.name} cannot be built here. Tried {tried}")


def _first_that_installs(
    request: EnvironmentRequest, folder: Path, uv: Uv, log: Log, failures: list[str]
) -> _Attempt | None:
    """The attempt whose installation is in ``folder``; what became of those before it is added to ``failures``."""
    for attempt in _attempts(request, uv, log):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            uv.create(folder, attempt.interpreter.executable, log)
            _install(request, attempt, folder, uv, log)
        except CommandError as failed:
            how = "exactly" if attempt.exact else "nearly"
            failures.append(f"{how}, with Python {attempt.interpreter.version}:\n{failed.tail}")
            continue
        return attempt
    return None


def extend(base: Path, made: Made, requirements: Requirements, folder: Path, uv: Uv, log: Log) -> Made:
    """Make in ``folder`` what ``pip install -r`` would make of the environment ``base``. Raises Invalid with the
    installer's own words."""
    shutil.copytree(base, folder, symlinks=True, copy_function=_link)
    before = distributions(folder)
    files = _written(requirements, folder)
    python = folder / "bin" / "python"
    only = ("--only-binary", ",".join(NEVER_COMPILED))
    command = [item for path in files for item in path]
    try:
        uv.install(python, (*_uv_only_binary(), *command), log, own_index=requirements.own_index)
    except CommandError as failed:
        log("uv could not install this requirements.txt; trying pip.")
        pip = (str(python), "-m", "pip", "install", "--no-compile", "--prefer-binary", *only, *command)
        try:
            run_logged(pip, uv.environment(), log, 3600.0)
        except CommandError as again:
            said = (failed if "No module named pip" in again.output else again).tail
            for _, name in files:
                said = said.replace(name, "requirements.txt")
            raise Invalid(f"InstallRequirementsError: requirements.txt cannot be installed:\n{said}") from None
    finally:
        for _, name in files:
            Path(name).unlink(missing_ok=True)
    after = distributions(folder)
    changed = [path for name, path in after.paths.items() if before.paths.get(name) != path]
    compile_files(python, [file for path in changed for file in python_files(path)])
    for name, version in after.versions.items():
        if before.versions.get(name) != version:
            log(f"Installed {name} {version}" + (f" (was {before.versions[name]})" if name in before.versions else ""))
    return replace(made, packages=after.versions)


def compile_files(python: Path, files: Sequence[Path]) -> None:
    """Write bytecode; what does not compile (templates, code for other versions) is passed over. Tests are left out:
    they are half of the files, and no job imports them."""
    wanted = [str(file) for file in files if not {"tests", "test", "testing"} & set(file.parts)]
    if wanted:
        subprocess.run(
            [python, "-I", "-m", "compileall", "-q", "-j", "1" if len(wanted) < 200 else "0", "-i", "-"],
            input="\n".join(wanted),
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def settle(folder: Path, final: Path) -> None:
    """Scripts that name the folder of the making name the final one."""
    before, after = f"#!{folder}/".encode(), f"#!{final}/".encode()
    for script in (folder / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            with script.open("rb") as file:
                if file.read(len(before)) != before:
                    continue
            content = script.read_bytes()
            mode = script.stat().st_mode
            script.unlink()  # it may be a hard link
            script.write_bytes(after + content[len(before) :])
            script.chmod(mode)


def _attempts(request: EnvironmentRequest, uv: Uv, log: Log) -> Iterator[_Attempt]:
    """The image's Python with the image's versions; then other Pythons with them; then versions as near as can be had,
    from the image's Python on."""
    wanted = max(interpreters.parse_minor(request.python), interpreters.OLDEST)
    candidates = list(interpreters.found(uv.inherited, uv.managed))
    if wanted not in {minor for minor, _ in candidates}:
        text = ".".join(map(str, wanted))
        log(f"Python {text} is not on this machine: fetching it.")
        try:
            uv.fetch_python(text, log)
            candidates = list(interpreters.found(uv.inherited, uv.managed))
        except CommandError as failed:
            log(f"Python {text} cannot be fetched: {(failed.output.strip().splitlines() or ['?'])[0].strip()}")
    usable: list[Interpreter] = []
    for minor in interpreters.by_nearness(wanted, {minor for minor, _ in candidates}):
        working = _first_working(path for candidate, path in candidates if candidate == minor)
        if working is not None:
            usable.append(working)
            if len(usable) <= MOST_PYTHONS:
                yield _Attempt(working, exact=True)
    if not any("==" in item for item in request.requirements):
        return
    for interpreter in usable:
        yield _Attempt(interpreter, exact=False)


def _first_working(paths: Iterator[Path]) -> Interpreter | None:
    return next((found for path in paths if (found := interpreters.probe(path)) is not None), None)


def _install(request: EnvironmentRequest, attempt: _Attempt, folder: Path, uv: Uv, log: Log) -> None:
    python = folder / "bin" / "python"
    binary = _uv_only_binary() if request.compiles else ("--only-binary", ":all:")
    arguments = [*binary, *_without(request, folder)]
    if request.cpu_builds:
        arguments += cpu_builds.FROM_PYTORCH
    exact = [item for item in request.requirements if "==" in item]
    other = [item for item in request.requirements if "==" not in item]
    if attempt.exact:
        log(f"Building the environment {request.name} with Python {attempt.interpreter.version}.")
        uv.install(python, (*arguments, *exact, *other), log)
        return
    log(f"Building {request.name} with Python {attempt.interpreter.version} and the nearest versions that can be had.")
    near = [item.replace("==", ">=") for item in exact]
    uv.install(python, (*arguments, "--resolution", "lowest-direct", *near), log)
    uv.install(python, (*arguments, *near, *other), log)


def _without(request: EnvironmentRequest, folder: Path) -> tuple[str, ...]:
    """uv leaves a dependency out when an override never applies."""
    if not request.without:
        return ()
    path = folder / "overrides.txt"
    path.write_text("".join(f"{name} ; python_version < '3'\n" for name in request.without))
    return ("--overrides", str(path))


def _made(request: EnvironmentRequest, attempt: _Attempt, folder: Path, log: Log) -> Made:
    (folder / "overrides.txt").unlink(missing_ok=True)
    found = distributions(folder)
    log("Compiling bytecode.")
    compile_files(folder / "bin" / "python", [file for path in found.paths.values() for file in python_files(path)])
    interpreter = attempt.interpreter
    notes = list(request.notes)
    if interpreter.minor != request.python:
        notes.append(f"the image has Python {request.python}; here it is {interpreter.version}")
    for requirement in request.requirements:
        name, pinned, version = requirement.partition("==")
        got = found.versions.get(name, "")
        if pinned and got.partition("+")[0] != version:
            notes.append(f"the image has {name} {version}; here it is {got or 'missing'}")
    return Made(interpreter.version, str(interpreter.base), found.versions, tuple(notes))


def _point_at(folder: Path, interpreter: Interpreter) -> None:
    """Make the environment name the real interpreter, by no link outside of its installation."""
    link = folder / "bin" / "python"
    link.unlink()
    link.symlink_to(interpreter.executable)
    configuration = folder / "pyvenv.cfg"
    lines = [
        f"home = {interpreter.executable.parent}" if line.startswith("home") else line
        for line in configuration.read_text().splitlines()
    ]
    configuration.write_text("\n".join(lines) + "\n")


def _written(requirements: Requirements, folder: Path) -> list[tuple[str, str]]:
    """The files for the installer, for its owner only (an index URL may hold a password), as pairs of arguments."""
    pairs = [("--requirement", requirements.lines)]
    if requirements.constraints:
        pairs.append(("--constraint", requirements.constraints))
    arguments = []
    for option, lines in pairs:
        path = folder / f"selfmaker{option}.txt"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        arguments.append((option, str(path)))
    return arguments


def _uv_only_binary() -> tuple[str, ...]:
    return tuple(item for name in NEVER_COMPILED for item in ("--only-binary", name))


def _link(source: str, target: str) -> None:
    """A hard link, where the file system and the file's owner allow one."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
