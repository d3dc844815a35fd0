"""Releases of which we have one for each minor version: ``2.14.0`` and ``2.14`` mean the one that is ``2.14.1``."""

import re
from collections.abc import Sequence

from selfmaker.runtimes.base import ImageReference
from selfmaker.runtimes.images import Release, nearest

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


def of_minor(releases: Sequence[Release], tag: str) -> Release:
    """The release of the tag's minor version, else the newest one before it, else the oldest."""
    wanted = _VERSION.match(tag)
    same = [release for release in releases if wanted and _minor(release.version) == wanted.groups()[:2]]
    return same[-1] if same else nearest(releases, tag)


def stands_for(release: Release, image: ImageReference) -> tuple[str, ...]:
    """The note that a release is another than the image's; none where it is the same."""
    asked, own = _VERSION.match(image.tag), _VERSION.match(release.version)
    if not image.tag or (asked and own and asked.groups()[:2] == own.groups()[:2] and asked[3] in (None, own[3])):
        return ()
    return (f"there is no release {image.tag} of {image.repository} here: {release.version} stands for it",)


def _minor(version: str) -> tuple[str | None, ...]:
    match = _VERSION.match(version)
    return match.groups()[:2] if match else ()
