"""InvokeEndpointAsync: a request that is in S3, or is put there, is accepted; the answer comes later."""

import posixpath
import uuid
from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Request, operation
from selfmaker.errors import NotFound, SelfmakerError
from selfmaker.objects.protocol import Attributes
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import join_s3_uri, parse_s3_uri
from selfmaker.sagemaker_runtime.answer import not_found
from selfmaker.serving import endpoint_status as lives
from selfmaker.serving.endpoints import Endpoints
from selfmaker.serving.spec import AsyncSpec, DeploymentSpec

_KEPT = ("ContentType", "Accept", "CustomAttributes", "RequestTTLSeconds", "InvocationTimeoutSeconds")


@operation("sagemaker-runtime", "InvokeEndpointAsync")
def invoke_endpoint_async(call: Call, request: Request) -> dict[str, Any]:
    name = request["EndpointName"]
    spec = _asynchronous(call, name)
    number = str(uuid.uuid4())
    inference_id = request.get("InferenceId") or number
    places = _places(spec, request, number)
    document = {member: request[member] for member in _KEPT if member in request}
    document |= {**places, "InferenceId": inference_id, "InputLocation": _input(call, request, spec, number)}
    call.use(Endpoints).accept(call.region, name, document)
    return {"InferenceId": inference_id, **places}


def _asynchronous(call: Call, name: str) -> AsyncSpec:
    """How the endpoint answers. Raises AWS's error for one that isn't there or isn't asynchronous."""
    try:
        row = call.use(Endpoints).get(call.region, name)
    except NotFound:
        raise not_found(call, name) from None
    serving = row.state.get("serving")
    if serving is None or row.status == lives.DELETING:
        raise not_found(call, name)
    spec = DeploymentSpec.from_json(serving).asynchronous
    if spec is None:
        raise AwsError(
            "ValidationError",
            f"Endpoint {name} has no AsyncInferenceConfig and cannot be invoked asynchronously: use InvokeEndpoint.",
        )
    return spec


def _places(spec: AsyncSpec, request: Request, number: str) -> dict[str, str]:
    """Where the answer, or what goes wrong, will be."""
    extension = request.get("S3OutputPathExtension", "").strip("/")
    stem, suffix = posixpath.splitext(request.get("Filename") or f"{number}.out")
    parts = [extension] if extension else []
    places = {"OutputLocation": join_s3_uri(spec.output, *parts, stem + suffix)}
    if spec.failure:
        places["FailureLocation"] = join_s3_uri(spec.failure, *parts, f"{stem}-error{suffix or '.out'}")
    return places


def _input(call: Call, request: Request, spec: AsyncSpec, number: str) -> str:
    """Where the request is; its body is put there when it came with one."""
    location = request.get("InputLocation")
    if location is not None:
        if request.get("Body"):
            raise AwsError("ValidationError", "Give either InputLocation or a Body, not both.")
        try:
            parse_s3_uri(location)
        except ValueError:
            raise AwsError(
                "ValidationError", f"InputLocation must be of the form s3://bucket/key, got {location!r}."
            ) from None
        return str(location)
    if "Body" not in request or not request["Body"]:
        raise AwsError("ValidationError", "InputLocation is required when the request has no body.")
    uri = join_s3_uri(spec.output, "inputs", f"{number}.in")
    attributes = Attributes({"ContentType": request["ContentType"]} if "ContentType" in request else {})
    try:
        call.use(ObjectStore).put(*parse_s3_uri(uri), request["Body"], attributes)
    except SelfmakerError as error:
        raise AwsError("ValidationError", f"The request's body could not be stored at {uri}: {error.message}") from None
    return uri
