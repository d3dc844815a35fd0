"""From an HTTP request to the service, the protocol and the operation that it means.

The SigV4 scope names the service; several share a name (all of SageMaker's), and then X-Amz-Target or the path
decides. Unsigned requests are told apart by target, Action and path alone, and are S3's when nothing else fits.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from selfmaker.aws import model
from selfmaker.aws.body import BytesBody
from selfmaker.aws.dispatch import Registry
from selfmaker.aws.errors import AwsError
from selfmaker.aws.http import HttpRequest
from selfmaker.aws.protocols import BY_NAME, query
from selfmaker.aws.protocols.base import WireProtocol
from selfmaker.aws.protocols.scalars import MalformedError
from selfmaker.aws.routes import Routes, WrongMethodError
from selfmaker.errors import NotFound

_FAMILY = (
    "sagemaker",
    "sagemaker-runtime",
    "sagemaker-metrics",
    "sagemaker-featurestore-runtime",
    "sagemaker-a2i-runtime",
    "sagemaker-edge",
)
_BUCKET_HOST = re.compile(r"(.+?)\.(?:s3(?:[.-][a-z0-9-]+)*\.)?(?:localhost|amazonaws\.com)(?::\d+)?", re.IGNORECASE)
_NO_BUCKET = frozenset(("s3", "selfmaker", "sagemaker", "aws", "api"))
_RPC_PATH = re.compile(r"/service/([\w.-]+)/operation/(\w+)", re.ASCII)


@dataclass(slots=True)
class Target:
    """What a request means. Where it means nothing, ``problem`` says so in the words of the service."""

    protocol: WireProtocol
    service: model.Service | None
    plan: model.Plan | None = None
    labels: dict[str, str] = field(default_factory=dict)
    problem: AwsError | None = None


class Router:
    """Safe to be shared; loads the models of services that nobody answers only when they are asked for."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._routes: dict[str, Routes] = {}
        self._by_signing: dict[str, list[model.Service]] = {}
        names = [name for name in registry.services if _exists(name)]
        for name in dict.fromkeys([*names, *_FAMILY]):
            service = model.service(name)
            self._by_signing.setdefault(service.signing_name, []).append(service)
        self._known = [service for services in self._by_signing.values() for service in services]

    def route(self, http: HttpRequest, signed_for: str | None) -> Target:
        """Never raises; ``signed_for`` is the service in the signature's scope."""
        services = self._known if signed_for is None else self._services(signed_for)
        target = http.headers.get("x-amz-target")
        if target is not None:
            return self._by_target(services, target, signed_for)
        if http.headers.get("smithy-protocol") == "rpc-v2-cbor":
            return self._by_rpc_path(services, http.path, signed_for)
        if any({"query", "ec2"} & set(service.protocols) for service in services) or not services:
            fields = _form(http)
            if fields is not None and "Action" in fields:
                return self._by_action(services, fields, signed_for)
        return self._by_path(services, http, signed_for)

    def _services(self, signing_name: str) -> list[model.Service]:
        known = self._by_signing.get(signing_name)
        if known is None:
            known = self._by_signing[signing_name] = [model.service(signing_name)] if _exists(signing_name) else []
        return known

    # --- by X-Amz-Target, rpc path, Action

    def _by_target(self, services: list[model.Service], target: str, signed_for: str | None) -> Target:
        prefix, _, operation = target.rpartition(".")
        for service in services:
            if service.target_prefix == prefix and "json" in service.protocols:
                return self._named(service, "json", operation)
        return Target(
            BY_NAME["json"], _speaking(services, "json"), problem=_unknown_target(services, target, signed_for)
        )

    def _by_rpc_path(self, services: list[model.Service], path: str, signed_for: str | None) -> Target:
        found = _RPC_PATH.fullmatch(path)
        name = "smithy-rpc-v2-cbor"
        if found is not None:
            for service in services:
                if name in service.protocols and service.target_prefix == found[1]:
                    return self._named(service, name, found[2])
        return Target(BY_NAME[name], _speaking(services, name), problem=_unknown_target(services, path, signed_for))

    def _by_action(self, services: list[model.Service], fields: dict[str, str], signed_for: str | None) -> Target:
        action, version = fields["Action"], fields.get("Version", "")
        speaking = [service for service in services if "query" in service.protocols]
        for service in speaking:
            if action in service.operation_names and version in (service.version, ""):
                return self._named(service, "query", action)
        for service in speaking:
            if action in service.operation_names:
                return self._named(service, "query", action)
        problem = AwsError("InvalidAction", f"Could not find operation {action[:128]} for version {version[:32]}", 400)
        if not speaking and signed_for is not None:
            problem = not_answered(signed_for, action)
        return Target(BY_NAME["query"], speaking[0] if speaking else None, problem=problem)

    def _named(self, service: model.Service, protocol: str, operation: str) -> Target:
        wire = BY_NAME[protocol]
        if operation not in service.operation_names:
            if protocol == "query":
                return Target(wire, service, problem=AwsError("InvalidAction", f"Could not find operation {operation}"))
            return Target(
                wire,
                service,
                problem=AwsError(
                    "UnknownOperationException", f"AWS's {service.name} has no operation {operation[:128]!r}"
                ),
            )
        return Target(wire, service, service.plan(operation))

    # --- by path

    def _by_path(self, services: list[model.Service], http: HttpRequest, signed_for: str | None) -> Target:
        problem: AwsError | None = None
        first: Target | None = None
        for service in services:
            protocol = next((name for name in service.protocols if name in ("rest-json", "rest-xml")), None)
            if protocol is None or (service.name == "s3" and signed_for is None):
                continue
            target = self._at_path(service, BY_NAME[protocol], http)
            if target.plan is not None:
                return target
            first = first or target
        if signed_for is None:
            return self._at_path(model.service("s3"), BY_NAME["rest-xml"], http)
        if first is not None:
            return first
        if services:
            wire = BY_NAME.get(services[0].protocols[0], BY_NAME["json"])
            problem = _unknown_target(services, f"{http.method} {http.path}", signed_for)
            return Target(wire, services[0], problem=problem)
        return Target(BY_NAME["rest-json"], None, problem=not_answered(signed_for, f"{http.method} {http.path}"))

    def _at_path(self, service: model.Service, wire: WireProtocol, http: HttpRequest) -> Target:
        if service.name == "s3":
            http.resource = _with_bucket_of_host(http)
        routes = self._routes.get(service.name)
        if routes is None:
            routes = self._routes[service.name] = Routes(service, self._registry.names(service.name))
        try:
            found = routes.find(http.method, http.resource, http.query, http.headers)
        except WrongMethodError:
            code = "MethodNotAllowed" if service.name == "s3" else "UnknownOperationException"
            return Target(
                wire, service, problem=AwsError(code, "The specified method is not allowed against this resource.", 405)
            )
        except MalformedError as malformed:
            code = "InvalidURI" if service.name == "s3" else "SerializationException"
            return Target(wire, service, problem=AwsError(code, f"Couldn't parse the specified URI: {malformed}"))
        if found is None:
            return Target(
                wire,
                service,
                problem=AwsError(
                    "UnknownOperationException", f"{service.name} has nothing at {http.method} {http.path[:256]}", 404
                ),
            )
        return Target(wire, service, *found)


