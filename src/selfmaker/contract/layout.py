"""The folder tree that a job sees as ``/opt/ml``.

Imported by the supervisor: only light parts of the standard library.
"""

import os
import stat
from pathlib import Path

ROOT = "/opt/ml"


class Layout:
    """The parts of one host's ``/opt/ml``, below ``root`` on the host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "input" / "config"
        self.data = root / "input" / "data"
        self.model = root / "model"
        self.code = root / "code"
        self.output = root / "output"
        self.output_data = root / "output" / "data"
        self.failure = root / "output" / "failure"
        self.checkpoints = root / "checkpoints"

    def create(self) -> None:
        """Make the folders that a training job finds."""
        folders = (self.config, self.data, self.model, self.code, self.output_data, self.checkpoints)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)

    def at(self, path: str) -> Path:
        """Where the absolute path ``/opt/ml/...`` of the job is on the host. Raises ValueError for another path."""
        parts = Path(path).parts
        if parts[:3] != ("/", "opt", "ml") or ".." in parts:
            raise ValueError(path)
        return self.root.joinpath(*parts[3:])


def is_own(folder: Path) -> bool:
    """Whether a folder below ``/opt/ml`` is still the one that we made: a job may have put a symbolic link in its
    place, or in its parent's, that leads somewhere on the host."""
    return folder.is_dir() and not folder.is_symlink() and not folder.parent.is_symlink()


def read_start(path: Path, length: int) -> bytes | None:
    """The first bytes of an ordinary file that a job has written; None where there is no such file.

    Neither a symbolic link, which could lead to a file of the host's, nor a pipe, which would block us, is opened.
    """
    if not is_own(path.parent):
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(length) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
