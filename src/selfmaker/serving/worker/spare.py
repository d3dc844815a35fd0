"""A worker that is started before there is a model for it: it has imported what its framework needs, and waits.

It is told what to serve by a START frame, a JSON object: ``arguments`` (the program's own), ``variables`` (the whole
environment) and ``directory`` (the working directory). From there on it is a worker like any other.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import time
from pathlib import Path

from . import transport

_MODULES = {
    "sklearn": (
        "numpy",
        "scipy.sparse",
        "joblib",
        "pandas",
        "sklearn.compose",
        "sklearn.ensemble",
        "sklearn.impute",
        "sklearn.linear_model",
        "sklearn.neighbors",
        "sklearn.pipeline",
        "sklearn.preprocessing",
        "sklearn.svm",
    ),
    "xgboost": ("numpy", "scipy.sparse", "pandas", "sklearn.base", "xgboost"),
    "pytorch": ("numpy", "torch"),
}
_OURS = {
    "sklearn": ("sklearn_handlers", "batching"),
    "xgboost": ("xgboost_handlers", "batching"),
    "pytorch": ("pytorch_handlers",),
}
FRAMEWORKS = tuple(_MODULES)


def prepare(framework: str) -> None:
    """Import what models of the framework need; what cannot be imported will tell when a model wants it."""
    for name in _MODULES.get(framework, ()):
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    for name in _OURS.get(framework, ()):
        with contextlib.suppress(Exception):
            importlib.import_module("." + name, __package__)


def wait(connection: transport.Connection) -> list[str] | None:
    """The arguments to go on with, the rest of the START being done; None when the router wants no worker any more."""
    for kind, _, payload in connection.receive():
        if kind == transport.START:
            told = json.loads(payload)
            os.environ.clear()
            os.environ.update(told["variables"])
            time.tzset()
            Path(told["directory"]).mkdir(parents=True, exist_ok=True)  # as the sandbox has it for other workers
            os.chdir(told["directory"])
            arguments: list[str] = told["arguments"]
            return arguments
    return None
