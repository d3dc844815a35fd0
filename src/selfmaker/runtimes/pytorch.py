"""PyTorch's images: ``pytorch-training``, ``pytorch-inference``, and their names of the time before.

Versions and Pythons are those by which the SageMaker SDK knows the images, torchvision and torchaudio those that
PyTorch's own table of releases puts beside them. One environment stands for the images of training and inference of a
release. On a machine without a GPU it has builds for the CPU: those for GPUs bring gigabytes of CUDA.
"""

from pathlib import Path

from selfmaker.runtimes import gpus
from selfmaker.runtimes.base import Command, EnvironmentRequest, ImageReference
from selfmaker.runtimes.images import Release
from selfmaker.runtimes.minor_release import of_minor, stands_for
from selfmaker.runtimes.sklearn import COMMON

REPOSITORIES = ("pytorch-training", "pytorch-inference", "pytorch-inference-graviton", "sagemaker-pytorch")
COMPANIONS = ("joblib", "pandas", "pillow", "scikit-learn", "scipy")
BUILDS = ("torch", "torchvision", "torchaudio")  # that there are for the CPU and for GPUs


def _release(version: str, python: str, vision: str, *, numpy: str = "numpy<2") -> Release:
    audio = (f"torchaudio=={version}",) if version >= "2" else ()
    return Release(version, python, (f"torch=={version}", f"torchvision=={vision}", *audio, numpy))


RELEASES = (
    _release("1.5.0", "3.6", "0.6.0"),
    _release("1.6.0", "3.6", "0.7.0"),
    _release("1.7.1", "3.6", "0.8.2"),
    _release("1.8.1", "3.6", "0.9.1"),
    _release("1.9.1", "3.8", "0.10.1"),
    _release("1.10.2", "3.8", "0.11.3"),
    _release("1.11.0", "3.8", "0.12.0"),
    _release("1.12.1", "3.8", "0.13.1"),
    _release("1.13.1", "3.9", "0.14.1"),
    _release("2.0.1", "3.10", "0.15.2"),
    _release("2.1.0", "3.10", "0.16.0"),
    _release("2.2.0", "3.10", "0.17.0"),
    _release("2.3.0", "3.11", "0.18.0", numpy="numpy"),
    _release("2.4.0", "3.11", "0.19.0", numpy="numpy"),
    _release("2.5.1", "3.11", "0.20.1", numpy="numpy"),
    _release("2.6.0", "3.12", "0.21.0", numpy="numpy"),
    _release("2.7.1", "3.12", "0.22.1", numpy="numpy"),
    _release("2.8.0", "3.12", "0.23.0", numpy="numpy"),
)


class Pytorch:
    """See Runtime. These images have no algorithm of their own."""

    name = "pytorch"
    description = f"{' or '.join(REPOSITORIES[:2])} ({RELEASES[0].version} to {RELEASES[-1].version})"

    def matches(self, image: ImageReference) -> bool:
        return image.repository in REPOSITORIES

    def environment(self, image: ImageReference) -> EnvironmentRequest:
        release = of_minor(RELEASES, image.tag)
        gpu = gpus.present()
        return EnvironmentRequest(
            name=f"pytorch-{release.version}{'-gpu' if gpu else ''}",
            python=release.python,
            requirements=(*release.requirements, *COMPANIONS, *COMMON),
            notes=stands_for(release, image),
            cpu_builds=() if gpu else BUILDS,
        )

    def algorithm(self, image: ImageReference, python: Path) -> Command | None:
        return None
