"""InvokeEndpointWithResponseStream: the model's answer as it is made, in AWS's event stream."""

import asyncio
from typing import Any

from selfmaker.aws import event_stream
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.sagemaker_runtime.answer import answer
from selfmaker.sagemaker_runtime.delivery import delivery_of
from selfmaker.serving.stream import Stream
from selfmaker.serving.worker.transport import Message

_LARGEST = 1 << 20  # of a part's payload; readers take 16 MiB in all


@operation("sagemaker-runtime", "InvokeEndpointWithResponseStream")
async def invoke_endpoint_with_response_stream(call: Call, request: Request) -> Output:
    stream = Stream(asyncio.get_running_loop())
    answering = asyncio.ensure_future(answer(call, request, delivery_of(request, stream)))
    answering.add_done_callback(stream.close)
    either: list[asyncio.Future[Any]] = [answering, stream.begun]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if stream.begun.done():
        head = stream.begun.result()
    else:
        _, head = answering.result()
        stream.part(head.body)
    return _output(head, stream.variant, Events(stream, answering))


def _output(head: Message, variant: str, body: "Events") -> dict[str, Any]:
    output: dict[str, Any] = {"Body": body, "InvokedProductionVariant": variant}
    if head.content_type:
        output["ContentType"] = head.content_type
    if head.attributes:
        output["CustomAttributes"] = head.attributes
    return output


class Events:
    """The messages of the stream; what ends the model's answer early is the last of them."""

    def __init__(self, stream: Stream, answering: "asyncio.Future[tuple[str, Message]]") -> None:
        self._stream = stream
        self._answering = answering
        self._rest = b""
        self._ended = False

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> bytes:
        try:
            data = self._rest or await anext(self._stream)
        except StopAsyncIteration:
            return await self._last()
        self._rest = data[_LARGEST:]
        return event_stream.event("PayloadPart", data[:_LARGEST])

    async def aclose(self) -> None:
        """Nobody reads on: the model need not, either. An error that comes of it is nobody's."""
        self._stream.cancel()
        self._answering.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _last(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        self._ended = True
        try:
            await self._answering
        except AwsError as error:
            return _exception(error)
        raise StopAsyncIteration


def _exception(error: AwsError) -> bytes:
    if error.code != "ModelError":
        return event_stream.exception("InternalStreamFailure", {"Message": error.message})
    code = "ModelInvocationTimeExceeded" if not error.members.get("OriginalStatusCode") else "StreamBroken"
    return event_stream.exception("ModelStreamError", {"Message": error.message, "ErrorCode": code})
