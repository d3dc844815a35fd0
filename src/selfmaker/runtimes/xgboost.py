"""XGBoost's images: ``sagemaker-xgboost``, and ``xgboost`` of the time before it.

The versions are those of the Dockerfiles, requirements and image tests of aws/sagemaker-xgboost-container.
"""

from pathlib import Path

from selfmaker.runtimes.base import Command, EnvironmentRequest, ImageReference
from selfmaker.runtimes.images import Release, names, nearest
from selfmaker.runtimes.sklearn import COMMON

REPOSITORIES = ("sagemaker-xgboost", "xgboost")

_OF_2020 = ("numpy==1.19.2", "pandas==1.1.3", "scipy==1.5.3", "scikit-learn==0.23.2", "pyarrow==0.16.0")
_OF_2021 = ("numpy==1.21.6", "pandas==1.2.4", "scipy==1.6.2", "scikit-learn==0.24.1", "pyarrow==1.0.1")
_OF_2023 = ("numpy==1.23.5", "pandas==1.4.4", "scipy==1.8.0", "scikit-learn==0.24.1", "pyarrow==14.0.1")
_OF_2025 = ("numpy==2.1.0", "pandas==2.2.3", "scipy==1.15.0", "scikit-learn==1.7.2", "pyarrow==22.0.0")

RELEASES = (
    Release("0.90-1", "3.7", ("xgboost==0.90", *_OF_2020)),
    Release("0.90-2", "3.7", ("xgboost==0.90", *_OF_2020)),
    Release("1.0-1", "3.7", ("xgboost==1.0.0", *_OF_2020)),
    Release("1.2-1", "3.7", ("xgboost==1.2.0", *_OF_2020)),
    Release("1.2-2", "3.7", ("xgboost==1.2.0", *_OF_2020)),
    Release("1.3-1", "3.7", ("xgboost==1.3.3", *_OF_2021)),
    Release("1.5-1", "3.8", ("xgboost==1.5.2", *_OF_2021)),
    Release("1.7-1", "3.8", ("xgboost==1.7.4", *_OF_2023)),
    Release("3.0-5", "3.10", ("xgboost==3.0.5", *_OF_2025)),
)

# 200 MB that only training on several GPUs needs.
_FOR_GPUS = "nvidia-nccl-cu12"


# "Metrics computed by the XGBoost algorithm" in the developer guide, on both channels.
_METRICS = ("accuracy", "auc", "error", "f1", "logloss", "mae", "map", "merror", "mlogloss", "mse", "ndcg", "rmse")
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"

ALGORITHM_METRICS = tuple(
    (f"{channel}:{metric}", rf".*\[[0-9]+\].*#011{channel}-{metric}:{_NUMBER}.*")
    for channel in ("train", "validation")
    for metric in _METRICS
)
"""Name and expression of the metrics that AWS finds in the algorithm's log without being told."""


class Xgboost:
    """See Runtime. Without a program, the image is the built-in algorithm."""

    name = "xgboost"
    description = f"{' or '.join(REPOSITORIES)} ({', '.join(release.version for release in RELEASES)})"

    def matches(self, image: ImageReference) -> bool:
        return image.repository in REPOSITORIES

    def environment(self, image: ImageReference) -> EnvironmentRequest:
        # xgboost:1 and xgboost:latest are the first image, of XGBoost 0.72.
        legacy = image.repository == "xgboost" and image.tag in ("", "1", "latest")
        release = RELEASES[0] if legacy else nearest(RELEASES, image.tag)
        known = not legacy and (not image.tag or names(release, image.tag))
        tag = image.tag or "latest"
        note = f"there is no release {tag} of {image.repository} here: {release.version} stands for it"
        return EnvironmentRequest(
            name=f"xgboost-{release.version}",
            python=release.python,
            requirements=(*release.requirements, "joblib", "matplotlib", *COMMON),
            notes=() if known else (note,),
            without=() if Path("/proc/driver/nvidia").exists() else (_FOR_GPUS,),
        )

    def algorithm(self, image: ImageReference, python: Path) -> Command | None:
        release = self.environment(image).name
        pickled = any(release == f"xgboost-{version}" for version in ("0.90-1", "0.90-2", "1.0-1", "1.2-1", "1.2-2"))
        module = "sagemaker_xgboost_container.algorithm_mode"
        argv = (str(python), "-I", "-u", "-m", module, "--model-format", "pickle" if pickled else "xgboost")
        # On busy cores, threads that wait by spinning take the time of those that they wait for: 12 s instead of 5 s.
        return Command(argv, {"OMP_WAIT_POLICY": "PASSIVE"})
