"""Hugging Face's images on PyTorch: ``huggingface-pytorch-training`` and ``huggingface-pytorch-inference``.

Their tags name PyTorch and transformers: ``2.6.0-transformers4.51.3-cpu-py312-ubuntu22.04``.
"""

import re
from dataclasses import replace
from pathlib import Path

from selfmaker.runtimes.base import Command, EnvironmentRequest, ImageReference
from selfmaker.runtimes.pytorch import Pytorch

REPOSITORIES = ("huggingface-pytorch-training", "huggingface-pytorch-inference")
NEWEST = "4.56.2"
COMPANIONS = ("accelerate", "datasets>=3", "sentencepiece")

# Of transformers before these releases: they read their own requirements as packaging did then, and use names of
# NumPy's that it has no more.
_OF_THEIR_TIME = (((4, 6), "packaging<22"), ((4, 26), "numpy<1.24"))
_TRANSFORMERS = re.compile(r"transformers(\d+\.\d+\.\d+)")


class Huggingface:
    """See Runtime. PyTorch's environment of that release, with transformers at the tag's own version."""

    name = "huggingface"
    description = f"{' or '.join(REPOSITORIES)} (any version of transformers, on PyTorch's releases)"

    def matches(self, image: ImageReference) -> bool:
        return image.repository in REPOSITORIES

    def environment(self, image: ImageReference) -> EnvironmentRequest:
        told = _TRANSFORMERS.search(image.tag)
        version = told.group(1) if told else NEWEST
        base = Pytorch().environment(image)
        note = f"the image's tag names no version of transformers: {version} stands for it"
        return replace(
            base,
            name=f"huggingface-{version}-{base.name}",
            requirements=(f"transformers=={version}", *base.requirements, *COMPANIONS, *_of_its_time(version)),
            notes=base.notes if told or not image.tag else (*base.notes, note),
        )

    def algorithm(self, image: ImageReference, python: Path) -> Command | None:
        return None


def _of_its_time(version: str) -> tuple[str, ...]:
    release = tuple(int(part) for part in version.split(".")[:2])
    return tuple(requirement for before, requirement in _OF_THEIR_TIME if release < before)
