"""Between the values of a JSON request and tensors, by the rules of TensorFlow Serving's REST API."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from ..handlers import RequestError


def tensor(name: str, value: Any, spec: Any) -> Any:
    """A tensor for the input ``name`` as its TensorSpec wants it. Raises RequestError with status 400."""
    import tensorflow as tf

    if spec.dtype == tf.string:
        array = np.array(as_bytes(value), dtype=object)
    else:
        array = _numbers(name, value, np.dtype(spec.dtype.as_numpy_dtype))
    if not spec.shape.is_compatible_with(array.shape):
        raise RequestError(400, f"input {name!r} has the shape {array.shape}, the model takes {spec.shape}")
    try:
        return tf.constant(array, dtype=spec.dtype)
    except (TypeError, ValueError) as error:
        raise RequestError(400, f"input {name!r}: {error}") from None


def columns(instances: Any, names: list[str]) -> dict[str, list[Any]]:
    """A list of values for each input, from a list of instances: objects, or plain values where there is one input."""
    if not isinstance(instances, list) or not instances:
        raise RequestError(400, "'instances' must be a list with at least one value")
    if len(names) == 1 and not all(isinstance(one, dict) and names[0] in one for one in instances):
        return {names[0]: instances}
    for one in instances:
        if not isinstance(one, dict) or set(one) != set(names):
            raise RequestError(400, f"each of the instances must be an object with the inputs {', '.join(names)}")
    return {name: [one[name] for one in instances] for name in names}


def plain(name: str, array: Any) -> Any:
    """What JSON can hold. A float32 keeps the digits that its own type has. Text goes as text, but outputs whose name
    ends in ``_bytes`` as ``{"b64": ...}``."""
    if array.dtype.kind in "SO":
        encode = _b64 if name.endswith("_bytes") else _text
        return _each(array.tolist(), encode)
    if array.dtype.kind == "f" and array.dtype.itemsize < 8:
        return array.astype(np.float32).astype("U32").astype(np.float64).tolist()
    if array.dtype.kind in "biuf":
        return array.tolist()
    return array.astype(np.float32).tolist()  # bfloat16 and its like


def _numbers(name: str, value: Any, dtype: Any) -> Any:
    try:
        array = np.array(value)
    except ValueError:
        raise RequestError(400, f"input {name!r}: the values differ in shape") from None
    kinds = {"b": "b", "i": "iu", "u": "iu"}.get(dtype.kind, "iuf")
    if array.dtype.kind not in kinds and array.size:
        found = "text or objects" if array.dtype.kind in "UO" else array.dtype.name
        raise RequestError(400, f"input {name!r} is not of the expected type {dtype.name}: it holds {found}")
    return array.astype(dtype)


def as_bytes(value: Any) -> Any:
    """Strings as bytes, at any depth; ``{"b64": ...}`` as what it encodes."""
    if isinstance(value, list):
        return [as_bytes(one) for one in value]
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except binascii.Error:
            raise RequestError(400, "Unable to base64 decode") from None
    raise RequestError(400, f"JSON Value: {value!r:.80} is not of expected type: string")


def _each(value: Any, encode: Any) -> Any:
    return [_each(one, encode) for one in value] if isinstance(value, list) else encode(value)


def _b64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode("ascii")}


def _text(value: bytes) -> Any:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return _b64(value)
