"""What a model that SDK v3's ModelBuilder has packed needs besides its requirements: the SDK's serving part.

Its ``inference.py`` is a file of the SDK's that imports ``sagemaker.serve``; the requirements that it finds for the
model have other parts of the SDK, of the same release.
"""

from collections.abc import Mapping
from pathlib import Path

PICKLE = "serve.pkl"
SERVING = "sagemaker-serve"
_TOGETHER = "sagemaker-train"  # has the same version


def sdk_of_model(code: Path, packages: Mapping[str, str]) -> str | None:
    """A requirement, or None for a model that is packed otherwise or has all it needs. ``packages``: what there is."""
    script = code / "inference.py"
    if not (code / PICKLE).is_file() or not script.is_file() or SERVING in packages:
        return None
    older = packages.get("sagemaker", "").partition(".")[0]
    if older in ("1", "2") or b"sagemaker.serve" not in script.read_bytes():
        return None
    version = packages.get(_TOGETHER)
    return f"{SERVING}=={version}" if version else SERVING
