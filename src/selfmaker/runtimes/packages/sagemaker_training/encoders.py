"""Arrays to and from the content types of requests, for users' input_fn and output_fn."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from sagemaker_training import content_types
from sagemaker_training.errors import UnsupportedFormatError


def array_to_npy(array_like: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array_like)
    return buffer.getvalue()


def npy_to_numpy(npy_array: bytes) -> Any:
    return np.load(io.BytesIO(npy_array), allow_pickle=False)


def npz_to_sparse(npz_bytes: bytes) -> Any:
    from scipy import sparse

    return sparse.load_npz(io.BytesIO(npz_bytes))


def array_to_json(array_like: Any) -> str:
    def default(item: Any) -> Any:
        if hasattr(item, "tolist"):
            return item.tolist()
        raise TypeError(f"{type(item).__name__} has no JSON form")

    return json.dumps(array_like, default=default)


def json_to_numpy(string_like: str | bytes, dtype: Any = None) -> Any:
    return np.array(json.loads(string_like), dtype=dtype)


def csv_to_numpy(string_like: str | bytes, dtype: Any = None) -> Any:
    text = string_like.decode("utf-8") if isinstance(string_like, bytes) else string_like
    return np.genfromtxt(io.StringIO(text), dtype=dtype, delimiter=",")


def array_to_csv(array_like: Any) -> str:
    lines = io.StringIO()
    np.savetxt(lines, np.asarray(array_like), delimiter=",", fmt="%s")
    return lines.getvalue()


_ENCODERS = {
    content_types.NPY: array_to_npy,
    content_types.CSV: array_to_csv,
    content_types.JSON: array_to_json,
}
_DECODERS = {
    content_types.NPY: npy_to_numpy,
    content_types.CSV: csv_to_numpy,
    content_types.JSON: json_to_numpy,
    content_types.NPZ: npz_to_sparse,
}


def encode(array_like: Any, content_type: str) -> str | bytes:
    """Raises UnsupportedFormatError for another content type. Of several, separated by commas, the first counts."""
    kind = content_type.partition(",")[0].partition(";")[0].strip().lower()
    if kind not in _ENCODERS:
        raise UnsupportedFormatError(content_type)
    return _ENCODERS[kind](array_like)  # type: ignore[no-any-return, operator]


def decode(obj: Any, content_type: str) -> Any:
    """Raises UnsupportedFormatError for another content type."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _DECODERS:
        raise UnsupportedFormatError(content_type)
    return _DECODERS[kind](obj)  # type: ignore[operator]
