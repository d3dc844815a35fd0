"""InvokeEndpoint: the hot path. It runs on the event loop from the parsed request to the model's answer."""

from selfmaker.aws.arn import arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import Conflict, Invalid, NotFound
from selfmaker.serving.channel import Unanswered
from selfmaker.serving.endpoints import Endpoints
from selfmaker.serving.worker.transport import Message

_LONGEST = 1024  # of a message in an error; AWS's members take 2,048 characters with what is around it
_OTHER_KINDS = {
    "TargetModel": "a multi-model endpoint",
    "TargetContainerHostname": "an endpoint with several containers",
    "InferenceComponentName": "an endpoint with inference components",
}


@operation("sagemaker-runtime", "InvokeEndpoint")
async def invoke_endpoint(call: Call, request: Request) -> Output:
    for member, kind in _OTHER_KINDS.items():
        if member in request:
            raise AwsError("ValidationError", f"{member} is for {kind}, which this endpoint is not.")
    name = request["EndpointName"]
    message = Message(
        0,
        request.get("ContentType", ""),
        request.get("Accept", ""),
        request.get("CustomAttributes", ""),
        request["Body"],
    )
    try:
        variant, answer = await call.use(Endpoints).invoke(call.region, name, message, request.get("TargetVariant", ""))
    except NotFound:
        raise AwsError("ValidationError", f"Endpoint {name} of account {call.account} not found.") from None
    except Invalid as error:
        raise AwsError("ValidationError", error.message) from None
    except Conflict as error:
        raise AwsError("ServiceUnavailable", error.message, 503) from None
    except Unanswered as error:
        raise model_error(call, name, error.status, error.message.encode()) from None
    if answer.status >= 400:
        raise model_error(call, name, answer.status, answer.body)
    output = {"Body": answer.body, "InvokedProductionVariant": variant}
    if answer.content_type:
        output["ContentType"] = answer.content_type
    if answer.attributes:
        output["CustomAttributes"] = answer.attributes
    return output


def model_error(call: Call, endpoint: str, status: int, body: bytes) -> AwsError:
    """The error for a model that failed, with AWS's words around the model's own."""
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    link = f"https://{call.region}.console.aws.amazon.com/cloudwatch/home?region={call.region}#logEventViewer:group={group}"
    text = body.decode("utf-8", "replace")
    told = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    party = "client" if 400 <= status < 500 else "server"
    return AwsError(
        "ModelError",
        f'Received {party} error ({status}) from primary with message "{told}". '
        f"See {link} in account {call.account} for more information.",
        424,
        OriginalStatusCode=status,
        OriginalMessage=told,
        LogStreamArn=arn("logs", call.region, call.account, f"log-group:{group}"),
    )
