"""Expressions: the objects of a definition that stand for values, ``Get``, ``Std:Join`` and ``Std:JsonGet``."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from selfmaker.errors import Invalid, NotFound
from selfmaker.workflow import paths

GET, JOIN, JSON_GET = "Get", "Std:Join", "Std:JsonGet"
FUNCTIONS = (GET, JOIN, JSON_GET)

EXECUTION_VARIABLES = (
    "CurrentDateTime",
    "PipelineArn",
    "PipelineExecutionArn",
    "PipelineExecutionId",
    "PipelineName",
    "ProcessingJobName",
    "StartDateTime",
    "TrainingJobName",
)


@dataclass(frozen=True)
class Reference:
    """What a ``Get`` names: ``root`` is Parameters, Execution, PipelineExperimentConfig or Steps; ``name`` the
    parameter, variable or step; ``path`` what follows it, as text. ``place`` is where the Get stands."""

    root: str
    name: str
    path: str
    place: str

    def __str__(self) -> str:
        dot = "." if self.path and not self.path.startswith("[") else ""
        return f"{self.root}.{self.name}{dot}{self.path}"


def function_of(value: Any) -> str | None:
    """Which function an object of a definition is; None for a plain value."""
    if isinstance(value, Mapping) and len(value) == 1:
        name = next(iter(value))
        if name in FUNCTIONS:
            return str(name)
    return None


def reference(text: Any, place: str = "") -> Reference:
    """Raises Invalid for what names nothing that could be."""
    root, _, rest = text.partition(".") if isinstance(text, str) else ("", "", "")
    if root not in ("Parameters", "Execution", "PipelineExperimentConfig", "Steps") or not rest:
        raise Invalid(
            f"{place}: Get {text!r} must name Parameters.NAME, Steps.NAME.PROPERTY, Execution.VARIABLE or "
            "PipelineExperimentConfig.MEMBER"
        )
    if root != "Steps":
        return Reference(root, rest, "", place)
    end = min((rest.find(mark) for mark in ".[" if mark in rest), default=len(rest))
    return Reference(root, rest[:end], rest[end:].removeprefix("."), place)


def references(value: Any, place: str = "") -> Iterator[Reference]:
    """Every reference at any depth. Raises Invalid for a malformed one."""
    function = function_of(value)
    if function == GET:
        yield reference(value[GET], place)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from references(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from references(item, f"{place}[{index}]")


@dataclass(frozen=True)
class Scope:
    """What the names in expressions stand for during one execution. ``outputs(step)`` is what a step that succeeded
    has come to (raises Invalid for another); ``property_file(step, name)`` and ``read(uri)`` give what a file holds."""

    parameters: Mapping[str, Any]
    execution: Mapping[str, Any]
    outputs: Callable[[str], Mapping[str, Any]]
    property_file: Callable[[str, str], str]
    read: Callable[[str], bytes]
    experiment: Mapping[str, Any] = field(default_factory=dict)


def resolve(value: Any, scope: Scope) -> Any:
    """``value`` with every expression replaced by what it stands for. Raises Invalid where one cannot be."""
    function = function_of(value)
    if function == GET:
        return _get(reference(value[GET]), scope)
    if function == JOIN:
        return _join(value[JOIN], scope)
    if function == JSON_GET:
        return _json_get(value[JSON_GET], scope)
    if isinstance(value, Mapping):
        return {key: resolve(item, scope) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, scope) for item in value]
    return value


def as_text(value: Any) -> str:
    """A value inside a text, as AWS writes it: JSON, but for texts themselves."""
    return value if isinstance(value, str) else json.dumps(value)


def _get(named: Reference, scope: Scope) -> Any:
    if named.root == "Parameters":
        return _member(scope.parameters, named)
    if named.root == "Execution":
        return _member(scope.execution, named)
    if named.root == "PipelineExperimentConfig":
        return _member(scope.experiment, named)
    try:
        return paths.find(scope.outputs(named.name), paths.parse(named.path))
    except Invalid as error:
        raise Invalid(f"Unable to resolve {named}: {error.message}") from None


def _member(members: Mapping[str, Any], named: Reference) -> Any:
    if named.name not in members:
        raise Invalid(f"Unable to resolve {named}: it has no value here")
    return members[named.name]


def _join(arguments: Mapping[str, Any], scope: Scope) -> str:
    values: list[Any] = []
    for item in arguments.get("Values", []):
        value = resolve(item, scope)
        values += value if isinstance(value, list) else [value]
    return str(arguments.get("On", "")).join(as_text(value) for value in values)


def _json_get(arguments: Mapping[str, Any], scope: Scope) -> Any:
    path = str(resolve(arguments.get("Path", "$"), scope))
    if "PropertyFile" in arguments:
        source, text = _property_file(arguments["PropertyFile"], scope)
    else:
        source = str(resolve(arguments.get("S3Uri"), scope))
        try:
            text = scope.read(source).decode("utf-8", "replace")
        except NotFound:
            raise Invalid(f"Unable to resolve JsonGet: there is no {source}") from None
    try:
        return paths.find(json.loads(text), paths.parse(path))
    except ValueError:
        raise Invalid(f"Unable to resolve JsonGet: {source} is not JSON") from None
    except Invalid as error:
        raise Invalid(f"Unable to resolve JsonGet {path!r} in {source}: {error.message}") from None


def _property_file(named: Any, scope: Scope) -> tuple[str, str]:
    found = reference(named[GET] if function_of(named) == GET else named)
    name = found.path.removeprefix("PropertyFiles.")
    return f"property file {name} of step {found.name}", scope.property_file(found.name, name)
