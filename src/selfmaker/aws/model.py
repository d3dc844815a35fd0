"""AWS's own description of each service, as botocore carries it, and what the edge needs to know of each operation.

Models are loaded on first use and kept. Everything here is immutable once built and safe from any thread.
"""

import copy
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

import botocore.loaders
import botocore.model
from botocore import xform_name

from selfmaker.errors import NotFound

Shape = Any  # botocore.model.Shape: botocore carries no types

ALSO_QUERY = ("sqs",)  # whose models have lost the query protocol, which older clients speak

_lock = threading.RLock()


@dataclass(frozen=True)
class Member:
    """One member of a structure: its name in AWS's API and its name on the wire."""

    name: str
    wire: str
    shape: Shape


class Bindings:
    """Where the members of an input or output structure stand in an HTTP message, for the rest protocols."""

    def __init__(self, shape: Shape | None) -> None:
        self.shape = shape
        self.headers: list[Member] = []
        self.prefixed: list[Member] = []
        self.uri: list[Member] = []
        self.query: list[Member] = []
        self.query_map: Member | None = None
        self.status: str | None = None
        self.body: list[Member] = []
        self.payload: Member | None = None
        if shape is not None:
            for name, member in shape.members.items():
                self._bind(Member(name, member.serialization.get("name", name), member))
            payload = shape.serialization.get("payload")
            if payload is not None:
                self.payload = Member(
                    payload, shape.members[payload].serialization.get("name", payload), shape.members[payload]
                )
                self.body = []

    def _bind(self, member: Member) -> None:
        location = member.shape.serialization.get("location")
        if location == "header":
            self.headers.append(member)
        elif location == "headers":
            self.prefixed.append(member)
        elif location == "uri":
            self.uri.append(member)
        elif location == "querystring" and member.shape.type_name == "map":
            self.query_map = member
        elif location == "querystring":
            self.query.append(member)
        elif location == "statusCode":
            self.status = member.name
        else:
            self.body.append(member)

    @property
    def streaming(self) -> bool:
        """Whether the payload is a stream of bytes, rather than a value."""
        return self.payload is not None and bool(self.payload.shape.serialization.get("streaming"))

    @property
    def events(self) -> bool:
        """Whether the payload is a stream of events."""
        return self.payload is not None and bool(self.payload.shape.serialization.get("eventstream"))


class Plan:
    """One operation. ``function`` is the name that the Python function answering it must have."""

    def __init__(self, service: "Service", model: Any) -> None:
        self.service = service
        self.name: str = model.name
        self.function: str = xform_name(model.name)
        self.input: Shape | None = model.input_shape
        self.output: Shape | None = model.output_shape
        self.method: str = model.http.get("method", "POST")
        self.uri: str = model.http.get("requestUri", "/")
        self.status: int = int(model.http.get("responseCode", 200))
        self.unsigned = model.auth_type == "none"
        self.wrapper: str | None = (
            model.output_shape.serialization.get("resultWrapper") if model.output_shape is not None else None
        )

    @cached_property
    def sends(self) -> Bindings:
        """The input's bindings."""
        return Bindings(self.input)

    @cached_property
    def returns(self) -> Bindings:
        """The output's bindings."""
        return Bindings(self.output)

    def __repr__(self) -> str:
        return f"Plan({self.service.name} {self.name})"


class Service:
    """One service's model. ``protocols`` are the ways in which its clients may speak, the favourite first."""

    def __init__(self, name: str, description: dict[str, Any]) -> None:
        self.name = name
        self._model = botocore.model.ServiceModel(description, name)
        metadata = description["metadata"]
        self.protocols: tuple[str, ...] = tuple(metadata.get("protocols") or (metadata["protocol"],))
        if name in ALSO_QUERY and "query" not in self.protocols:
            self.protocols += ("query",)
        self.signing_name: str = metadata.get("signingName") or metadata["endpointPrefix"]
        self.target_prefix: str = metadata.get("targetPrefix", "")
        self.json_version: str = metadata.get("jsonVersion", "1.0")
        self.version: str = metadata.get("apiVersion", "")
        self.namespace: str = metadata.get("xmlNamespace") or _namespace(metadata)
        self.query_compatible = "awsQueryCompatible" in metadata
        self.operation_names: frozenset[str] = frozenset(self._model.operation_names)
        self._plans: dict[str, Plan] = {}
        self._shapes: dict[str, Shape] = {}
        self._errors: dict[str, Shape] | None = None

    def plan(self, operation: str) -> Plan:
        """Raises NotFound when the service has no such operation."""
        known = self._plans.get(operation)
        if known is None:
            if operation not in self.operation_names:
                raise NotFound(f"{self.name} has no operation {operation}")
            with _lock:
                known = self._plans.setdefault(operation, Plan(self, self._model.operation_model(operation)))
        return known

    def plans(self) -> Iterator[Plan]:
        for name in sorted(self.operation_names):
            yield self.plan(name)

    def shape(self, name: str) -> Shape:
        """The shape of that name, always the same instance. Raises NotFound."""
        known = self._shapes.get(name)
        if known is None:
            if name not in self._model.shape_names:
                raise NotFound(f"{self.name}'s model has no shape {name}")
            with _lock:
                known = self._shapes.setdefault(name, self._model.shape_for(name))
        return known

    def error(self, code: str) -> Shape | None:
        """The shape of the error that clients know by ``code``, where the service models it."""
        if self._errors is None:
            with _lock:
                found: dict[str, Shape] = {}
                for shape in self._model.error_shapes:
                    found[shape.metadata.get("error", {}).get("code", shape.name)] = shape
                    found.setdefault(shape.name, shape)
                self._errors = found
        return self._errors.get(code)


def _namespace(metadata: dict[str, Any]) -> str:
    if metadata.get("protocol") != "rest-xml" or metadata.get("endpointPrefix") != "s3":
        return ""
    return "http://s3.amazonaws.com/doc/2006-03-01/"


@cache
def service(name: str) -> Service:
    """botocore's service of that name. Raises NotFound when AWS has none."""
    with _lock:
        if name not in _available():
            raise NotFound(f"AWS has no service {name}")
        return Service(name, _loader().load_service_model(name, "service-2"))


def description(name: str) -> dict[str, Any]:
    """The model of a service as botocore ships it, a copy of the caller's own."""
    loaded: dict[str, Any] = _loader().load_service_model(name, "service-2")
    return copy.deepcopy(loaded)


@lru_cache(maxsize=1)
def _loader() -> Any:
    """Only what botocore ships: a user's ~/.aws/models must not change what the server understands."""
    return botocore.loaders.Loader(
        include_default_search_paths=False, extra_search_paths=[botocore.loaders.Loader.BUILTIN_DATA_PATH]
    )


@lru_cache(maxsize=1)
def _available() -> frozenset[str]:
    return frozenset(_loader().list_available_services("service-2"))


@cache
def members(shape: Shape) -> tuple[Member, ...]:
    """The members of a structure, with their names on the wire."""
    return tuple(Member(name, m.serialization.get("name", name), m) for name, m in shape.members.items())
