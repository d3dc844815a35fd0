"""Documents cut to the shape of an operation's output: a Describe is what is stored, and nothing is listed by hand."""

from collections.abc import Mapping
from typing import Any

from selfmaker.aws import model
from selfmaker.aws.model import Shape

_NOTHING = object()


def describe(
    service: str, operation: str, document: Mapping[str, Any], state: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The output of ``operation``: those members of ``document``, overridden by ``state``, that its shape has."""
    shape = model.service(service).plan(operation).output
    return {} if shape is None else _structure(shape, {**document, **(state or {})})


def cut(service: str, shape: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """``document`` as the structure named ``shape`` in the service's model.

    Members that the shape lacks go, at every depth, and so do those that are None and structures without members:
    clients that check responses strictly refuse both.
    """
    return _structure(model.service(service).shape(shape), document)


def _structure(shape: Shape, value: Mapping[str, Any]) -> dict[str, Any]:
    result = {}
    for name, member in shape.members.items():
        item = value.get(name)
        if item is not None:
            kept = _kept(member, item)
            if kept is not _NOTHING:
                result[name] = kept
    return result


def _kept(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure" and not shape.is_document_type:
        return (_structure(shape, value) or _NOTHING) if isinstance(value, Mapping) else _NOTHING
    if kind == "list" and isinstance(value, (list, tuple)):
        kept = [_kept(shape.member, item) for item in value if item is not None]
        return [item for item in kept if item is not _NOTHING]
    if kind == "map" and isinstance(value, Mapping):
        found = {key: _kept(shape.value, item) for key, item in value.items() if item is not None}
        return {key: item for key, item in found.items() if item is not _NOTHING}
    return value
