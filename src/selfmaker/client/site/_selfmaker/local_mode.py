"""The SDKs' local mode, where no Docker is: selfmaker runs what they would have Docker Compose run."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from _selfmaker.hooks import replace  # type: ignore[import-not-found]

PROGRAM = ("-m", "selfmaker.jobs.local_mode")
SOCKET = "/var/run/docker.sock"


def without_docker(module: ModuleType) -> None:
    """SDK v2's module, and SDK v3's of the same name."""
    command = _command()
    if command is None:
        return
    container: Any = module._SageMakerContainer
    replace(container, "_get_compose_cmd_prefix", staticmethod(lambda: list(command)))
    _write_json(container)
    replace(module, "_ecr_login_if_needed", lambda *_args, **_kwargs: False)


def model_trainer_without_docker(module: ModuleType) -> None:
    """ModelTrainer of SDK v3."""
    command = _command()
    if command is None:
        return
    container: Any = module._LocalContainer
    replace(container, "_get_compose_cmd_prefix", lambda _self: list(command))
    _write_json(container)
    replace(container, "_ecr_login_if_needed", lambda *_args, **_kwargs: False)


def _command() -> list[str] | None:
    """What to run in the place of Docker Compose; None where there is a Docker."""
    python = os.environ.get("SELFMAKER_PYTHON")
    if not python or os.environ.get("DOCKER_HOST") or Path(SOCKET).exists():
        return None
    return [python, *PROGRAM]


def _write_json(container: Any) -> None:
    original = container._generate_compose_file

    @functools.wraps(original)
    def generate(self: Any, *args: Any, **kwargs: Any) -> Any:
        content = original(self, *args, **kwargs)
        Path(self.container_root, "docker-compose.json").write_text(json.dumps(content))
        return content

    replace(container, "_generate_compose_file", generate)
