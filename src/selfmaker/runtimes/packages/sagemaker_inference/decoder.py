"""Request bodies to arrays."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from sagemaker_inference import content_types, errors


def _json_to_numpy(string_like: str | bytes, dtype: Any = None) -> Any:
    return np.array(json.loads(string_like), dtype=dtype)


def _csv_to_numpy(string_like: str | bytes, dtype: Any = None) -> Any:
    text = string_like.decode("utf-8") if isinstance(string_like, bytes) else string_like
    return np.genfromtxt(io.StringIO(text), dtype=dtype, delimiter=",")


def _npy_to_numpy(npy_array: bytes) -> Any:
    return np.load(io.BytesIO(npy_array), allow_pickle=False)


def _npz_to_sparse(npz_bytes: bytes) -> Any:
    from scipy import sparse

    return sparse.load_npz(io.BytesIO(npz_bytes))


_decoder_map: Any = {
    content_types.NPY: _npy_to_numpy,
    content_types.CSV: _csv_to_numpy,
    content_types.JSON: _json_to_numpy,
    content_types.NPZ: _npz_to_sparse,
}
SUPPORTED_CONTENT_TYPES = set(_decoder_map)


def decode(obj: Any, content_type: str) -> Any:
    """Raises UnsupportedFormatError for another content type."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _decoder_map:
        raise errors.UnsupportedFormatError(content_type)
    return _decoder_map[kind](obj)
