"""Paths into an event (``$.detail.items[0].name``), and what a target gets instead of the whole event."""

import json
import re
from collections.abc import Mapping
from typing import Any

from selfmaker.errors import Invalid

_STEP = re.compile(r"\.([A-Za-z0-9_$-]+)|\[(\d+|\*)\]|\[['\"]([^'\"]+)['\"]\]")
_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.-]+)>")
_ABSENT = object()

Steps = tuple[str | int, ...]


def parse(path: str) -> Steps:
    """Raises Invalid."""
    if not path.startswith("$"):
        raise Invalid(f"Invalid JSONPath {path!r}: it must begin with $")
    steps: list[str | int] = []
    position = 1
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None or found[2] == "*":
            raise Invalid(f"Invalid JSONPath {path!r}")
        steps.append(int(found[2]) if found[2] else found[1] or found[3])
        position = found.end()
    return tuple(steps)


def find(path: str, event: Any) -> Any:
    """What is at ``path``; None where there is nothing."""
    value = _at(parse(path), event)
    return None if value is _ABSENT else value


def payload(target: Mapping[str, Any], event: Mapping[str, Any], reserved: Mapping[str, str]) -> str:
    """The text that a target gets. ``reserved`` are AWS's own placeholders of an InputTransformer."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return json.dumps(find(target["InputPath"], event))
    if "InputTransformer" in target:
        return _transformed(target["InputTransformer"], event, reserved)
    return json.dumps(event)


def check(target: Mapping[str, Any]) -> None:
    """Raises Invalid for what ``payload`` could not do."""
    if sum(member in target for member in ("Input", "InputPath", "InputTransformer")) > 1:
        raise Invalid("Only one of Input, InputPath, or InputTransformer must be provided for target")
    if "Input" in target:
        try:
            json.loads(target["Input"])
        except (ValueError, RecursionError):
            raise Invalid(f"JSON syntax error in input for target {target['Id']}: Input is not valid") from None
    if "InputPath" in target:
        parse(target["InputPath"])
    for parameter in target.get("SageMakerPipelineParameters", {}).get("PipelineParameterList", []):
        if parameter["Value"].startswith("$."):
            parse(parameter["Value"])
    transformer = target.get("InputTransformer", {})
    for name, path in transformer.get("InputPathsMap", {}).items():
        if name.startswith("AWS."):
            raise Invalid(f"Invalid InputPathsMap of target {target['Id']}: {name} is reserved")
        parse(path)
    unknown = {
        name
        for name in _PLACEHOLDER.findall(transformer.get("InputTemplate", ""))
        if name not in transformer.get("InputPathsMap", {}) and not name.startswith("aws.")
    }
    if unknown:
        raise Invalid(
            f"Invalid InputTemplate for target {target['Id']} : [InputTemplate for target {target['Id']} contains "
            f"invalid placeholder {sorted(unknown)[0]}]"
        )


def _transformed(transformer: Mapping[str, Any], event: Mapping[str, Any], reserved: Mapping[str, str]) -> str:
    paths = transformer.get("InputPathsMap", {})

    def filled(match: "re.Match[str]") -> str:
        name = match[1]
        if name in ("aws.events.event", "aws.events.event.json"):
            value: Any = dict(event)
        elif name in reserved:
            value = reserved[name]
        else:
            value = find(paths[name], event) if name in paths else None
            if value is None:
                value = ""
        text = json.dumps(value)
        if not _inside_text(match):
            return text
        return text[1:-1] if isinstance(value, str) else json.dumps(text)[1:-1]

    template = str(transformer["InputTemplate"])
    text = _PLACEHOLDER.sub(filled, template)
    try:
        return json.dumps(json.loads(text))
    except ValueError:
        return text


def _inside_text(match: "re.Match[str]") -> bool:
    """Whether a placeholder stands within a JSON string: an odd number of quotes is open before it."""
    before = match.string[: match.start()]
    return len(re.findall(r'(?<!\\)"', before)) % 2 == 1


def _at(steps: Steps, value: Any) -> Any:
    for step in steps:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else _ABSENT
        else:
            value = value.get(step, _ABSENT) if isinstance(value, Mapping) else _ABSENT
        if value is _ABSENT:
            return _ABSENT
    return value
