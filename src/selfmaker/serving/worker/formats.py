"""Content types, and what a user's function may return.

No NumPy here: a script that reads and writes for itself needs none.
"""

from __future__ import annotations

import json
from typing import Any

JSON, CSV, NPY, NPZ = "application/json", "text/csv", "application/x-npy", "application/x-npz"
JSON_LINES = "application/jsonlines"
LIBSVM = "text/libsvm"
TEXT_TYPES = (JSON, CSV)

_SYNONYMS = {
    "application/x-jsonlines": JSON_LINES,
    "application/jsonl": JSON_LINES,
    "text/x-libsvm": LIBSVM,
}


class UnsupportedFormatError(Exception):
    """The content type (or the accepted type) is not one that the default handlers know."""

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"Content type {content_type} is not supported by the default handlers: write an input_fn that reads it, "
            "or an output_fn that produces it."
        )


def media_type(header: str) -> str:
    """The type of a Content-Type header without its parameters, in lower case and in its usual spelling."""
    name = header.partition(";")[0].strip().lower()
    return _SYNONYMS.get(name, name)


def json_bytes(value: Any) -> bytes:
    """``value`` as JSON; arrays and NumPy scalars as what they hold."""
    return json.dumps(value, default=_plain).encode("utf-8")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a prediction that holds {type(value).__name__} has no JSON form: return lists or arrays")


def body_of(result: Any) -> bytes | None:
    """The bytes that a user's function meant by ``result``, or None when it returned nothing."""
    if isinstance(result, bytes):
        return result
    if isinstance(result, str):
        return result.encode("utf-8")
    if result is None:
        return None
    if isinstance(result, (bytearray, memoryview)):
        return bytes(result)
    if hasattr(result, "getvalue"):
        return body_of(result.getvalue())
    return json_bytes(result)
