"""What a wire protocol does: it turns a request into the operation's input, and its output or error into an answer.

A protocol is stateless and safe from any thread.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from selfmaker.aws.body import Body
from selfmaker.aws.errors import AwsError
from selfmaker.aws.http import HttpRequest, HttpResponse
from selfmaker.aws.model import Plan, Service
from selfmaker.aws.operation import Reply


@dataclass(slots=True)
class Inbound:
    """A request whose operation is known. ``labels`` are the decoded parts of the path; ``body`` is the whole body, or
    b"" where the operation reads ``stream`` itself."""

    plan: Plan
    http: HttpRequest
    labels: dict[str, str]
    body: bytes
    stream: Body


@dataclass(slots=True)
class Circumstances:
    """What an error answer needs to know of the request; ``service`` is None where it isn't known."""

    service: Service | None
    request_id: str
    resource: str = ""
    method: str = "POST"


class WireProtocol(Protocol):
    """One of AWS's protocols."""

    name: str

    def parse(self, inbound: Inbound) -> dict[str, Any]:
        """The operation's input. Raises AwsError, in this protocol's words, for what cannot be parsed."""

    def respond(self, plan: Plan, reply: Reply, circumstances: Circumstances) -> HttpResponse:
        """The answer. A streaming member's value becomes the answer's body as it is."""

    def fail(self, error: AwsError, circumstances: Circumstances) -> HttpResponse:
        """The answer that says ``error``."""


def modeled(service: Service | None, error: AwsError) -> tuple[Any | None, int]:
    """The shape of an error, where the service models it, and its HTTP status: the model's, unless the error was
    given one of its own."""
    shape = service.error(error.code) if service is not None else None
    status = error.status
    if shape is not None and status == 400:
        status = int(shape.metadata.get("error", {}).get("httpStatusCode", status))
    return shape, status
