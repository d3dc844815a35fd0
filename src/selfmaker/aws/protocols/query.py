"""The query protocol: a form with Action and dotted names in, XML out. STS, IAM and other old services."""

from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.http import HttpResponse
from selfmaker.aws.model import Plan, Shape
from selfmaker.aws.operation import Reply
from selfmaker.aws.protocols import query_names, rest, scalars, xml_shapes
from selfmaker.aws.protocols.base import Circumstances, Inbound, modeled
from selfmaker.aws.protocols.scalars import MalformedError
from selfmaker.aws.protocols.xml_shapes import escape_legibly

_DEPTH = 32
Tree = dict[str, Any]  # name -> Tree; the text of a name itself stands under ""


class Query:
    """The ``query`` protocol."""

    name = "query"

    def parse(self, inbound: Inbound) -> dict[str, Any]:
        shape = query_names.plan(inbound.plan).input
        if shape is None:
            return {}
        try:
            result: dict[str, Any] = _structure(shape, _tree(form(inbound.http.query, inbound.body)))
        except MalformedError as problem:
            raise AwsError("MalformedInput", str(problem)) from None
        return result

    def respond(self, plan: Plan, reply: Reply, circumstances: Circumstances) -> HttpResponse:
        plan = query_names.plan(plan)
        parts = [f'<{plan.name}Response xmlns="{plan.service.namespace}">']
        if plan.output is not None:
            wrapper = plan.wrapper or f"{plan.name}Result"
            parts.append(f"<{wrapper}>")
            xml_shapes.structure_content(plan.output, reply.output, parts.append)
            parts.append(f"</{wrapper}>")
        parts.append(
            f"<ResponseMetadata><RequestId>{circumstances.request_id}</RequestId></ResponseMetadata>"
            f"</{plan.name}Response>"
        )
        headers = {"x-amzn-RequestId": circumstances.request_id, "Content-Type": "text/xml", **reply.headers}
        return HttpResponse(reply.status or plan.status, headers, "".join(parts).encode("utf-8", "replace"))

    def fail(self, error: AwsError, circumstances: Circumstances) -> HttpResponse:
        shape, status = modeled(circumstances.service, error)
        namespace = circumstances.service.namespace if circumstances.service is not None else ""
        sender = "Sender" if status < 500 else "Receiver"
        code = escape_legibly(error.query_code)
        parts = [
            f'<ErrorResponse xmlns="{namespace}"><Error><Type>{sender}</Type><Code>{code}</Code>'
            f"<Message>{escape_legibly(error.message)}</Message>"
        ]
        if shape is not None:
            known = {k: v for k, v in error.members.items() if k.lower() != "message"}
            xml_shapes.structure_content(shape, known, parts.append)
        parts.append(f"</Error><RequestId>{circumstances.request_id}</RequestId></ErrorResponse>")
        headers = {"x-amzn-RequestId": circumstances.request_id, "Content-Type": "text/xml"}
        return HttpResponse(status, headers, "".join(parts).encode("utf-8", "replace"))


def form(query: str, body: bytes) -> dict[str, str]:
    """The fields of a query request, from its query string and its body. Raises MalformedError."""
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise MalformedError("the body is not a URL-encoded form") from None
    return dict(rest.query_pairs(query) + rest.query_pairs(text.strip()))


def _tree(fields: dict[str, str]) -> Tree:
    root: Tree = {}
    for name, value in fields.items():
        node = root
        steps = name.split(".")
        if len(steps) > _DEPTH:
            raise MalformedError("a field's name is nested too deeply")
        for step in steps:
            node = node.setdefault(step, {})
        node[""] = value
    return root


def _read(shape: Shape, node: Tree) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, node)
    if kind == "list":
        return _list(shape, node)
    if kind == "map":
        return _map(shape, node)
    if "" not in node:
        raise MalformedError("a single value was expected")
    return scalars.from_text(shape, node[""])


def _structure(shape: Shape, node: Tree) -> dict[str, Any]:
    result = {}
    for name, member in shape.members.items():
        child = node.get(_member_name(name, member))
        if child is not None:
            try:
                result[name] = _read(member, child)
            except MalformedError as problem:
                problem.path.append(name)
                raise
    return result


def _member_name(name: str, member: Shape) -> str:
    if member.type_name == "list" and member.serialization.get("flattened"):
        return str(member.member.serialization.get("name", member.serialization.get("name", name)))
    return str(member.serialization.get("name", name))


def _list(shape: Shape, node: Tree) -> list[Any]:
    if not shape.serialization.get("flattened"):
        node = node.get(shape.member.serialization.get("name", "member"), {})
    return [_read(shape.member, child) for child in _numbered(node)]


def _map(shape: Shape, node: Tree) -> dict[str, Any]:
    if not shape.serialization.get("flattened"):
        node = node.get("entry", {})
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    result = {}
    for entry in _numbered(node):
        if key_name not in entry or value_name not in entry:
            raise MalformedError("a map entry lacks its key or value")
        result[_read(shape.key, entry[key_name])] = _read(shape.value, entry[value_name])
    return result


def _numbered(node: Tree) -> list[Tree]:
    """The children named 1, 2, 3, ... in the order of their numbers."""
    found = []
    for name, child in node.items():
        if name:
            if not (name.isascii() and name.isdigit() and len(name) < 10):
                raise MalformedError(f"{name[:64]!r} is not the number of a list's member")
            found.append((int(name), child))
    return [child for _, child in sorted(found, key=lambda pair: pair[0])]
