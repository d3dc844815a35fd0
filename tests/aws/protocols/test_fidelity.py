"""Every operation of the models, both ways: what botocore writes we read, and what we write botocore reads."""

import io
from datetime import datetime, timezone

import pytest
from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.session import get_session

from selfmaker.aws import model
from selfmaker.aws.body import Body, BytesBody
from selfmaker.aws.dispatch import Registry
from selfmaker.aws.http import HttpRequest
from selfmaker.aws.operation import Reply
from selfmaker.aws.protocols import BY_NAME
from selfmaker.aws.protocols.base import Circumstances, Inbound
from selfmaker.aws.routes import Routes
from selfmaker.aws.routing import Router

PAIRS = [
    ("sagemaker", "json"),
    ("logs", "json"),
    ("ecr", "json"),
    ("cloudwatch", "json"),
    ("dynamodb", "json"),
    ("sagemaker-runtime", "rest-json"),
    ("sagemaker-metrics", "rest-json"),
    ("sagemaker-featurestore-runtime", "rest-json"),
    ("lambda", "rest-json"),
    ("s3", "rest-xml"),
    ("sts", "query"),
    ("iam", "query"),
    ("cloudwatch", "query"),
    ("sns", "query"),
    ("cloudwatch", "smithy-rpc-v2-cbor"),
]
MOMENT = 1700000000.0
TWO_OF_A_NAME = (
    "PutBucketNotification",
    "GetBucketNotification",
)  # Event and Events, deprecated, both <Event> on the wire
HEADERS = ("header", "headers")


def made(shape, depth=0, place=None):
    """A value of ``shape`` with most that can be hard about it."""
    kind, place = shape.type_name, shape.serialization.get("location", place)
    if shape.serialization.get("jsonvalue"):
        return {"a": [1, "é"]}
    if kind == "structure":
        if shape.is_document_type:
            return {"any": [1, None, {"thing": "é"}]}
        if shape.is_tagged_union:
            name, member = next(iter(shape.members.items()))
            return {name: made(member, depth + 1, place)}
        members = {n: m for n, m in shape.members.items() if depth < 5 or n in shape.required_members}
        members = members or dict(list(shape.members.items())[:1])
        return {n: made(m, depth + 1, place) for n, m in members.items() if not m.serialization.get("eventstream")}
    if kind == "list":
        return [made(shape.member, depth + 1, place), made(shape.member, depth + 1, place)] if depth < 9 else []
    if kind == "map":
        key = "k-1" if place in HEADERS else (getattr(shape.key, "enum", None) or ["k<&>é"])[0]
        return {key: made(shape.value, depth + 1, place)} if depth < 9 else {}
    if kind == "string":
        return (getattr(shape, "enum", None) or ["v-1" if place in HEADERS else "v <&>\"'é/+%=?#\t]]>日本𝄞"])[0]
    return {
        "timestamp": MOMENT,
        "blob": b"\x00\xff<",
        "boolean": True,
        "integer": -7,
        "long": 1 << 40,
        "float": 1.5,
        "double": 2.25,
    }[kind]


