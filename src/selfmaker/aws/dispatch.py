"""Which function answers which operation: found by walking the service packages, checked against AWS's models."""

import importlib
import inspect
import keyword
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from selfmaker.aws import model
from selfmaker.aws.http import HttpRequest, HttpResponse
from selfmaker.aws.operation import Call

F = TypeVar("F", bound=Callable[[Call, HttpRequest], HttpResponse])


class BadOperationError(Exception):
    """A marked function that doesn't fit AWS's model: a defect of ours, found at start."""


@dataclass(frozen=True)
class Answer:
    """The function for one operation."""

    plan: model.Plan
    function: Callable[..., Any]
    on_loop: bool


@dataclass(frozen=True)
class RawRoute:
    """The function for requests that no model describes. It sees the request as it came, body unread."""

    service: str
    name: str
    matches: Callable[[HttpRequest], bool]
    function: Callable[[Call, HttpRequest], HttpResponse]


def raw_route(service: str, name: str, matches: Callable[[HttpRequest], bool]) -> Callable[[F], F]:
    """Mark a function as the answer to every request for which ``matches`` holds, whatever the models say.

    ``matches`` runs on the event loop, for every request that is routed to ``service``, and must be quick. The
    function runs on a worker thread. A signature in the header or query has been verified; an anonymous request is let
    through with ``call.access_key`` empty, and the function must decide itself.
    """

    def mark(function: F) -> F:
        function.__raw_route__ = (service, name, matches)  # type: ignore[attr-defined]
        return function

    return mark


class Registry:
    """What is answered. Read-only once built."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer] = {}
        self.raw_routes: list[RawRoute] = []
        self.services: list[str] = []

    def add(self, function: Callable[..., Any], folder: str) -> None:
        """Register a marked function found in the package ``folder``. Raises BadOperationError."""
        raw = getattr(function, "__raw_route__", None)
        if raw is not None:
            service, name, matches = raw
            self.raw_routes.append(RawRoute(service, name, matches, function))
            return
        service, name = function.__operation__  # type: ignore[attr-defined]
        where = f"{function.__module__}.{function.__name__}"
        if name not in model.service(service).operation_names:
            raise BadOperationError(f"{where}: AWS's {service} has no operation {name}")
        plan = model.service(service).plan(name)
        if function.__name__ != plan.function:
            raise BadOperationError(f"{where}: the function for {name} is named {plan.function}")
        if folder != folder_of(service):
            raise BadOperationError(f"{where}: an operation of {service} belongs in the folder {folder_of(service)}")
        if (service, name) in self.answers:
            raise BadOperationError(f"{where}: {service} {name} is answered twice")
        self.answers[service, name] = Answer(plan, function, inspect.iscoroutinefunction(function))

    def names(self, service: str) -> frozenset[str]:
        """The operations of ``service`` that are answered."""
        return frozenset(name for known, name in self.answers if known == service)


def folder_of(service: str) -> str:
    """The package in which the operations of botocore's ``service`` live: ``lambda_`` where Python has the word."""
    name = service.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def collect(packages: Iterable[ModuleType | str]) -> Registry:
    """Import all modules of the service packages and gather their marked functions. Raises BadOperationError."""
    registry = Registry()
    for package in packages:
        root = importlib.import_module(package) if isinstance(package, str) else package
        folder = root.__name__.rpartition(".")[2]
        service = folder.removesuffix("_").replace("_", "-")
        registry.services.append(service)
        for module in _modules(root):
            for function in vars(module).values():
                if getattr(function, "__module__", None) == module.__name__ and _marked(function):
                    registry.add(function, folder)
    return registry


def _modules(root: ModuleType) -> Iterable[ModuleType]:
    yield root
    for found in pkgutil.walk_packages(getattr(root, "__path__", ()), root.__name__ + "."):
        yield importlib.import_module(found.name)


def _marked(value: Any) -> bool:
    return inspect.isfunction(value) and (hasattr(value, "__operation__") or hasattr(value, "__raw_route__"))
