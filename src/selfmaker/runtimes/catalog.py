"""The runtimes there are, and which of them stands for an image.

Beside those that everybody has there are the images that are declared on a server's home. A process serves one home:
``use_images`` says once, before anything else is asked, where they are.
"""

from pathlib import Path

from selfmaker.errors import NotFound
from selfmaker.runtimes import absent
from selfmaker.runtimes.base import Programs, Runtime
from selfmaker.runtimes.base_python import BasePython
from selfmaker.runtimes.declared import DeclaredImage, DeclaredImages
from selfmaker.runtimes.huggingface import Huggingface
from selfmaker.runtimes.images import parse_image
from selfmaker.runtimes.monitors import MONITORS, Monitor
from selfmaker.runtimes.notebooks import Notebooks
from selfmaker.runtimes.pytorch import Pytorch
from selfmaker.runtimes.sklearn import Sklearn
from selfmaker.runtimes.tensorflow import Tensorflow
from selfmaker.runtimes.xgboost import ALGORITHM_METRICS, Xgboost

__all__ = [
    "RUNTIMES",
    "algorithm_metrics",
    "declared_entrypoint",
    "has_framework_module",
    "has_processing_program",
    "parse_image",
    "runtime_for",
    "script_programs",
    "use_images",
]

RUNTIMES: tuple[Runtime, ...] = (
    Sklearn(),
    Xgboost(),
    Tensorflow(),
    Pytorch(),
    Huggingface(),
    BasePython(),
    Notebooks(),
    *MONITORS,
)


TRAINING_MODULE = "SAGEMAKER_TRAINING_MODULE"
_declared: list[DeclaredImages] = []


def use_images(folder: Path) -> None:
    """From now on this process knows the images that are declared in ``folder``."""
    _declared[:] = [DeclaredImages(folder)]


def runtime_for(uri: str) -> Runtime:
    """The runtime that stands for the image. Raises NotFound; the message says what there is instead."""
    image = parse_image(uri)
    for runtime in RUNTIMES:
        if runtime.matches(image):
            return runtime
    for images in _declared:
        declared = images.find(image)
        if declared is not None:
            return declared
    known = "; ".join(runtime.description for runtime in RUNTIMES)
    why = absent.reason(image.repository)
    raise NotFound(
        f"no runtime stands for the image {uri}. {f'{why}. ' if why else ''}There are: {known}. Use one of these, with "
        "a requirements.txt beside your script for what it lacks, or declare an image of your own by "
        "`selfmaker images add FOLDER`."
    )


def has_processing_program(uri: str) -> bool:
    """Whether the image has a program that a processing job without an entry point runs. Raises NotFound."""
    return isinstance(runtime_for(uri), Monitor) or bool(declared_entrypoint(uri))


def declared_entrypoint(uri: str) -> tuple[str, ...]:
    """The entry point of an image of the user's own; empty where it has none. Raises NotFound."""
    runtime = runtime_for(uri)
    return runtime.entrypoint if isinstance(runtime, DeclaredImage) else ()


def script_programs(uri: str) -> Programs | None:
    """What an image of the user's own brings for the script that its variable SAGEMAKER_PROGRAM names, where it has the
    training toolkit start that: neither an entry point nor a ``train`` of its own. Raises NotFound."""
    runtime = runtime_for(uri)
    return runtime.script_programs() if isinstance(runtime, DeclaredImage) else None


def has_framework_module(uri: str) -> bool:
    """Whether an image of the user's own has its toolkit start scripts by a module of the image. Raises NotFound."""
    runtime = runtime_for(uri)
    return isinstance(runtime, DeclaredImage) and TRAINING_MODULE in runtime.variables


def algorithm_metrics(uri: str) -> tuple[tuple[str, str], ...]:
    """Name and expression of the metrics that the image's built-in algorithm reports; none where it has no algorithm.

    Raises NotFound as ``runtime_for`` does.
    """
    return ALGORITHM_METRICS if isinstance(runtime_for(uri), Xgboost) else ()
