"""Parameters of a pipeline: their types, and the values with which an execution starts."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from selfmaker.errors import Invalid
from selfmaker.workflow.definition import Definition

Declared = Mapping[str, Any]

_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):  # int() takes more: 1_0, blanks around
        raise ValueError(text)
    return int(text)


def _float(text: str) -> float:
    if not _FLOAT.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def _boolean(text: str) -> bool:
    try:
        return {"true": True, "false": False, "1": True, "0": False}[text.strip().lower()]
    except KeyError:
        raise ValueError(text) from None


READERS: Mapping[str, Callable[[str], Any]] = {
    "String": str,
    "Integer": _integer,
    "Float": _float,
    "Boolean": _boolean,
}
_KINDS: Mapping[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (int, float),
    "Boolean": (bool,),
}


def typed(name: str, kind: str, value: Any, where: str = "") -> Any:
    """A value that somebody wrote, maybe as a text, as one of a type. Raises Invalid."""
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        return READERS[kind](text)
    except ValueError:
        raise Invalid(f"{where}the value {text!r} of {name} is not of type {kind}") from None


def is_of(kind: str, value: Any) -> bool:
    """Whether a JSON value is of a parameter's type."""
    if isinstance(value, float) and not math.isfinite(value):  # JSON's 1e999
        return False
    return isinstance(value, _KINDS[kind]) and (kind == "Boolean" or not isinstance(value, bool))


def values(definition: Definition, given: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Name to typed value, for every parameter. ``given`` are the Name and Value of StartPipelineExecution. Raises
    Invalid for a parameter that is unknown, twice there, not of its type, not among its enum, or without a value."""
    declared = {parameter["Name"]: parameter for parameter in definition.parameters}
    names = [item["Name"] for item in given]
    if unknown := sorted(set(names) - set(declared)):
        raise Invalid(f"PipelineParameters: the pipeline has no parameters {unknown}; it has {sorted(declared)}")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise Invalid(f"PipelineParameters: given more than once: {repeated}")
    found = {item["Name"]: _typed(declared[item["Name"]], item["Value"]) for item in given}
    defaults = {name: p["DefaultValue"] for name, p in declared.items() if p.get("DefaultValue") is not None}
    if missing := [name for name in declared if name not in found and name not in defaults]:
        raise Invalid(f"PipelineParameters: no value is given for {missing}, and there is no default")
    return {name: found[name] if name in found else _cast(p, defaults[name]) for name, p in declared.items()}


def _typed(declared: Declared, text: str) -> Any:
    name, kind = declared["Name"], declared["Type"]
    try:
        value = READERS[kind](text)
    except ValueError:
        raise Invalid(f"PipelineParameters: the value {text!r} of parameter {name} is not of type {kind}") from None
    allowed = declared.get("EnumValues")
    if allowed and value not in allowed:
        raise Invalid(f"PipelineParameters: the value {text!r} of parameter {name} is not one of {allowed}")
    return value


def _cast(declared: Declared, default: Any) -> Any:
    return float(default) if declared["Type"] == "Float" else default
