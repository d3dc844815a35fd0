"""REST with XML bodies: S3."""

from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.http import HttpResponse
from selfmaker.aws.model import Plan
from selfmaker.aws.operation import Reply
from selfmaker.aws.protocols import rest, xml_shapes
from selfmaker.aws.protocols.base import Circumstances, Inbound, modeled
from selfmaker.aws.protocols.scalars import MalformedError
from selfmaker.aws.protocols.xml_shapes import escape, escape_legibly

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"

# The root elements that S3 documents where they are not the output shape's name without "Output".
_ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}


class RestXml:
    """The ``rest-xml`` protocol, as S3 speaks it."""

    name = "rest-xml"

    def parse(self, inbound: Inbound) -> dict[str, Any]:
        try:
            result = rest.read_parts(inbound)
        except rest.MalformedParameterError as problem:
            raise AwsError(
                "InvalidArgument",
                f"Provided {problem.name}: {problem.problem}",
                400,
                ArgumentName=problem.name,
                ArgumentValue=problem.value,
            ) from None
        except MalformedError as problem:
            raise AwsError("InvalidURI", f"Couldn't parse the specified URI: {problem}") from None
        try:
            self._read_body(inbound, result)
        except MalformedError as problem:
            raise AwsError("MalformedXML", f"{_MALFORMED}: {problem}") from None
        return result

    def _read_body(self, inbound: Inbound, result: dict[str, Any]) -> None:
        bindings = inbound.plan.sends
        payload = bindings.payload
        if payload is None:
            if bindings.body and inbound.body.strip():
                result.update(xml_shapes.from_xml(bindings.shape, xml_shapes.parse(inbound.body)))
        elif bindings.streaming:
            result[payload.name] = inbound.stream
        elif payload.shape.type_name == "blob":
            result[payload.name] = inbound.body
        elif payload.shape.type_name == "string":
            try:
                result[payload.name] = inbound.body.decode()
            except UnicodeDecodeError:
                raise MalformedError("the body is not UTF-8") from None
        elif inbound.body.strip():
            result[payload.name] = xml_shapes.from_xml(payload.shape, xml_shapes.parse(inbound.body))

    def respond(self, plan: Plan, reply: Reply, circumstances: Circumstances) -> HttpResponse:
        headers = identification(circumstances)
        response = rest.start(plan, reply, headers)
        bindings = plan.returns
        payload = bindings.payload
        if plan.name == "GetBucketLocation":
            response.body = _location(plan, reply.output)
        elif payload is None:
            if bindings.body:
                response.body = self._document(plan, reply.output)
        elif payload.shape.type_name in ("blob", "string") or bindings.events:
            response.body = rest.raw_payload(reply.output.get(payload.name))
            headers.setdefault("Content-Type", "application/octet-stream")
        elif reply.output.get(payload.name) is not None:
            parts: list[str] = [_DECLARATION]
            xml_shapes.to_xml(
                payload.shape, reply.output[payload.name], payload.wire, parts.append, plan.service.namespace
            )
            response.body = _bytes(parts)
        if response.body and plan.method != "HEAD":
            headers.setdefault("Content-Type", "application/xml")
        return response

    def _document(self, plan: Plan, output: dict[str, Any]) -> bytes:
        assert plan.output is not None
        root = _ROOTS.get(plan.name) or plan.output.name.removesuffix("Output")
        namespace = plan.service.namespace
        parts = [_DECLARATION, f'<{root} xmlns="{namespace}">' if namespace else f"<{root}>"]
        xml_shapes.structure_content(plan.output, output, parts.append)
        parts.append(f"</{root}>")
        return _bytes(parts)

    def fail(self, error: AwsError, circumstances: Circumstances) -> HttpResponse:
        _, status = modeled(circumstances.service, error)
        headers = identification(circumstances)
        if circumstances.method == "HEAD" or status == 304:
            return HttpResponse(status, headers)
        headers["Content-Type"] = "application/xml"
        parts = [_DECLARATION, f"<Error><Code>{escape_legibly(error.code)}</Code>"]
        parts.append(f"<Message>{escape_legibly(error.message)}</Message>")
        if circumstances.resource and "Resource" not in error.members:
            parts.append(f"<Resource>{escape_legibly(circumstances.resource)}</Resource>")
        for name, value in error.members.items():
            if value is not None:
                parts.append(f"<{name}>{escape_legibly(str(value))}</{name}>")
        parts.append(
            f"<RequestId>{circumstances.request_id}</RequestId><HostId>{headers['x-amz-id-2']}</HostId></Error>"
        )
        return HttpResponse(status, headers, _bytes(parts))


def identification(circumstances: Circumstances) -> dict[str, str]:
    """The two headers by which S3 names a request."""
    return {"x-amz-request-id": circumstances.request_id, "x-amz-id-2": "selfmaker"}


def _location(plan: Plan, output: dict[str, Any]) -> bytes:
    """GetBucketLocation's root is its only member; us-east-1 is an empty one."""
    value = escape(output.get("LocationConstraint") or "")
    tag = f'LocationConstraint xmlns="{plan.service.namespace}"'
    return _bytes([_DECLARATION, f"<{tag}>{value}</LocationConstraint>" if value else f"<{tag}/>"])


def _bytes(parts: list[str]) -> bytes:
    return "".join(parts).encode("utf-8", "replace")
