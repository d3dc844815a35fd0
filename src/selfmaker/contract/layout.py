"""The folder tree that a job sees as ``/opt/ml``.

Imported by the supervisor: only light parts of the standard library.
"""

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
