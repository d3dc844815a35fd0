"""What an operation is: one function, named after it, that takes the call and the parsed request.

    @operation("sagemaker", "CreateModel")
    def create_model(call: Call, request: Request) -> Output: ...

The function runs on a worker thread and may block; an ``async def`` runs on the event loop and must not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from selfmaker.services import Services

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

Request = dict[str, Any]
Output = dict[str, Any] | None


@dataclass(frozen=True)
class Call:
    """The circumstances of one request. ``headers`` have lower-case names; ``endpoint`` is ``http://host:port`` as
    the client addressed us; ``access_key`` is empty for an anonymous request."""

    service: str
    operation: str
    region: str
    account: str
    access_key: str
    request_id: str
    endpoint: str
    headers: Mapping[str, str]
    services: Services

    def use(self, kind: type[T]) -> T:
        """The running server's part of that type."""
        return self.services.use(kind)


@dataclass(frozen=True)
class FileRange:
    """``length`` bytes of an immutable file from ``offset``: a streaming output member that is sent without copying
    it through the program. The file is opened before the headers go out, so that it may be unlinked meanwhile."""

    path: Path
    offset: int
    length: int


@dataclass(frozen=True)
class Reply:
    """An output with a status or headers that the service model doesn't give, where an operation needs to say so."""

    output: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def operation(service: str, name: str) -> Callable[[F], F]:
    """Mark a function as the answer to AWS's operation ``name`` of botocore's ``service``. Nothing is registered:
    ``dispatch`` finds the marked functions in the packages that the wiring names."""

    def mark(function: F) -> F:
        function.__operation__ = (service, name)  # type: ignore[attr-defined]
        return function

    return mark
