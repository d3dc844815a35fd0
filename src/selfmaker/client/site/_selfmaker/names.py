"""Names that SDK v3's trainers give their jobs: base and second. Here a job may end, and another begin, within one."""

from __future__ import annotations

import time
from types import ModuleType
from typing import Any

from _selfmaker.hooks import replace  # type: ignore[import-not-found]

_SHORT = 0.05  # seconds between looks at the clock
_given: set[str] = set()


class UniqueNames:
    """``_get_unique_name``: no name twice in one process, as the module's own clock goes on."""

    def __init__(self, of_module: Any) -> None:
        self._of_module = of_module

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        until = time.monotonic() + 1.2  # a base that is too long has its time cut off: that name stays the same
        name = self._of_module(*args, **kwargs)
        while name in _given and time.monotonic() < until:
            time.sleep(_SHORT)
            name = self._of_module(*args, **kwargs)
        _given.add(name)
        return name


def unique(module: ModuleType) -> None:
    """The function is imported by name: where that has happened before, each module is changed by itself."""
    before: Any = module._get_unique_name
    if not callable(before):
        raise TypeError("_get_unique_name is not a function")
    if not isinstance(before, UniqueNames):
        replace(module, "_get_unique_name", UniqueNames(before))
