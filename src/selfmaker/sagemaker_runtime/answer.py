"""From a parsed request to a model's answer, and what went wrong in AWS's words. On the event loop."""

from selfmaker.aws.arn import arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Request
from selfmaker.errors import Conflict, Invalid, NotFound
from selfmaker.serving.channel import PRIMARY, Unanswered
from selfmaker.serving.delivery import PLAIN, Delivery, NotReady, Throttled
from selfmaker.serving.endpoints import Endpoints
from selfmaker.serving.worker.transport import Message

_LONGEST = 1024  # of a message in an error; AWS's members take 2,048 characters with what is around it


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
    if "InferenceComponentName" in request:
        raise AwsError(
            "ValidationError",
            "InferenceComponentName is for an endpoint with inference components, which this endpoint is not.",
        )
    target = request.get("TargetVariant", "")
    try:
        variant, given = await call.use(Endpoints).invoke(call.region, name, message_of(request), target, delivery)
    except NotFound:
        raise not_found(call, name) from None
    except Invalid as error:
        raise AwsError("ValidationError", error.message) from None
    except Conflict as error:
        raise AwsError("ServiceUnavailable", error.message, 503) from None
    except Throttled as error:
        raise AwsError("ThrottlingException", error.message, 429) from None
    except NotReady as error:
        raise AwsError("ModelNotReadyException", error.message, 429) from None
    except Unanswered as error:
        raise model_error(call, name, error.status, error.message.encode(), error.container) from None
    if given.status >= 400:
        raise model_error(call, name, given.status, given.body)
    return variant, given


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
