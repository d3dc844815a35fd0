"""Request bodies to DMatrix, as the container's serving code does it: for users' input_fn."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from sagemaker_xgboost_container import libsvm_reader, recordio
from sagemaker_xgboost_container.constants import xgb_content_types

_DELIMITERS = (",", "\t", ";", "|", " ")


class UnsupportedFormatError(Exception):
    def __init__(self, content_type: str, **kwargs: Any) -> None:
        super().__init__(f"Content type {content_type} is not supported by this framework.")


def csv_to_dmatrix(input: str | bytes, dtype: Any = None) -> Any:
    """One row a line; an empty field is a missing value."""
    import xgboost

    text = (input.decode() if isinstance(input, (bytes, bytearray)) else input).strip("\r\n")
    first = text.partition("\n")[0]
    delimiter = next((item for item in _DELIMITERS if item in first), ",")
    rows = [[field.strip() or "nan" for field in line.rstrip("\r").split(delimiter)] for line in text.split("\n")]
    return xgboost.DMatrix(np.array(rows).astype(dtype or np.float32))


def libsvm_to_dmatrix(string_like: str | bytes) -> Any:
    import xgboost

    data = string_like.encode() if isinstance(string_like, str) else bytes(string_like)
    return xgboost.DMatrix(libsvm_reader.parse(data, "request").features)


def recordio_protobuf_to_dmatrix(string_like: bytes) -> Any:
    import xgboost

    return xgboost.DMatrix(recordio.read(bytes(string_like))[0])


_DECODERS: dict[str, Callable[[Any], Any]] = {
    xgb_content_types.CSV: csv_to_dmatrix,
    xgb_content_types.LIBSVM: libsvm_to_dmatrix,
    xgb_content_types.X_LIBSVM: libsvm_to_dmatrix,
    xgb_content_types.X_RECORDIO_PROTOBUF: recordio_protobuf_to_dmatrix,
}


def decode(obj: Any, content_type: str) -> Any:
    """Raises UnsupportedFormatError for another content type."""
    name = content_type.partition(";")[0].strip().lower()
    if name not in _DECODERS:
        raise UnsupportedFormatError(content_type)
    return _DECODERS[name](obj)


def json_to_jsonlines(json_data: dict[str, Any] | str | bytes) -> bytes:
    """``{"predictions": [a, b]}`` -> a line for each of a and b."""
    document = json_data if isinstance(json_data, dict) else json.loads(json_data)
    if len(document) != 1:
        raise ValueError("JSON response is not compatible for conversion to jsonlines.")
    lines = io.BytesIO()
    for value in document.values():
        for entry in value:
            lines.write(json.dumps(entry).encode() + b"\n")
    return lines.getvalue()
