"""Values of modelled shapes as JSON, in both directions."""

import base64
import json
import math
from typing import Any

from selfmaker.aws.model import Shape, members
from selfmaker.aws.protocols import scalars
from selfmaker.aws.protocols.scalars import MalformedError

_DEPTH = 64


def loads(body: bytes) -> Any:
    """Parse a JSON text strictly. Raises MalformedError, also for one that is nested so deeply that walking through it
    by recursion, here or in an operation, might fail."""
    try:
        value = json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise MalformedError("the body is not valid JSON") from None
    if body.count(b"{") + body.count(b"[") > _DEPTH and _deeper_than(value, _DEPTH):
        raise MalformedError("the body is nested too deeply")
    return value


def _deeper_than(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [
            item
            for container in layer
            if isinstance(container, (dict, list))
            for item in (container.values() if isinstance(container, dict) else container)
        ]
        if not layer:
            return False
    return any(isinstance(item, (dict, list)) for item in layer)


def dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def from_json(shape: Shape, value: Any) -> Any:
    """The member that ``value`` stands for. Members that the model doesn't know are passed over, as AWS does."""
    return _READERS[shape.type_name](shape, value)


def _read_structure(shape: Shape, value: Any) -> Any:
    if shape.is_document_type:
        return value
    if not isinstance(value, dict):
        raise MalformedError(f"{scalars.token(value)} found where a structure was expected")
    result: dict[str, Any] = {}
    for member in members(shape):
        item = value.get(member.wire)
        if item is not None:
            try:
                result[member.name] = _READERS[member.shape.type_name](member.shape, item)
            except MalformedError as problem:
                problem.path.append(_lower(member.name))
                raise
    return result


def _read_list(shape: Shape, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedError(f"{scalars.token(value)} found where a list was expected")
    item_shape = shape.member
    read = _READERS[item_shape.type_name]
    result = []
    for index, item in enumerate(value, 1):
        try:
            result.append(None if item is None else read(item_shape, item))
        except MalformedError as problem:
            problem.path.append(f"{index}.member")
            raise
    return result


def _read_map(shape: Shape, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedError(f"{scalars.token(value)} found where a map was expected")
    item_shape = shape.value
    read = _READERS[item_shape.type_name]
    result = {}
    for key, item in value.items():
        try:
            result[scalars.text(key)] = None if item is None else read(item_shape, item)
        except MalformedError as problem:
            problem.path.append(f"{key}.member")
            raise
    return result


def _read_boolean(_shape: Shape, value: Any) -> bool:
    if not isinstance(value, bool):
        raise MalformedError(f"{scalars.token(value)} can not be converted to a Boolean")
    return value


def _read_string(shape: Shape, value: Any) -> Any:
    return value if shape.serialization.get("jsonvalue") else scalars.text(value)


_READERS: dict[str, Any] = {
    "structure": _read_structure,
    "list": _read_list,
    "map": _read_map,
    "string": _read_string,
    "char": _read_string,
    "boolean": _read_boolean,
    "integer": lambda shape, value: scalars.integer("integer", value),
    "long": lambda shape, value: scalars.integer("long", value),
    "short": lambda shape, value: scalars.integer("short", value),
    "byte": lambda shape, value: scalars.integer("byte", value),
    "float": lambda shape, value: scalars.floating(value),
    "double": lambda shape, value: scalars.floating(value),
    "timestamp": lambda shape, value: scalars.timestamp(value),
    "blob": lambda shape, value: scalars.blob(value),
}


def to_json(shape: Shape, value: Any) -> Any:
    """What stands for ``value`` in JSON. Members that are None are left out; those that the shape lacks too."""
    return _WRITERS.get(shape.type_name, _as_is)(shape, value)


def _as_is(_shape: Shape, value: Any) -> Any:
    return value


def _write_structure(shape: Shape, value: Any) -> Any:
    if shape.is_document_type:
        return value
    result = {}
    for member in members(shape):
        item = value.get(member.name)
        if item is not None:
            result[member.wire] = _WRITERS.get(member.shape.type_name, _as_is)(member.shape, item)
    return result


def _write_list(shape: Shape, value: Any) -> list[Any]:
    item_shape = shape.member
    write = _WRITERS.get(item_shape.type_name, _as_is)
    return [write(item_shape, item) for item in value]


def _write_map(shape: Shape, value: Any) -> dict[str, Any]:
    item_shape = shape.value
    write = _WRITERS.get(item_shape.type_name, _as_is)
    return {str(key): write(item_shape, item) for key, item in value.items() if item is not None}


def _write_timestamp(shape: Shape, value: Any) -> Any:
    form = shape.serialization.get("timestampFormat", "unixTimestamp")
    if form.lower() == "unixtimestamp":
        return scalars.epoch(value)
    return scalars.format_timestamp(value, form)


def _write_blob(_shape: Shape, value: Any) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def _write_float(_shape: Shape, value: Any) -> Any:
    number = float(value)
    return number if math.isfinite(number) else scalars.float_text(number)


def _write_string(shape: Shape, value: Any) -> Any:
    return value if isinstance(value, str) or shape.serialization.get("jsonvalue") else str(value)


_WRITERS: dict[str, Any] = {
    "structure": _write_structure,
    "list": _write_list,
    "map": _write_map,
    "timestamp": _write_timestamp,
    "blob": _write_blob,
    "float": _write_float,
    "double": _write_float,
    "string": _write_string,
}


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
