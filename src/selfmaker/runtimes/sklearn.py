"""scikit-learn's images: ``sagemaker-scikit-learn``.

The versions are those of the Dockerfiles and requirements of aws/sagemaker-scikit-learn-container.
"""

from pathlib import Path

from selfmaker.runtimes.base import Command, EnvironmentRequest, ImageReference
from selfmaker.runtimes.images import Release, names, nearest

REPOSITORY = "sagemaker-scikit-learn"

# What users' scripts and the SDKs' bootstrap scripts import besides. boto3 is newer than in the images: it must know
# AWS_ENDPOINT_URL.
COMMON = ("boto3>=1.34", "pip", "psutil", "python-dateutil", "PyYAML", "requests", "setuptools<81", "six", "wheel")

RELEASES = (
    Release("0.20.0", "3.7", ("scikit-learn==0.20.0", "numpy==1.19.5", "pandas==0.25.3", "scipy==1.2.2")),
    Release(
        "0.23-1",
        "3.7",
        ("scikit-learn==0.23.2", "numpy==1.19.2", "pandas==1.1.3", "scipy==1.5.3", "pyarrow==0.16.0"),
    ),
    Release(
        "1.0-1",
        "3.8",
        ("scikit-learn==1.0.2", "numpy==1.19.5", "pandas==1.1.3", "scipy==1.5.3", "pyarrow==0.16.0"),
    ),
    Release(
        "1.2-1",
        "3.9",
        ("scikit-learn==1.2.1", "numpy==1.24.1", "pandas==1.1.3", "scipy==1.8.0", "pyarrow==14.0.1"),
    ),
    Release(
        "1.4-2",
        "3.10",
        ("scikit-learn==1.4.2", "numpy==2.1.0", "pandas==2.2.3", "scipy==1.14.1", "pyarrow==17.0.0"),
    ),
)


class Sklearn:
    """See Runtime. These images have no algorithm of their own."""

    name = "sklearn"
    description = f"{REPOSITORY} ({', '.join(release.version for release in RELEASES)})"

    def matches(self, image: ImageReference) -> bool:
        return image.repository == REPOSITORY

    def environment(self, image: ImageReference) -> EnvironmentRequest:
        release = nearest(RELEASES, image.tag)
        note = f"there is no release {image.tag} of {REPOSITORY} here: {release.version} stands for it"
        return EnvironmentRequest(
            name=f"sklearn-{release.version}",
            python=release.python,
            requirements=(*release.requirements, "joblib", "threadpoolctl", *COMMON),
            notes=() if not image.tag or names(release, image.tag) else (note,),
        )

    def algorithm(self, image: ImageReference, python: Path) -> Command | None:
        return None
