"""A training script that only looks around: what a job sees ends up as probe.json in its model artifact."""

import json
import os
import socket
import sys
from pathlib import Path

ML = Path("/opt/ml")


def files() -> dict:
    """Every file below /opt/ml with the beginning of its text."""
    found = {}
    for path in sorted(ML.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                found[str(path.relative_to(ML))] = file.read(65536).decode("utf-8", "replace")
    return found


seen = {
    "argv": sys.argv,
    "environ": dict(os.environ),
    "cwd": str(Path.cwd()),
    "files": files(),
    "folders": sorted(str(path.relative_to(ML)) for path in ML.rglob("*") if path.is_dir()),
    "python": list(sys.version_info[:3]),
    "hostname": socket.gethostname(),
    "module": __name__,
    "package": __package__ or "",
}
model = Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
(model / "probe.json").write_text(json.dumps(seen))
print("probe: done")
