"""``from sagemaker_containers.beta.framework import content_types, encoders, env, modules, transformer, worker``."""

from __future__ import annotations

from sagemaker_training import content_types, encoders, entry_point, errors, files, logging_config, mapping, params
from sagemaker_training import entry_point as modules
from sagemaker_training import environment as env

from sagemaker_containers import server, training_env, transformer, worker

__all__ = [
    "content_types",
    "encoders",
    "entry_point",
    "env",
    "errors",
    "files",
    "logging_config",
    "mapping",
    "modules",
    "params",
    "server",
    "training_env",
    "transformer",
    "worker",
]
