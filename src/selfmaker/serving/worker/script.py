"""Finds and imports the user's script."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any


def load(program: str | None, code_dir: str | None, required: bool = True) -> Any:
    """The script as a module, or None when the model brings none.

    ``program`` is relative to ``code_dir``; its folder and ``code_dir`` come first on the path, as when it is run.
    Where it is not ``required``, a program that isn't there is told of in the log and none is loaded.
    """
    if not program or not code_dir:
        return None
    folder = Path(code_dir)
    path = folder / program
    if not path.is_file():
        held = _names(folder)
        missing = f"SAGEMAKER_PROGRAM is {program}, but the submitted code holds: {held or 'nothing'}"
        if not held and folder.name == "code":  # an archive may have been packed with a folder too much
            missing += f"; it is looked for in {folder}, and {folder.parent} holds: {_names(folder.parent, folder)}"
        if required:
            raise FileNotFoundError(missing)
        print(f"{missing}; the container's default functions serve the model", file=sys.stderr, flush=True)
        return None
    for place in (str(folder), str(path.parent)):
        if place in sys.path:
            sys.path.remove(place)
        sys.path.insert(0, place)
    name = path.stem.replace(".", "_")
    spec = importlib.util.spec_from_file_location(name, str(path))
    if spec is None or spec.loader is None:
        raise ImportError(f"SAGEMAKER_PROGRAM is {program}, which is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.argv = [str(path)]
    spec.loader.exec_module(module)
    return module


def _names(folder: Path, but: Path | None = None) -> str:
    entries = [entry for entry in folder.iterdir() if entry != but] if folder.is_dir() else []
    return ", ".join(sorted(entry.name + "/" * entry.is_dir() for entry in entries))
