"""Stands in for the toolkit's predecessor, whose names many scripts still import; all of it is sagemaker_training's."""

from __future__ import annotations

from typing import Any

from sagemaker_training import content_types, encoders, entry_point, environment, errors, mapping, params

__all__ = ["content_types", "encoders", "entry_point", "environment", "errors", "mapping", "params", "training_env"]


def training_env(**kwargs: Any) -> environment.Environment:
    """The job, see sagemaker_training.environment.Environment."""
    return environment.Environment(**kwargs)
