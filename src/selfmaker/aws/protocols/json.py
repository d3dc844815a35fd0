"""AWS JSON 1.0 and 1.1: the operation in X-Amz-Target, everything else in a JSON body."""

from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.http import HttpResponse
from selfmaker.aws.model import Plan, Shape
from selfmaker.aws.operation import Reply
from selfmaker.aws.protocols import json_shapes
from selfmaker.aws.protocols.base import Circumstances, Inbound, modeled
from selfmaker.aws.protocols.scalars import MalformedError


class Json:
    """The ``json`` protocol; ``version`` is answered as the client wrote it."""

    name = "json"

    def parse(self, inbound: Inbound) -> dict[str, Any]:
        shape = inbound.plan.input
        if shape is None:
            return {}
        try:
            document = json_shapes.loads(inbound.body) if inbound.body.strip() else {}
            if document is None:
                document = {}
            result: dict[str, Any] = json_shapes.from_json(shape, document)
        except MalformedError as problem:
            raise AwsError("SerializationException", str(problem)) from None
        except RecursionError:
            raise AwsError("SerializationException", "the body is nested too deeply") from None
        return result

    def respond(self, plan: Plan, reply: Reply, circumstances: Circumstances) -> HttpResponse:
        body = b"{}"
        if plan.output is None:
            body = b""
        elif reply.output:
            body = json_shapes.dumps(json_shapes.to_json(plan.output, reply.output))
        headers = {
            "x-amzn-RequestId": circumstances.request_id,
            "Content-Type": f"application/x-amz-json-{plan.service.json_version}",
            **reply.headers,
        }
        return HttpResponse(reply.status or plan.status, headers, body)

    def fail(self, error: AwsError, circumstances: Circumstances) -> HttpResponse:
        shape, status = modeled(circumstances.service, error)
        version = circumstances.service.json_version if circumstances.service is not None else "1.1"
        headers = {
            "x-amzn-RequestId": circumstances.request_id,
            "x-amzn-ErrorType": error.code,
            "Content-Type": f"application/x-amz-json-{version}",
        }
        if circumstances.service is not None and circumstances.service.query_compatible:
            headers["x-amzn-query-error"] = f"{error.query_code};{'Sender' if status < 500 else 'Receiver'}"
        return HttpResponse(status, headers, json_shapes.dumps({"__type": error.code, **error_body(shape, error)}))


def error_body(shape: Shape | None, error: AwsError) -> dict[str, Any]:
    """The members of an error in JSON: the message under the name that the model gives it, and the error's own."""
    known = {} if shape is None else {name.lower(): name for name in shape.members}
    body: dict[str, Any] = {}
    if shape is not None:
        body = json_shapes.to_json(shape, error.members)
        body[known.get("message", "message")] = error.message
    if "message" not in body:
        body["message"] = error.message
    for name, value in error.members.items():
        if name.lower() not in known and value is not None:
            body[name] = value
    return body
