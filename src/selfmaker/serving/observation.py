"""What happens to an endpoint's requests beside their being answered: shadows get a copy, and some are captured."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Mapping

from selfmaker.errors import SelfmakerError
from selfmaker.serving.capture import Capture
from selfmaker.serving.delivery import Answering, Delivery
from selfmaker.serving.meter import Meter
from selfmaker.serving.worker.transport import Message

_log = logging.getLogger(__name__)

MOST_OUTSTANDING = 64  # copies at a shadow: one that cannot keep up gets no more


class Observation:
    """``shadows`` have each the share (0 to 1) of requests that it gets a copy of. Used on the event loop only."""

    def __init__(self, shadows: Mapping[str, tuple[Answering, float]], capture: Capture | None) -> None:
        self.shadows = [shadow for shadow, _ in shadows.values()]
        self._shares = list(shadows.values())
        self._capture = capture
        self.meters: Mapping[str, Meter] = {name: Meter() for name in shadows}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, variant: Answering, request: Message, delivery: Delivery) -> Message:
        """The variant's answer, observed."""
        answering: Awaitable[Message] = variant.submit(request, delivery)
        for shadow, share in self._shares:
            if random.random() < share and shadow.outstanding < MOST_OUTSTANDING:
                task = asyncio.get_running_loop().create_task(self._mirror(shadow, request, delivery.inference_id))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        answer = await answering
        if self._capture is not None and answer.status < 400:
            in_parts = delivery.stream is not None and delivery.stream.begun.done()
            self._capture.take(variant.name, request, None if in_parts else answer, delivery.inference_id)
        return answer

    async def _mirror(self, shadow: Answering, request: Message, inference_id: str) -> None:
        try:
            answer = await self.meters[shadow.name].metered(shadow.submit(request))
        except SelfmakerError as error:
            _log.info("shadow variant %s: %s", shadow.name, error.message)
            return
        if self._capture is not None and answer.status < 400:
            self._capture.take(shadow.name, request, answer, inference_id)
