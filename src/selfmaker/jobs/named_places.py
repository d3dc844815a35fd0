"""Folders and files that the server's own variables name, and that a job, which inherits the variables, has to see."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from selfmaker.executors.protocol import Access

NAMING = (
    *("PIP_FIND_LINKS", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_CONFIG_FILE"),
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
_SHOWN = ("/usr", "/etc", "/bin", "/lib", "/dev", "/proc", "/sys")  # by every sandbox, or never


def mounts(inherited: Mapping[str, str]) -> list[tuple[Path, str, Access]]:
    """Each at its own path, read-only. ``inherited``: never what a request says, which could name any file here."""
    found: dict[str, Path] = {}
    for name in NAMING:
        for place in inherited.get(name, "").split() if name == "PIP_FIND_LINKS" else [inherited.get(name, "")]:
            path = Path(unquote(urlsplit(place).path) if place.startswith("file:") else place)
            if path.is_absolute() and path != Path("/") and path.exists() and not _shown(path):
                found[str(path)] = path
    return [(path, target, Access.READ_ONLY) for target, path in found.items()]


def _shown(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _SHOWN)
