"""Several containers behind one variant: one after the other, or each for itself when requests name it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from selfmaker.errors import Invalid
from selfmaker.serving.channel import Unanswered
from selfmaker.serving.delivery import PLAIN, Answering, Delivery
from selfmaker.serving.worker.transport import Message

_LONGEST = 4096  # of an answer that becomes an error


class InferencePipeline:
    """``stages`` by the containers' hostnames, in order. Used on the event loop only."""

    def __init__(self, name: str, stages: Mapping[str, Answering], *, direct: bool) -> None:
        self.name = name
        self._stages = dict(stages)
        self._direct = direct

    @property
    def outstanding(self) -> int:
        return sum(stage.outstanding for stage in self._stages.values())

    async def submit(self, request: Message, delivery: Delivery = PLAIN) -> Message:
        """What the last container makes of what the one before it answered, with that answer's content type; only the
        last one sees the request's Accept. Raises Unanswered for the first that answers with an error."""
        if self._direct:
            return await self._submit_to(request, delivery)
        if delivery.container:
            raise Invalid("TargetContainerHostname is for endpoints whose InferenceExecutionConfig has Mode Direct.")
        answer, attributes = request, request.attributes
        last = len(self._stages) - 1
        for number, (hostname, stage) in enumerate(self._stages.items()):
            accept = request.accept if number == last else ""
            asked = Message(0, answer.content_type, accept, attributes, answer.body)
            answer = await stage.submit(asked, delivery if number == last else replace(delivery, stream=None))
            attributes = answer.attributes or attributes
            if answer.status >= 400:
                raise _failed(answer, hostname)
        return answer

    async def _submit_to(self, request: Message, delivery: Delivery) -> Message:
        stage = self._stages.get(delivery.container)
        if stage is None:
            wanted = f"got {delivery.container!r}" if delivery.container else "the request has none"
            raise Invalid(f"TargetContainerHostname must be one of {', '.join(self._stages)}: {wanted}.")
        answer = await stage.submit(request, replace(delivery, container=""))
        if answer.status >= 400:
            raise _failed(answer, delivery.container)
        return answer

    async def start(self, count: int) -> None:
        starts = [asyncio.ensure_future(stage.start(count)) for stage in self._stages.values()]
        results = await asyncio.gather(*starts, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                await self.stop()
                raise result

    async def resize(self, count: int) -> None:
        for stage in self._stages.values():
            await stage.resize(count)

    async def drain(self, patience: float) -> None:
        """The first stage first: what it has in hand is still to pass the others."""
        end = asyncio.get_running_loop().time() + patience
        while self.outstanding and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)
        await self.stop()

    async def stop(self) -> None:
        await asyncio.gather(*(stage.stop() for stage in self._stages.values()))


def _failed(answer: Message, hostname: str) -> Unanswered:
    return Unanswered(answer.body[:_LONGEST].decode("utf-8", "replace"), answer.status, hostname)
