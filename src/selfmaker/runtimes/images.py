"""Image URIs taken apart, and the release of a framework that a tag means."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from selfmaker.runtimes.base import ImageReference

_TAG = re.compile(r"v?(\d+(?:\.\d+)*)(?:-(\d+)(?![\w.]))?")
_ANY_BUILD = 1 << 30


def parse_image(uri: str) -> ImageReference:
    """Any form that Docker reads: with or without a registry, a tag, a digest. A digest counts as no tag.

    Never raises: what makes no sense is a repository that no runtime knows.
    """
    name = uri.strip().partition("@")[0]
    first, slash, rest = name.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        name = rest
    repository, colon, tag = name.rpartition(":")
    return ImageReference(uri, repository, tag) if colon else ImageReference(uri, tag, "")


@dataclass(frozen=True)
class Release:
    """A published image: its version as its tag spells it (``1.4-2``), and what the image has installed."""

    version: str
    python: str
    requirements: tuple[str, ...]


def nearest(releases: Sequence[Release], tag: str) -> Release:
    """The release that ``tag`` names, else the newest one before it, else the oldest. ``releases`` are in order of age.

    ``1.4-2-cpu-py3`` names release ``1.4-2``, ``1.2`` the newest of ``1.2-1`` and ``1.2-2``; no tag, or one without a
    number, the newest of all.
    """
    wanted = _key(tag)
    if wanted is None:
        return releases[-1]
    before = [release for release in releases if (_key(release.version) or wanted) <= wanted]
    return before[-1] if before else releases[0]


def names(release: Release, tag: str) -> bool:
    """Whether ``tag`` means this very release."""
    wanted, own = _key(tag), _key(release.version)
    return wanted is not None and own is not None and wanted[0] == own[0] and wanted[1] in (own[1], _ANY_BUILD)


def _key(version: str) -> tuple[tuple[int, ...], int] | None:
    """Numbers that sort: (1, 4) and 2 for ``1.4-2``; without trailing zeros, ``1.0`` being ``1``."""
    match = _TAG.match(version)
    if match is None:
        return None
    numbers = [int(part) for part in match.group(1).split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), int(match.group(2) or _ANY_BUILD)