def not_answered(service: str, operation: str) -> AwsError:
    """501, which clients don't try again, for what AWS has and we don't."""
    return AwsError(
        "NotImplemented",
        f"selfmaker does not answer {service} {operation[:256]}; `selfmaker operations` lists what it answers",
        501,
    )


def _unknown_target(services: list[model.Service], target: str, signed_for: str | None) -> AwsError:
    if not services and signed_for is not None:
        return not_answered(signed_for, target)
    return AwsError("UnknownOperationException", f"No service here has the operation {target[:256]!r}", 400)


def _speaking(services: Iterable[model.Service], protocol: str) -> model.Service | None:
    return next((service for service in services if protocol in service.protocols), None)


def _form(http: HttpRequest) -> dict[str, str] | None:
    if "Action=" not in http.query and not http.headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    ):
        return None
    try:
        return query.form(http.query, http.body.data if isinstance(http.body, BytesBody) else b"")
    except MalformedError:
        return None


def _with_bucket_of_host(http: HttpRequest) -> str:
    host = http.headers.get("host", "")
    found = _BUCKET_HOST.fullmatch(host)
    if found is None or found[1].lower() in _NO_BUCKET or found[1].startswith(("s3.", "s3-")):
        return http.path
    return f"/{found[1]}{http.path}"


def _exists(name: str) -> bool:
    try:
        model.service(name)
    except NotFound:
        return False
    return True
