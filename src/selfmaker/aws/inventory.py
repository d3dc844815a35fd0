"""What is answered, for people: the page docs/operations.md."""

import inspect
import re
import sys
from collections.abc import Callable
from typing import Any

from selfmaker.aws import model
from selfmaker.aws.dispatch import Registry

_INTRODUCTION = """\
# The operations that are answered

Generated: `selfmaker operations --markdown > docs/operations.md`. Requests are parsed and checked by botocore's own
model of each service; an operation that is not listed answers 501 with its name. The remarks are the first sentences of
what the code says of a service or an operation, mostly of where it differs from AWS's."""


def by_service(registry: Registry) -> dict[str, list[str]]:
    """botocore's service name to its operations that are answered, both sorted."""
    found = {service: sorted(registry.names(service)) for service in sorted(registry.services)}
    return {service: names for service, names in found.items() if names}


def markdown(registry: Registry) -> str:
    """The whole page."""
    services = by_service(registry)
    parts = [_INTRODUCTION, _totals(services)]
    for service, names in services.items():
        functions = {name: registry.answers[service, name].function for name in names}
        functions |= {route.name: route.function for route in registry.raw_routes if route.service == service}
        parts += [f"## {service}", _about(functions[names[0]]), ", ".join(f"`{name}`" for name in functions)]
        remarks = [f"- `{name}`: {_first(function)}" for name, function in functions.items() if function.__doc__]
        parts.append("\n".join(remarks))
    return "\n\n".join(part for part in parts if part) + "\n"


def _totals(services: dict[str, list[str]]) -> str:
    lines = ["| service | answered | AWS has |", "| --- | ---: | ---: |"]
    for service, names in services.items():
        lines.append(f"| [{service}](#{service}) | {len(names)} | {len(model.service(service).operation_names)} |")
    return "\n".join(lines)


def _about(function: Callable[..., Any]) -> str:
    """The first sentence of what the function's package says of itself."""
    return _first(sys.modules[function.__module__.rpartition(".")[0]])


def _first(documented: object) -> str:
    """The first sentence of a docstring, in one line."""
    text = " ".join((inspect.getdoc(documented) or "").split())
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]
