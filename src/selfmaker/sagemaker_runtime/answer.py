"""From a parsed request to a model's answer, and what went wrong in AWS's words. On the event loop."""

from typing import Any

from selfmaker.aws.arn import arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Request
from selfmaker.errors import Conflict, Invalid, NotFound, SelfmakerError
from selfmaker.serving.channel import PRIMARY, Unanswered
from selfmaker.serving.delivery import PLAIN, Delivery, NotReady, Throttled
from selfmaker.serving.endpoints import Endpoints
from selfmaker.serving.inference_components import InferenceComponents
from selfmaker.serving.worker.transport import Message

_LONGEST = 1024  # of a message in an error; AWS's members take 2,048 characters with what is around it

_REFUSED = {
    "SessionId": "stateful sessions are not supported here.",
    "EnableExplanations": "the endpoint has no ExplainerConfig.",
}
_CODES: dict[type[SelfmakerError], tuple[str, int]] = {
    Invalid: ("ValidationError", 400),
    Conflict: ("ServiceUnavailable", 503),
    Throttled: ("ThrottlingException", 429),
    NotReady: ("ModelNotReadyException", 429),
}


def message_of(request: Request) -> Message:
    """The request as the model gets it."""
    return Message(
        0,
        request.get("ContentType", ""),
        request.get("Accept", ""),
        request.get("CustomAttributes", ""),
        request["Body"],
    )


async def answer(call: Call, request: Request, delivery: Delivery = PLAIN) -> tuple[str, Message]:
    """The variant and its answer, whose status is below 400. Raises AWS's error."""
    name = request["EndpointName"]
    for member, why in _REFUSED.items():
        if member in request:
            raise AwsError("ValidationError", f"{member}: {why}")
    if "InferenceComponentName" in request:
        return await _components_answer(call, request, delivery)
    target = request.get("TargetVariant", "")
    try:
        variant, given = await call.use(Endpoints).invoke(call.region, name, message_of(request), target, delivery)
    except SelfmakerError as error:
        raise refusal(call, name, error) from None
    return variant, checked(call, name, given)


async def _components_answer(call: Call, request: Request, delivery: Delivery) -> tuple[str, Message]:
    name, endpoint = request["InferenceComponentName"], request["EndpointName"]
    try:
        variant, given = await call.use(InferenceComponents).ask(
            (call.region, name), endpoint, message_of(request), delivery
        )
    except NotFound:
        raise AwsError(
            "ValidationError", f"Inference component {name} of endpoint {endpoint} of account {call.account} not found."
        ) from None
    except SelfmakerError as error:
        raise refusal(call, endpoint, error) from None
    return variant, checked(call, endpoint, given)


def checked(call: Call, endpoint: str, given: Message) -> Message:
    """What the model answered. Raises AWS's error where that is one."""
    if given.status >= 400:
        raise model_error(call, endpoint, given.status, given.body)
    return given


def output_of(variant: str, given: Message) -> dict[str, Any]:
    """InvokeEndpoint's output."""
    output = {"Body": given.body, "InvokedProductionVariant": variant}
    if given.content_type:
        output["ContentType"] = given.content_type
    if given.attributes:
        output["CustomAttributes"] = given.attributes
    return output


def refusal(call: Call, endpoint: str, error: SelfmakerError) -> Exception:
    """Why there is no answer, in AWS's words; ``error`` itself when there are none for it."""
    if isinstance(error, NotFound):
        return not_found(call, endpoint)
    if isinstance(error, Unanswered):
        return model_error(call, endpoint, error.status, error.message.encode(), error.container)
    for kind, (code, status) in _CODES.items():
        if isinstance(error, kind):
            return AwsError(code, error.message, status)
    return error


def not_found(call: Call, endpoint: str) -> AwsError:
    return AwsError("ValidationError", f"Endpoint {endpoint} of account {call.account} not found.")


def model_error(call: Call, endpoint: str, status: int, body: bytes, container: str = PRIMARY) -> AwsError:
    """The error for a model that failed, with AWS's words around the model's own."""
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    told = shortened(body)
    return AwsError(
        "ModelError",
        model_message(call, endpoint, status, told, container),
        424,
        OriginalStatusCode=status,
        OriginalMessage=told,
        LogStreamArn=arn("logs", call.region, call.account, f"log-group:{group}"),
    )


def model_message(call: Call, endpoint: str, status: int, told: str, container: str = PRIMARY) -> str:
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    link = f"https://{call.region}.console.aws.amazon.com/cloudwatch/home?region={call.region}#logEventViewer:group={group}"
    party = "client" if 400 <= status < 500 else "server"
    return (
        f'Received {party} error ({status}) from {container} with message "{told}". '
        f"See {link} in account {call.account} for more information."
    )


def shortened(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
