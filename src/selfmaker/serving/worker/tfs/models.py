"""The models of a model artifact, by name and version, as TensorFlow Serving would be told of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import formats
from ..handlers import RequestError
from .servable import Servable, load

SAVED = ("saved_model.pb", "saved_model.pbtxt")
KERAS = (".keras", ".h5", ".hdf5")
METHODS = ("predict", "classify", "regress")
_PATH = re.compile(r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+))?:(?P<method>\w+)$")


class Models:
    """All are loaded at once, and never change. ``default`` is the name of the one that requests mean without one."""

    def __init__(self, folder: Path, default: str = "") -> None:
        places = find(folder)
        if not places:
            raise FileNotFoundError(
                "no SavedModel bundles found! The model artifact must hold a SavedModel (1/saved_model.pb, or "
                "export/Servo/1/saved_model.pb), or a file of Keras (.keras, .h5)"
            )
        self._servables: dict[str, dict[int, Servable]] = {}
        for name, version, path in places:
            self._servables.setdefault(name, {})[version] = load(path)
        self.default = default or places[0][0]

    def servable(self, name: str, version: str | None) -> Servable:
        """That version, or the newest one. Raises RequestError."""
        versions = self._servables.get(name or self.default, {})
        number = int(version) if version else max(versions, default=0)
        if number not in versions:
            wanted = f"Specific({name}, {number})" if version else f"Latest({name})"
            raise RequestError(404, f"Servable not found for request: {wanted}")
        return versions[number]

    def answer(self, path: str, request: Any) -> dict[str, Any]:
        """What a POST to TensorFlow Serving's REST API answers. Raises RequestError."""
        match = _PATH.match(path)
        if match is None or match["method"] not in METHODS:
            raise RequestError(400, f"Malformed request: POST {path}")
        servable = self.servable(match["name"], match["version"])
        answer: dict[str, Any] = getattr(servable, match["method"])(request)
        return answer

    def status(self, path: str) -> dict[str, Any]:
        """What a GET of a model answers. Raises RequestError."""
        name = path.rpartition("/")[2]
        if path != f"/v1/models/{name}" or name not in self._servables:
            raise RequestError(404, f"Could not find any versions of model {name}")
        good = {"error_code": "OK", "error_message": ""}
        versions = sorted(self._servables[name], reverse=True)
        return {"model_version_status": [{"version": str(v), "state": "AVAILABLE", "status": good} for v in versions]}


def error_body(message: str) -> bytes:
    """The body of an answer that is an error."""
    return formats.json_bytes({"error": message})


def find(folder: Path) -> list[tuple[str, int, Path]]:
    """Name, version and place of each model. A SavedModel in a folder with a number for its name is that version of the
    model named after the folder above; without a number, it is version 1. Files of Keras count where there is none."""
    saved = sorted(_saved_models(folder))
    found = [(_name(path.parent, folder), int(path.name), path) for path in saved if path.name.isdigit()]
    found += [(_name(path, folder), 1, path) for path in saved if not path.name.isdigit()]
    if found:
        return found
    files = sorted(path for path in folder.rglob("*") if path.suffix in KERAS and path.is_file())
    if len(files) > 1:
        named = ", ".join(str(path.relative_to(folder)) for path in files)
        raise ValueError(f"the model artifact must hold one file of Keras, or a SavedModel: it has {named}")
    return [("model", 1, path) for path in files]


def _saved_models(folder: Path) -> Iterator[Path]:
    for name in SAVED:
        yield from (path.parent for path in folder.rglob(name))


def _name(path: Path, folder: Path) -> str:
    return "model" if path == folder else path.name
