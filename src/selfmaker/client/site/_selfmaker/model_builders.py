"""ModelBuilder looks for a model's requirements in a child with an empty environment, where no region is configured."""

from __future__ import annotations

import os
import subprocess
from types import ModuleType
from typing import Any

from _selfmaker.hooks import replace  # type: ignore[import-not-found]

KEPT = ("AWS_", "SELFMAKER_", "PYTHONPATH", "PATH", "HOME", "NO_PROXY", "no_proxy")


class Children:
    """``subprocess``, whose ``run`` gives children the variables by which the server is found."""

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    @staticmethod
    def run(*args: Any, env: Any = None, **kwargs: Any) -> Any:
        """As subprocess.run; what ``env`` has stays as it is."""
        if env is not None:
            env = {**{name: value for name, value in os.environ.items() if name.startswith(KEPT)}, **env}
        run: Any = subprocess.run
        return run(*args, env=env, **kwargs)


def keep_environment(module: ModuleType) -> None:
    """The module's children reach the server, as on AWS they would by ~/.aws."""
    if module.subprocess is not subprocess:
        raise TypeError("subprocess is not there")
    replace(module, "subprocess", Children())
