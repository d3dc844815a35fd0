"""How a request is to be delivered, and what a production variant is to whoever sends it one."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from selfmaker.errors import SelfmakerError
from selfmaker.serving.stream import Stream
from selfmaker.serving.worker.transport import Message


@dataclass(frozen=True)
class Delivery:
    """``model`` of a multi-model container and ``container`` of several are named by the request; ``timeout`` in
    seconds is for each container's answer (0: the variant's own); ``stream`` takes a streamed answer;
    ``inference_id`` is the client's name for the request."""

    model: str = ""
    container: str = ""
    timeout: float = 0.0
    stream: Stream | None = None
    inference_id: str = ""


PLAIN = Delivery()


class Throttled(SelfmakerError):
    """More requests at once than the variant takes."""


class NotReady(SelfmakerError):
    """The model that the request is for could not be loaded yet."""


class Answering(Protocol):
    """A production variant in service, whatever stands behind it. Used on the event loop only."""

    name: str

    @property
    def outstanding(self) -> int:
        """Requests that are not answered yet."""

    def submit(self, request: Message, delivery: Delivery = PLAIN) -> Awaitable[Message]:
        """The answer, whatever its status.

        Raises Unanswered when none came, Invalid for a delivery that the variant cannot make, Throttled, NotReady.
        """

    async def start(self, count: int) -> None:
        """Come into service with ``count`` workers. Raises WorkerFailed; then nothing is left."""

    async def resize(self, count: int) -> None:
        """Have ``count`` workers from now on. Raises WorkerFailed."""

    async def drain(self, patience: float) -> None:
        """Wait until every request is answered, at most ``patience`` seconds, then ``stop``."""

    async def stop(self) -> None:
        """End all workers; what is still outstanding is Unanswered."""
