"""What answers for each endpoint now: its deployment, the way of requests to it, and what counts them."""

import asyncio
from functools import partial

from selfmaker.serving.async_queues import AsyncQueues
from selfmaker.serving.delivery import Answering
from selfmaker.serving.deployment import Deployment
from selfmaker.serving.endpoint_metrics import EndpointMetrics
from selfmaker.serving.router import Key, Router


class InService:
    """Used on the event loop only. Knows, too, the deployments that no longer answer and are not down yet, so that
    ``close`` ends every worker, wherever it cuts things short."""

    def __init__(self, router: Router, queues: AsyncQueues, metrics: EndpointMetrics) -> None:
        self._router = router
        self._queues = queues
        self._metrics = metrics
        self._live: dict[Key, Deployment] = {}
        self._leaving: set[Deployment] = set()

    def get(self, key: Key) -> Deployment | None:
        return self._live.get(key)

    def put(self, key: Key, deployment: Deployment) -> Deployment | None:
        """From now on ``deployment`` answers; returns what did, which is the caller's to ``end``."""
        before = self._live.get(key)
        if before is not None:
            self._leaving.add(before)
        self._leaving.discard(deployment)
        self._live[key] = deployment
        self.count(key, deployment)
        self._router.put(key, deployment.fleet)
        self._queues.attend(key, deployment, deployment.room)
        return before

    def expect(self, key: Key) -> None:
        """It was in service before a restart and comes back: its requests wait for it."""
        self._router.expect(key)

    def give_up(self, key: Key) -> None:
        """What was expected does not come."""
        self._router.release(key)

    def share(self, key: Key, deployment: Deployment, share: float) -> None:
        """Have ``deployment`` answer this share of the requests (0 to 1) beside the one in service."""
        self._leaving.add(deployment)
        self._router.split(key, deployment.fleet, share)

    async def remove(self, key: Key) -> Deployment | None:
        """From now on nothing answers; returns what did, which is the caller's to ``end``."""
        self._router.remove(key)
        await self._queues.stop(key)
        self._metrics.forget(key)
        return self._live.pop(key, None)

    async def end(self, deployment: Deployment, patience: float) -> None:
        """Take down what is no longer in service, once it has answered what it has, at most ``patience`` seconds."""
        self._leaving.add(deployment)
        await deployment.take_down(patience)
        self._leaving.discard(deployment)

    def adjusted(self, key: Key, deployment: Deployment, room: int) -> None:
        """The deployment that answers has other instances, and takes ``room`` asynchronous requests at once."""
        self.count(key, deployment)
        self._queues.attend(key, deployment, room)

    def count(self, key: Key, deployment: Deployment) -> None:
        """Have the deployment's invocations counted as the endpoint's, by the instances that it has now."""
        fleet, meters = deployment.fleet, {}
        shadows = fleet.observation.shadows if fleet.observation is not None else []
        answering = {**fleet.variants, **{shadow.name: shadow for shadow in shadows}}
        for spec in (*deployment.spec.variants, *deployment.spec.shadows):
            if spec.name in answering:
                watched = self._metrics.watch(key, spec.name)
                meters[spec.name] = watched.meter(deployment.spec.config)
                watched.instances = spec.instances
                watched.provisioned = spec.serverless.provisioned if spec.serverless is not None else 0
                watched.pids = partial(_pids, answering[spec.name])
                watched.reports = getattr(answering[spec.name], "take_reports", dict)
        fleet.meters = meters
        if fleet.observation is not None:
            fleet.observation.meters = meters

    async def close(self) -> None:
        """End all workers."""
        await self._queues.stop_all()
        live, self._live = self._live, {}
        for key in live:
            self._router.remove(key)
        deployments = {*live.values(), *self._leaving}
        await asyncio.gather(*(deployment.take_down(0) for deployment in deployments), return_exceptions=True)


def _pids(variant: Answering) -> list[int]:
    return getattr(variant, "pids", [])
