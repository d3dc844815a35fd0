"""The functions that answer a request where a script has none of its own."""

from __future__ import annotations

from typing import Any

from sagemaker_training import content_types, encoders


def default_model_fn(model_dir: str) -> Any:
    raise NotImplementedError("Please provide a model_fn implementation.")


def default_input_fn(input_data: Any, content_type: str) -> Any:
    import numpy as np

    array = encoders.decode(input_data, content_type)
    return array.astype(np.float32) if content_type in content_types.UTF8_TYPES else array


def default_predict_fn(input_data: Any, model: Any) -> Any:
    return model.predict(input_data)


def default_output_fn(prediction: Any, accept: str) -> tuple[Any, str]:
    return encoders.encode(prediction, accept), accept
