"""Hyperparameters and settings as command line arguments and as environment variables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def to_env_vars(mapping: Mapping[str, Any]) -> dict[str, str]:
    """``{"model_dir": "/a"}`` -> ``{"SM_MODEL_DIR": "/a"}``; what is no text is JSON, None is empty."""
    return {f"SM_{str(name).upper()}": _text(value) for name, value in mapping.items()}


def to_cmd_args(mapping: Mapping[str, Any]) -> list[str]:
    """``{"epochs": 3, "v": True}`` -> ``["--epochs", "3", "-v", "True"]``, in alphabetical order."""
    arguments = []
    for name in sorted(mapping, key=str):
        arguments += [f"-{name}" if len(str(name)) == 1 else f"--{name}", str(mapping[name])]
    return arguments


class MappingMixin(Mapping):  # type: ignore[type-arg]
    """An object whose properties are its items."""

    def properties(self) -> list[str]:
        return [name for name in dir(type(self)) if isinstance(getattr(type(self), name, None), property)]

    def __getitem__(self, name: str) -> Any:
        if name not in self.properties():
            raise KeyError(name)
        return getattr(self, name)

    def __len__(self) -> int:
        return len(self.properties())

    def __iter__(self) -> Iterator[str]:
        return iter(self.properties())


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = dict(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
