"""REST with JSON bodies: sagemaker-runtime, sagemaker-metrics, lambda, ..."""

from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.http import HttpResponse
from selfmaker.aws.model import Plan
from selfmaker.aws.operation import Reply
from selfmaker.aws.protocols import json_shapes, rest
from selfmaker.aws.protocols.base import Circumstances, Inbound, modeled
from selfmaker.aws.protocols.json import error_body
from selfmaker.aws.protocols.scalars import MalformedError


class RestJson:
    """The ``rest-json`` protocol."""

    name = "rest-json"

    def parse(self, inbound: Inbound) -> dict[str, Any]:
        try:
            result = rest.read_parts(inbound)
            self._read_body(inbound, result)
        except rest.MalformedParameterError as problem:
            raise AwsError("SerializationException", f"{problem.problem} (at '{problem.name}')") from None
        except MalformedError as problem:
            raise AwsError("SerializationException", str(problem)) from None
        except RecursionError:
            raise AwsError("SerializationException", "the body is nested too deeply") from None
        return result

    def _read_body(self, inbound: Inbound, result: dict[str, Any]) -> None:
        bindings = inbound.plan.sends
        payload = bindings.payload
        if payload is None:
            if bindings.body and inbound.body.strip():
                document = json_shapes.loads(inbound.body)
                if not isinstance(document, dict):
                    raise MalformedError("the body is not a JSON object")
                outside = {member.wire for member in (*bindings.uri, *bindings.headers, *bindings.query)}
                body = {name: value for name, value in document.items() if name not in outside}
                result.update(json_shapes.from_json(bindings.shape, body))
        elif bindings.streaming:
            result[payload.name] = inbound.stream
        elif payload.shape.type_name == "blob":
            result[payload.name] = inbound.body
        elif payload.shape.type_name == "string":
            result[payload.name] = _decoded(inbound.body)
        elif inbound.body.strip():
            result[payload.name] = json_shapes.from_json(payload.shape, json_shapes.loads(inbound.body))

    def respond(self, plan: Plan, reply: Reply, circumstances: Circumstances) -> HttpResponse:
        headers = {"x-amzn-RequestId": circumstances.request_id}
        response = rest.start(plan, reply, headers)
        bindings = plan.returns
        payload = bindings.payload
        if payload is None:
            headers.setdefault("Content-Type", "application/json")
            document = {
                member.wire: json_shapes.to_json(member.shape, reply.output[member.name])
                for member in bindings.body
                if reply.output.get(member.name) is not None
            }
            response.body = json_shapes.dumps(document)
        elif bindings.events:
            headers.setdefault("Content-Type", "application/vnd.amazon.eventstream")
            response.body = rest.raw_payload(reply.output.get(payload.name))
        elif payload.shape.type_name in ("blob", "string"):
            headers.setdefault("Content-Type", "application/octet-stream")
            response.body = rest.raw_payload(reply.output.get(payload.name))
        else:
            headers.setdefault("Content-Type", "application/json")
            value = reply.output.get(payload.name)
            response.body = json_shapes.dumps(json_shapes.to_json(payload.shape, value)) if value is not None else b""
        return response

    def fail(self, error: AwsError, circumstances: Circumstances) -> HttpResponse:
        shape, status = modeled(circumstances.service, error)
        headers = {
            "x-amzn-RequestId": circumstances.request_id,
            "x-amzn-ErrorType": error.code,
            "Content-Type": "application/json",
        }
        return HttpResponse(status, headers, json_shapes.dumps(error_body(shape, error)))


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise MalformedError("the body is not UTF-8") from None
