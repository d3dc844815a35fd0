"""What the two rest protocols share: members in the path, the query string, the headers and the status."""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from selfmaker.aws.http import HttpRequest, HttpResponse
from selfmaker.aws.model import Bindings, Member, Plan, Shape
from selfmaker.aws.operation import FileRange, Reply
from selfmaker.aws.protocols import scalars
from selfmaker.aws.protocols.base import Inbound
from selfmaker.aws.protocols.scalars import MalformedError

_RFC822_SPLIT = re.compile(r"(?<!\w{3}),\s*")


class MalformedParameterError(MalformedError):
    """A header or query parameter that is not of its type."""

    def __init__(self, problem: MalformedError, name: str, value: str) -> None:
        super().__init__(problem.problem)
        self.name = name
        self.value = value


def query_pairs(query: str) -> list[tuple[str, str]]:
    """The parameters of a raw query string, decoded, in order. Raises MalformedError when they are not UTF-8."""
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            try:
                pairs.append((unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")))
            except UnicodeDecodeError:
                raise MalformedError("the query string is not UTF-8") from None
    return pairs


def read_parts(inbound: Inbound) -> dict[str, Any]:
    """The members that stand outside the body. Raises MalformedParameterError or MalformedError."""
    bindings = inbound.plan.sends
    result: dict[str, Any] = {}
    for member in bindings.uri:
        value = inbound.labels.get(member.wire)
        if value is not None:
            result[member.name] = _scalar(member, value)
    if bindings.headers or bindings.prefixed:
        _read_headers(bindings, inbound.http, result)
    if inbound.http.query and (bindings.query or bindings.query_map):
        _read_query(bindings, inbound.http.query, result)
    return result


def _read_headers(bindings: Bindings, http: HttpRequest, result: dict[str, Any]) -> None:
    headers = http.headers
    for member in bindings.headers:
        value = headers.get(member.wire.lower())
        if value is None:
            continue
        if member.shape.type_name == "list":
            result[member.name] = [_scalar(member, item, member.shape.member) for item in _split(member, value)]
        else:
            result[member.name] = _scalar(member, value)
    for member in bindings.prefixed:
        prefix = member.wire.lower()
        found = {name[len(prefix) :]: value for name, value in headers.items() if name.startswith(prefix)}
        if found:
            result[member.name] = found


def _split(member: Member, value: str) -> list[str]:
    if member.shape.member.type_name == "timestamp":
        return [part.strip() for part in _RFC822_SPLIT.split(value)]
    return [part.strip() for part in value.split(",") if part.strip()]


def _read_query(bindings: Bindings, query: str, result: dict[str, Any]) -> None:
    found: dict[str, list[str]] = {}
    for name, value in query_pairs(query):
        found.setdefault(name, []).append(value)
    for member in bindings.query:
        values = found.pop(member.wire, None)
        if values is None:
            continue
        if member.shape.type_name == "list":
            result[member.name] = [_scalar(member, value, member.shape.member) for value in values]
        else:
            result[member.name] = _scalar(member, values[0])
    if bindings.query_map is not None and found:
        many = bindings.query_map.shape.value.type_name == "list"
        result[bindings.query_map.name] = {name: v if many else v[0] for name, v in found.items()}


def _scalar(member: Member, value: str, shape: Shape | None = None) -> Any:
    shape = shape or member.shape
    try:
        if shape.serialization.get("jsonvalue"):
            return json.loads(b64decode(value))
        return scalars.from_text(shape, value)
    except MalformedError as problem:
        raise MalformedParameterError(problem, member.wire, value) from None
    except ValueError:
        raise MalformedParameterError(MalformedError("not base64 of a JSON text"), member.wire, value) from None


def write_headers(bindings: Bindings, output: Mapping[str, Any]) -> dict[str, str]:
    """The headers that carry members of the output."""
    headers: dict[str, str] = {}
    for member in bindings.headers:
        value = output.get(member.name)
        if value is not None:
            headers[member.wire] = _header(member.shape, value)
    for member in bindings.prefixed:
        for name, value in (output.get(member.name) or {}).items():
            headers[f"{member.wire}{name}"] = str(value)
    return headers


def _header(shape: Shape, value: Any) -> str:
    if shape.type_name == "string":
        return b64encode(json.dumps(value).encode()).decode() if shape.serialization.get("jsonvalue") else str(value)
    if shape.type_name == "list":
        return ",".join(_header(shape.member, item) for item in value)
    return scalars.to_text(shape, value, "rfc822")


def start(plan: Plan, reply: Reply, headers: dict[str, str]) -> HttpResponse:
    """The answer without its body."""
    status = reply.status or plan.status
    if plan.returns.status is not None:
        status = int(reply.output.get(plan.returns.status) or status)
    headers.update(write_headers(plan.returns, reply.output))
    headers.update(reply.headers)
    return HttpResponse(status, headers)


def raw_payload(value: Any) -> Any:
    """A blob or string payload as a body: bytes, a FileRange or an iterator stay what they are."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if value is None:
        return b""
    if isinstance(value, (bytes, FileRange)) or hasattr(value, "__next__") or hasattr(value, "__anext__"):
        return value
    return iter(value)
