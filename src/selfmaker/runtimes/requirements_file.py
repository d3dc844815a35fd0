"""A requirements.txt, read with all that it refers to, as pip reads it.

What comes out no longer depends on where the files are: nested files are in line, relative paths are absolute. Nothing
outside the source folder is read: in a container there would be no such file either.
"""

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from selfmaker.errors import Invalid

CODE_IN_JOB = "/opt/ml/code"  # where the source folder is in the job, so that absolute paths may name it
MOST_LOCAL_BYTES = 256 * 1024 * 1024

_COMMENT = re.compile(r"(^|\s)#.*$")
_FIXED_VCS = re.compile(r"@[0-9a-f]{40}(?:[#?]|$)")
_SHORT = {"-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-f": "--find-links", "-i": "--index-url"}
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")


@dataclass
class Requirements:
    """``lines`` and ``constraints`` are files' worth of lines. ``local``: paths whose content is part of what is asked
    for. ``fixed`` is false when the same text may mean something else tomorrow (a branch of a repository)."""

    lines: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    local: list[Path] = field(default_factory=list)
    fixed: bool = True
    own_index: bool = False

    @property
    def empty(self) -> bool:
        return not any(not line.startswith("-") for line in self.lines)

    def digest(self, key: str) -> str:
        """A hash of ``key`` and all that is asked for, local files' content included."""
        total = hashlib.sha256("\0".join([key, *self.lines, "-c", *self.constraints]).encode())
        for path in self.local:
            _add(total, path)
        return total.hexdigest()


def read(path: Path) -> Requirements:
    """Raises Invalid, naming file and line."""
    requirements = Requirements()
    _Reader(path.parent.resolve(), requirements).read(path, requirements.lines)
    return requirements


class _Reader:
    def __init__(self, source: Path, into: Requirements) -> None:
        self._source = source
        self._into = into
        self._open: list[Path] = []

    def read(self, path: Path, lines: list[str]) -> None:
        if path in self._open:
            return
        self._open.append(path)
        for number, line in _logical_lines(_text(path)):
            self._line(line, path, number, lines)
        self._open.pop()

    def _line(self, line: str, path: Path, number: int, lines: list[str]) -> None:
        if not line.startswith("-"):
            lines.append(self._requirement(line, path, number))
            return
        name, value = _option(line)
        if name in ("--requirement", "--constraint"):
            if "://" in value:
                self._into.fixed = False
                lines.append(f"{name} {value}")
                return
            target = self._inside(value, path.parent, path, number)
            self.read(target, lines if name == "--requirement" else self._into.constraints)
        elif name == "--editable":
            lines.append(self._requirement(value, path, number))
        elif name == "--find-links" and "://" not in value:
            target = self._inside(value, self._source, path, number)
            self._into.local.append(target)
            lines.append(f"--find-links {target}")
        else:
            self._into.own_index |= name in ("--index-url", "--no-index")
            lines.append(line)

    def _requirement(self, line: str, path: Path, number: int) -> str:
        """The line with local paths made absolute; a path to a folder is installed, not linked to."""
        bare = line.partition(";")[0].strip()
        name, at, target = (part.strip() for part in bare.partition("@"))
        if at and not re.fullmatch(r"[\w.-]+(\[[\w,\s.-]*\])?", name):
            name, at, target = "", "", bare
        elif not at:
            target = bare
        if "+" in target.partition("://")[0] and "://" in target:
            self._into.fixed &= _FIXED_VCS.search(target) is not None
            return line
        where = target.removeprefix("file://").removeprefix("localhost") if target.startswith("file:") else target
        extras = re.search(r"\[[\w,\s.-]*\]$", where)
        where = where[: extras.start()] if extras else where
        if not target.startswith("file:") and ("://" in target or not self._is_path(where)):
            return line
        found = self._inside(where, self._source, path, number)
        self._into.local.append(found)
        marker = line[line.index(";") :] if ";" in line else ""
        place = f"{name} @ {found.as_uri()}" if at else f"{found}{extras[0] if extras else ''}"
        return f"{place} {marker}".strip()

    def _is_path(self, text: str) -> bool:
        return text == "." or text.startswith(("./", "../", "/")) or "/" in text or text.endswith(_ARCHIVES)

    def _inside(self, text: str, base: Path, path: Path, number: int) -> Path:
        below = text[len(CODE_IN_JOB) :].lstrip("/") if f"{text}/".startswith(f"{CODE_IN_JOB}/") else None
        target = Path(os.path.realpath(self._source / below if below is not None else base / text))
        if not target.is_relative_to(self._source):
            raise Invalid(f"{path.name}, line {number}: {text} is outside the source folder")
        if not target.exists():
            raise Invalid(f"{path.name}, line {number}: there is no {text} in the source folder")
        return target


def _option(line: str) -> tuple[str, str]:
    """``-rfile``, ``-r file``, ``--requirement=file`` -> (``--requirement``, ``file``)."""
    if line[:2] in _SHORT:
        name, value = _SHORT[line[:2]], line[2:].lstrip(" =")
    else:
        name, value = [*re.split(r"[=\s]", line, maxsplit=1), ""][:2]
    return name, value.strip().strip("\"'")


def _text(path: Path) -> str:
    """Windows' shells write UTF-16 when they redirect ``pip freeze``."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Invalid(f"{path.name} cannot be read: {error.strerror}") from None
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """(number of the first line, line) without comments and blank lines; a backslash at the end joins lines."""
    found: list[tuple[int, str]] = []
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw if pending or not raw.lstrip().startswith("#") else ""
        start = start if pending else number
        if line.rstrip().endswith("\\"):
            pending += line.rstrip()[:-1] + " "
            continue
        whole = _COMMENT.sub("", pending + line).strip()
        pending = ""
        if whole:
            found.append((start, whole))
    if pending.strip():
        found.append((start, pending.strip()))
    return found


def _add(total: "hashlib._Hash", path: Path) -> None:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    size = sum(file.stat().st_size for file in files)
    if size > MOST_LOCAL_BYTES:
        raise Invalid(f"{path.name}: local packages of {size:,} bytes are too many; the most is {MOST_LOCAL_BYTES:,}")
    for file in files:
        total.update(str(file.relative_to(path.parent)).encode() + b"\0")
        total.update(hashlib.sha256(file.read_bytes()).digest())
