"""Inference components: models that come to an endpoint in service and go, each with copies of its own.

A component lives as an endpoint does; what is brought up for it is a deployment of one variant.
"""

import asyncio

from selfmaker.errors import Conflict, Invalid, NotFound
from selfmaker.serving.delivery import PLAIN, Delivery
from selfmaker.serving.endpoint_metrics import COMPONENT
from selfmaker.serving.endpoints import Endpoints
from selfmaker.serving.neighbours import Family, Neighbours
from selfmaker.serving.worker.transport import Message

KIND = "InferenceComponent"
LOG_GROUP = "/aws/sagemaker/InferenceComponents/"

_FAMILY = Family(KIND, "inference-components", "inference-component-models", LOG_GROUP, COMPONENT)


class InferenceComponents(Endpoints):
    """All of all endpoints, by region and name; a deployment's ``config`` is the name of the component's endpoint."""

    def __init__(self, neighbours: Neighbours, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(neighbours, loop, _FAMILY)

    def of_endpoint(self, region: str, endpoint: str) -> list[str]:
        """The names of an endpoint's components, the oldest first."""
        return [row.name for row in self._rows.all(region) if row.document["EndpointName"] == endpoint]

    async def ask(
        self, key: tuple[str, str], endpoint: str, request: Message, delivery: Delivery = PLAIN
    ) -> tuple[str, Message]:
        """The name of the component's variant, and its answer. Raises NotFound for a component that the endpoint
        doesn't have, Conflict for one that isn't in service yet, and what Router.invoke raises."""
        deployment = self._in_service.get(key)
        if deployment is None:
            row = await self._loop.run_in_executor(self._threads, self.get, *key)
            if row.document["EndpointName"] != endpoint:
                raise NotFound(key[1])
            raise Conflict(f"Inference component {key[1]} is in status {row.status}.")
        if deployment.spec.config != endpoint:
            raise NotFound(key[1])
        if not deployment.spec.variants[0].instances:
            self._metrics.watch(key, deployment.spec.variants[0].name).refused += 1
            raise Invalid(
                "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-"
                "progress (if configured) or try to increase the capacity by invoking "
                "UpdateInferenceComponentRuntimeConfig API."
            )
        return await self._router.invoke(key, request, "", delivery)
