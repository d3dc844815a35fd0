"""TensorFlow's images: ``tensorflow-training``, ``tensorflow-inference``, and their names of the time before.

Versions and Pythons are those by which the SageMaker SDK knows the images. One environment stands for the images of
training and inference of a release, and for those with a GPU where the machine has one.
"""

import platform
from pathlib import Path

from selfmaker.runtimes import gpus
from selfmaker.runtimes.base import Command, EnvironmentRequest, ImageReference
from selfmaker.runtimes.images import Release
from selfmaker.runtimes.minor_release import of_minor, stands_for
from selfmaker.runtimes.sklearn import COMMON

REPOSITORIES = (
    "tensorflow-training",
    "tensorflow-inference",
    "tensorflow-inference-graviton",
    "sagemaker-tensorflow-scriptmode",
    "sagemaker-tensorflow-serving",
)

COMPANIONS = ("h5py", "joblib", "pandas", "pillow", "scikit-learn", "scipy")

# Nothing in these releases' own requirements keeps out what came after them, and does not work with them.
_BEFORE_2_12 = ("protobuf<3.21", "numpy<1.24")

RELEASES = (
    Release("1.15.5", "3.7", ("tensorflow==1.15.5", *_BEFORE_2_12)),
    Release("2.0.4", "3.6", ("tensorflow==2.0.4", *_BEFORE_2_12)),
    Release("2.1.3", "3.6", ("tensorflow==2.1.3", *_BEFORE_2_12)),
    Release("2.2.2", "3.7", ("tensorflow==2.2.2", *_BEFORE_2_12)),
    Release("2.3.2", "3.7", ("tensorflow==2.3.2", *_BEFORE_2_12)),
    Release("2.4.3", "3.7", ("tensorflow==2.4.3", *_BEFORE_2_12)),
    Release("2.5.1", "3.7", ("tensorflow==2.5.1", *_BEFORE_2_12)),
    Release("2.6.3", "3.8", ("tensorflow==2.6.3", "keras<2.7", *_BEFORE_2_12)),
    Release("2.7.1", "3.8", ("tensorflow==2.7.1", *_BEFORE_2_12)),
    Release("2.8.4", "3.9", ("tensorflow==2.8.4", *_BEFORE_2_12)),
    Release("2.9.3", "3.9", ("tensorflow==2.9.3", *_BEFORE_2_12)),
    Release("2.10.1", "3.9", ("tensorflow==2.10.1", *_BEFORE_2_12)),
    Release("2.11.1", "3.9", ("tensorflow==2.11.1", *_BEFORE_2_12)),
    Release("2.12.1", "3.10", ("tensorflow==2.12.1",)),
    Release("2.13.0", "3.10", ("tensorflow==2.13.0",)),
    Release("2.14.1", "3.10", ("tensorflow==2.14.1",)),
    Release("2.16.2", "3.10", ("tensorflow==2.16.2", "keras<3.5")),
    Release("2.18.0", "3.10", ("tensorflow==2.18.0", "keras<3.9")),
    Release("2.19.0", "3.12", ("tensorflow==2.19.0", "keras<3.11")),
)


class Tensorflow:
    """See Runtime. These images have no algorithm of their own."""

    name = "tensorflow"
    description = f"{' or '.join(REPOSITORIES[:2])} ({RELEASES[0].version} to {RELEASES[-1].version})"

    def matches(self, image: ImageReference) -> bool:
        return image.repository in REPOSITORIES

    def environment(self, image: ImageReference) -> EnvironmentRequest:
        release = of_minor(RELEASES, image.tag)
        return EnvironmentRequest(
            name=f"tensorflow-{release.version}",
            python=release.python,
            requirements=(*map(_build, release.requirements), *COMPANIONS, *COMMON),
            notes=stands_for(release, image),
        )

    def algorithm(self, image: ImageReference, python: Path) -> Command | None:
        return None


def _build(requirement: str) -> str:
    """The package that holds TensorFlow for this machine: a tenth of the size where no GPU is."""
    name, pinned, version = requirement.partition("==")
    if name != "tensorflow" or not pinned:
        return requirement
    if gpus.present():
        modern = tuple(map(int, version.split(".")[:2])) >= (2, 14)
        return f"tensorflow[and-cuda]=={version}" if modern else requirement
    return f"tensorflow-cpu=={version}" if platform.machine() == "x86_64" else requirement
