"""Smithy's RPC v2 with CBOR bodies, in which newer SDKs speak to CloudWatch: the operation in the path."""

from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.http import HttpResponse
from selfmaker.aws.model import Plan, Shape, members
from selfmaker.aws.operation import Reply
from selfmaker.aws.protocols import cbor, json_shapes
from selfmaker.aws.protocols.base import Circumstances, Inbound, modeled
from selfmaker.aws.protocols.scalars import MalformedError


class RpcCbor:
    """The ``smithy-rpc-v2-cbor`` protocol."""

    name = "smithy-rpc-v2-cbor"

    def parse(self, inbound: Inbound) -> dict[str, Any]:
        shape = inbound.plan.input
        if shape is None:
            return {}
        try:
            document = cbor.decode(inbound.body) if inbound.body else {}
            result: dict[str, Any] = json_shapes.from_json(shape, document)
        except MalformedError as problem:
            raise AwsError("SerializationException", str(problem)) from None
        return result

    def respond(self, plan: Plan, reply: Reply, circumstances: Circumstances) -> HttpResponse:
        headers = {**_headers(circumstances), **reply.headers}
        if plan.output is None:
            return HttpResponse(reply.status or plan.status, headers)
        headers["Content-Type"] = "application/cbor"
        return HttpResponse(reply.status or plan.status, headers, cbor.encode(_prepared(plan.output, reply.output)))

    def fail(self, error: AwsError, circumstances: Circumstances) -> HttpResponse:
        shape, status = modeled(circumstances.service, error)
        headers = {**_headers(circumstances), "Content-Type": "application/cbor"}
        if circumstances.service is not None and circumstances.service.query_compatible:
            headers["x-amzn-query-error"] = f"{error.code};{'Sender' if status < 500 else 'Receiver'}"
        own = {k: v for k, v in error.members.items() if shape is not None and k in shape.members}
        body = _prepared(shape, own) if shape is not None else {}
        return HttpResponse(status, headers, cbor.encode({"__type": error.code, **body, "message": error.message}))


def _headers(circumstances: Circumstances) -> dict[str, str]:
    return {"x-amzn-RequestId": circumstances.request_id, "smithy-protocol": "rpc-v2-cbor"}


def _prepared(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure" and not shape.is_document_type:
        found = ((member, value.get(member.name)) for member in members(shape))
        return {member.wire: _prepared(member.shape, item) for member, item in found if item is not None}
    if kind == "list":
        return [_prepared(shape.member, item) for item in value]
    if kind == "map":
        return {str(key): _prepared(shape.value, item) for key, item in value.items() if item is not None}
    if kind == "timestamp":
        return cbor.Moment(round(value, 3))
    if kind in ("float", "double"):
        return float(value)
    if kind == "blob" and isinstance(value, str):
        return value.encode()
    return value
