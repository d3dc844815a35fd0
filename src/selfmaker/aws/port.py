"""How the server itself calls operations: by name, with AWS's request, as a client would, but without the wire.

What acts by itself (a pipeline's steps, the targets of rules) is written against AWS's operations and needs no second
way into the parts that answer them.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfmaker import ids
from selfmaker.aws import model, validation
from selfmaker.aws.dispatch import Registry
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Reply
from selfmaker.aws.protocols.translation import internal_failure, translated
from selfmaker.aws.routing import not_answered
from selfmaker.errors import NotFound
from selfmaker.services import Services


@dataclass(frozen=True)
class Port:
    """Safe from any thread but the event loop's. ``access_key`` is whose calls these are, ``endpoint`` where clients
    reach the server: it stands in URLs that operations return."""

    registry: Registry
    services: Services
    loop: asyncio.AbstractEventLoop
    account: str
    access_key: str
    endpoint: str

    def call(
        self, service: str, operation: str, request: Mapping[str, Any], region: str, request_id: str = ""
    ) -> dict[str, Any]:
        """The output of an operation. Raises AwsError, and nothing else: whatever a client would have been told."""
        try:
            plan = model.service(service).plan(operation)
        except NotFound as error:
            raise AwsError("UnknownOperationException", error.message) from None
        answer = self.registry.answers.get((service, operation))
        if answer is None:
            raise not_answered(service, operation)
        request = dict(request)
        if violations := validation.check(plan.input, request):
            raise validation.failure(violations)
        call = self._call(service, operation, region, request_id or ids.request_id())
        try:
            output = answer.function(call, request)
            if answer.on_loop:
                output = asyncio.run_coroutine_threadsafe(output, self.loop).result()
        except Exception as error:
            told = translated(error, plan.service.protocols[0])
            if told is None:
                raise internal_failure(plan.service.protocols[0], call.request_id) from error
            raise told from error
        return dict(output.output if isinstance(output, Reply) else output or {})

    def _call(self, service: str, operation: str, region: str, request_id: str) -> Call:
        return Call(
            service=service,
            operation=operation,
            region=region,
            account=self.account,
            access_key=self.access_key,
            request_id=request_id,
            endpoint=self.endpoint,
            headers={},
            services=self.services,
        )