def plain(value):
    """botocore's values as ours."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value.read() if isinstance(value, (Body, io.BytesIO)) else value


def operations(service):
    described = get_session().get_service_model(service)
    for name in described.operation_names:
        operation = described.operation_model(name)
        if not operation.has_event_stream_input and not operation.has_event_stream_output:
            yield operation


@pytest.mark.parametrize(("service", "protocol"), PAIRS)
def test_requests(service, protocol):
    registry = Registry()
    registry.services.append(service)
    router = Router(registry)
    routes = Routes(model.service(service)) if protocol.startswith("rest") else None
    serializer = create_serializer(protocol, include_validation=False)
    count = 0
    for operation in operations(service):
        if operation.input_shape is None or operation.name in TWO_OF_A_NAME:
            continue
        value = made(operation.input_shape)
        request = serializer.serialize_to_request(value, operation)
        prepare_request_dict(request, "http://127.0.0.1:1", {})
        prepared = create_request_object(request).prepare()
        body = prepared.body if prepared.body is not None else b""
        body = body.encode() if isinstance(body, str) else bytes(body)
        headers = {k.lower(): v if isinstance(v, str) else v.decode("latin-1") for k, v in prepared.headers.items()}
        target = "/" + prepared.url.partition("://")[2].partition("/")[2]
        http = HttpRequest(prepared.method, target, headers, BytesBody(body))
        plan = model.service(service).plan(operation.name)
        if routes is None:
            found = router.route(http, model.service(service).signing_name)
            assert (found.plan, found.protocol.name) == (plan, protocol)
            labels = {}
        else:
            assert model.service(service).protocols[0] == protocol
            chosen, labels = routes.find(http.method, http.path, http.query, http.headers)
            if chosen.input is not plan.input and chosen is not plan:
                assert chosen.uri == plan.uri  # told apart by what this request has and the other needs not
        parsed = BY_NAME[protocol].parse(Inbound(plan, http, labels, body, BytesBody(body)))
        assert plain(parsed) == value, operation.name
        count += 1
    assert count >= 2


@pytest.mark.parametrize(("service", "protocol"), PAIRS)
def test_responses(service, protocol):
    parser = create_parser(protocol)
    count = 0
    for operation in operations(service):
        shape = operation.output_shape
        if shape is None or operation.name in TWO_OF_A_NAME:
            continue
        value = made(shape)
        plan = model.service(service).plan(operation.name)
        reply = Reply({**value, "NotInTheModel": 1, **{n: None for n in shape.members if n not in value}})
        response = BY_NAME[protocol].respond(plan, reply, Circumstances(plan.service, "request-1"))
        content = response.body if isinstance(response.body, bytes) else b"".join(response.body)
        body = io.BytesIO(content) if operation.has_streaming_output else content
        headers = HeadersDict(response.headers)
        parsed = parser.parse({"status_code": response.status, "headers": headers, "body": body}, shape)
        metadata = parsed.pop("ResponseMetadata")
        assert metadata["RequestId"] == "request-1"
        if (service, operation.name) == ("s3", "GetBucketLocation"):  # botocore has a handler of its own for that one
            assert content.endswith(b">af-south-1</LocationConstraint>")
            continue
        if plan.returns.status is not None:
            assert response.status == value[plan.returns.status]
        assert plain(parsed) == value, operation.name
        count += 1
    assert count >= 1


@pytest.mark.parametrize(("service", "protocol"), PAIRS)
def test_an_output_of_nothing(service, protocol):
    parser = create_parser(protocol)
    for operation in operations(service):
        plan = model.service(service).plan(operation.name)
        response = BY_NAME[protocol].respond(plan, Reply({}), Circumstances(plan.service, "request-1"))
        parsed = parser.parse(
            {"status_code": response.status, "headers": HeadersDict(response.headers), "body": response.body},
            operation.output_shape,
        )
        parsed.pop("ResponseMetadata", None)
        given = {"ContentType", plan.returns.status}  # which every answer has
        assert all(value in (b"", "", [], {}) or name in given for name, value in parsed.items()), (
            operation.name,
            parsed,
        )


@pytest.mark.parametrize(("service", "protocol"), PAIRS)
def test_errors(service, protocol):
    from selfmaker.aws.errors import AwsError

    parser = create_parser(protocol)
    described = get_session().get_service_model(service)
    for shape in described.error_shapes:
        code = shape.metadata.get("error", {}).get("code", shape.name)
        members = {n: v for n, v in made(shape).items() if n.lower() not in ("message", "code", "type")}
        error = AwsError(code, "what <went> wrong é", **members)
        response = BY_NAME[protocol].fail(error, Circumstances(model.service(service), "request-1", "/b/k", "GET"))
        assert response.status == shape.metadata.get("error", {}).get("httpStatusCode", 400)
        answer = {"status_code": response.status, "headers": HeadersDict(response.headers), "body": response.body}
        parsed = {**parser.parse(answer, shape), **parser.parse(answer, None)}  # as botocore's client does
        assert parsed["Error"]["Code"] == code
        assert parsed["Error"]["Message"] == "what <went> wrong é"
        assert parsed["ResponseMetadata"]["RequestId"] == "request-1"
        if not protocol.startswith("rest-xml"):
            assert {n: plain(parsed[n]) for n in members} == members, shape.name
