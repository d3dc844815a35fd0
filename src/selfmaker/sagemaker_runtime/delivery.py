"""What of a request says where it is to go."""

from selfmaker.aws.operation import Request
from selfmaker.serving.delivery import PLAIN, Delivery
from selfmaker.serving.stream import Stream

_MEMBERS = ("TargetModel", "TargetContainerHostname", "InferenceId")


def delivery_of(request: Request, stream: Stream | None = None) -> Delivery:
    if stream is None and not any(member in request for member in _MEMBERS):
        return PLAIN
    return Delivery(
        model=request.get("TargetModel", ""),
        container=request.get("TargetContainerHostname", ""),
        stream=stream,
        inference_id=request.get("InferenceId", ""),
    )
