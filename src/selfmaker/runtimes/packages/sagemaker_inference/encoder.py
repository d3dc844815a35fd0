"""Predictions to response bodies."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from sagemaker_inference import content_types, errors


def _array_to_json(array_like: Any) -> str:
    def default(item: Any) -> Any:
        if hasattr(item, "tolist"):
            return item.tolist()
        raise TypeError(f"{type(item).__name__} has no JSON form")

    return json.dumps(array_like, default=default)


def _array_to_npy(array_like: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array_like)
    return buffer.getvalue()


def _array_to_csv(array_like: Any) -> str:
    lines = io.StringIO()
    np.savetxt(lines, np.asarray(array_like), delimiter=",", fmt="%s")
    return lines.getvalue()


_encoder_map: Any = {
    content_types.NPY: _array_to_npy,
    content_types.CSV: _array_to_csv,
    content_types.JSON: _array_to_json,
}
SUPPORTED_CONTENT_TYPES = set(_encoder_map)


def encode(array_like: Any, content_type: str) -> str | bytes:
    """Raises UnsupportedFormatError for another content type."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _encoder_map:
        raise errors.UnsupportedFormatError(content_type)
    encoded: str | bytes = _encoder_map[kind](array_like)
    return encoded
