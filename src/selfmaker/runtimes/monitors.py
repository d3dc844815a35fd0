"""AWS's images that look at data and models: ``sagemaker-model-monitor-analyzer`` and ``sagemaker-clarify-processing``.

Both have a program of their own, which a processing job without an entry point runs. The programs are packages that
every environment has (``packages/``); these images' environment has what they need.
"""

from pathlib import Path

from selfmaker.runtimes.base import Command, EnvironmentRequest, ImageReference
from selfmaker.runtimes.sklearn import COMMON

PYTHON = "3.11"
REQUIREMENTS = ("numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "shap>=0.46", "jmespath")


class Monitor:
    """See Runtime. ``package`` is the program's."""

    def __init__(self, name: str, repository: str, package: str) -> None:
        self.name = name
        self.repository = self.description = repository
        self.package = package

    def matches(self, image: ImageReference) -> bool:
        return image.repository == self.repository

    def environment(self, image: ImageReference) -> EnvironmentRequest:
        return EnvironmentRequest(name="monitors", python=PYTHON, requirements=(*REQUIREMENTS, *COMMON))

    def algorithm(self, image: ImageReference, python: Path) -> Command | None:
        return Command((str(python), "-m", self.package))


MONITORS = (
    Monitor("model_monitor", "sagemaker-model-monitor-analyzer", "sagemaker_model_monitor_analyzer"),
    Monitor("clarify", "sagemaker-clarify-processing", "sagemaker_clarify_processing"),
)
