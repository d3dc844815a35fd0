"""What is installed in an environment, read from its files."""

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Distributions:
    """Versions, and the ``.dist-info`` folders, by name in the form of package indexes (``scikit-learn``)."""

    versions: dict[str, str]
    paths: dict[str, Path]


def site_packages(prefix: Path) -> Path:
    """The environment's folder of packages."""
    return next((prefix / "lib").glob("python3.*")) / "site-packages"


def distributions(prefix: Path) -> Distributions:
    """All that is installed, by name in alphabetical order."""
    versions, paths = {}, {}
    for folder in site_packages(prefix).glob("*.dist-info"):
        name, version = _identity(folder)
        versions[name], paths[name] = version, folder
    order = sorted(versions)
    return Distributions({name: versions[name] for name in order}, {name: paths[name] for name in order})


def python_files(distribution: Path) -> list[Path]:
    """The modules of a distribution, as its RECORD lists them."""
    site = distribution.parent
    try:
        with (distribution / "RECORD").open(encoding="utf-8", newline="") as file:
            return [site / row[0] for row in csv.reader(file) if row and row[0].endswith(".py") and row[0][:3] != "../"]
    except OSError:
        return []


def _identity(folder: Path) -> tuple[str, str]:
    """Name and version by METADATA; the folder's name spells them less faithfully."""
    name, _, version = folder.name.removesuffix(".dist-info").partition("-")
    try:
        with (folder / "METADATA").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key == "Name":
                    name = value.strip()
                elif key == "Version":
                    version = value.strip()
                elif not line.strip():
                    break
    except OSError:
        pass
    return name.lower().replace("_", "-").replace(".", "-"), version
