"""Endpoints and their lives: Creating, InService, Updating, Deleting, Failed; back by themselves after a restart.

The row is written before anything is done, and what is done can be done again: a server that comes back reads from
the rows what was going on and goes on with it. An update brings new workers up beside the old ones, then switches, then
lets the old ones finish: no request fails. When the new ones do not come up, the old ones stay.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from selfmaker.errors import Invalid
from selfmaker.serving import async_inference
from selfmaker.serving import endpoint_status as status
from selfmaker.serving.async_queues import AsyncQueues
from selfmaker.serving.building import Tools
from selfmaker.serving.capture import deliver_left_behind
from selfmaker.serving.delivery import PLAIN, Delivery
from selfmaker.serving.deployment import Deployment
from selfmaker.serving.endpoint_acts import EndpointActs, Parts
from selfmaker.serving.endpoint_metrics import HOST_NAMESPACE, NAMESPACE, EndpointMetrics
from selfmaker.serving.endpoint_rows import EndpointRows
from selfmaker.serving.in_service import InService
from selfmaker.serving.launcher import Launcher
from selfmaker.serving.meter import Meter
from selfmaker.serving.model_files import ModelFiles
from selfmaker.serving.neighbours import KIND, Family, Neighbours
from selfmaker.serving.preparation import Around, Preparation
from selfmaker.serving.router import Key, Router
from selfmaker.serving.spares import Spares
from selfmaker.serving.spec import DeploymentSpec, ServerlessSpec
from selfmaker.serving.variant import Variant
from selfmaker.serving.worker.transport import Message
from selfmaker.serving.worker_process import end_left_behind
from selfmaker.store.resources import Change, Document, Resource

T = TypeVar("T")

_NO_COMPONENT = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference components. "
    "Please include Inference Component Name header or consider using SageMaker models."
)


class Endpoints:
    """Thread safe, but for ``invoke``, which is for the loop. ``loop`` runs on a thread of its own."""

    def __init__(self, neighbours: Neighbours, loop: asyncio.AbstractEventLoop, family: Family | None = None) -> None:
        family = family or Family()
        self._loop = loop
        self._home = neighbours.home / family.folder
        self._files = ModelFiles(neighbours.objects, neighbours.home / family.models)
        self._kept: dict[Key, list[str]] = {}  # the folders that the rows speak of, whether workers are up or not
        self._threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="selfmaker-endpoints")
        self._tools = self._new_tools(neighbours, family)
        self._router = Router()
        self._queues = self._new_queues(neighbours, family)
        self._metrics = EndpointMetrics(neighbours.metrics, loop, family.dimension)
        self._metrics.add_source(self._queues.samples)
        for namespace in (NAMESPACE, HOST_NAMESPACE):
            neighbours.metrics.feed(namespace, self._metrics.keep)
        self._rows = EndpointRows(neighbours.resources, family.kind)
        self._in_service = InService(self._router, self._queues, self._metrics)
        parts = Parts(
            rows=self._rows,
            in_service=self._in_service,
            deployment_of=self._deployment,
            kept=self._keep,
            gone=self._forget,
            alarmed=neighbours.alarmed,
            wait_scale=neighbours.wait_scale,
            threads=self._threads,
        )
        self._acts = EndpointActs(parts, loop)

    def _new_tools(self, neighbours: Neighbours, family: Family) -> Tools:
        around = Around(neighbours.surroundings, neighbours.mounts, (neighbours.home,))
        launcher, runs = Launcher(neighbours.executor, self._loop), self._home / "runs"
        spares = neighbours.keep.spares if family.kind == KIND else 0
        launcher.spares = Spares(spares, lambda plan: launcher.spare(plan, runs / "spares"), self._loop)
        return Tools(
            preparation=Preparation(neighbours.environments, self._files, around),
            launcher=launcher,
            log_streams=neighbours.log_streams,
            threads=self._threads,
            runs=runs,
            logs=self._home / "logs",
            objects=neighbours.objects,
            captures=self._home / "captures",
            cores=neighbours.cores,
            log_group=family.log_group,
            keep=neighbours.keep,
        )

    def _new_queues(self, neighbours: Neighbours, family: Family) -> AsyncQueues:
        asking = async_inference.Around(
            table=neighbours.async_invocations,
            objects=neighbours.objects,
            log_streams=neighbours.log_streams,
            threads=self._threads,
            logs=self._home / "logs",
            log_group=family.log_group,
            invoke=lambda key, request, delivery: self._router.invoke(key, request, "", delivery),
        )
        return AsyncQueues(asking, self._loop)

    # -- for operations

    def create(self, resource: Resource, tag_values: Mapping[str, str]) -> None:
        """Keep a new endpoint, which comes with status CREATING and its spec in ``state["pending"]``, and begin to
        bring it up. Raises AlreadyExists."""
        self._rows.create(resource, tag_values)
        self._acts.perform((resource.region, resource.name), self._acts.create)

    def get(self, region: str, name: str) -> Resource:
        """Raises NotFound."""
        return self._rows.get(region, name)

    def update(self, region: str, name: str, spec: DeploymentSpec, state: Document) -> Resource:
        """Begin to put ``spec`` in service instead; ``state`` is merged into the row. Raises NotFound, Conflict."""
        row = self._rows.claim_update((region, name), spec, state)
        self._acts.perform((region, name), self._acts.update)
        return row

    def adjust(
        self,
        region: str,
        name: str,
        weights: Mapping[str, float],
        instances: Mapping[str, int],
        *,
        serverless: Mapping[str, ServerlessSpec] | None = None,
    ) -> Resource:
        """Change weights, instance counts and serverless configurations of what is in service. Raises NotFound,
        Conflict."""
        row = self._rows.claim_adjustment((region, name), weights, instances, serverless)
        self._acts.perform((region, name), self._acts.adjust)
        return row

    def delete(self, region: str, name: str) -> None:
        """Begin to take an endpoint down; its row goes with the last of it. Raises NotFound, Conflict."""
        self._rows.claim_deletion((region, name))
        self._acts.perform((region, name), self._acts.delete)

    def wait_for_change(self, resource: Resource, timeout: float) -> Resource:
        """The endpoint once its status is another, or as it is after ``timeout`` seconds. Raises NotFound."""
        return self._rows.wait_for_change(resource, timeout)

    async def invoke(
        self, region: str, name: str, request: Message, target: str = "", delivery: Delivery = PLAIN
    ) -> tuple[str, Message]:
        """See Router.invoke. Raises Invalid for an asynchronous endpoint."""
        deployment = self._in_service.get((region, name))
        if deployment is not None and deployment.spec.asynchronous is not None:
            raise Invalid(f"Endpoint {name} is an asynchronous endpoint: use InvokeEndpointAsync.")
        if deployment is not None and deployment.bare:
            raise Invalid(_NO_COMPONENT)
        return await self._router.invoke((region, name), request, target, delivery)

    def variant(self, region: str, name: str) -> tuple[Variant, Meter] | None:
        """Where the next plain invocation goes, when that is to ordinary workers which may be asked directly, and what
        counts it. Raises Invalid."""
        chosen = self._router.next((region, name))
        return (chosen[0], chosen[1]) if chosen is not None and type(chosen[0]) is Variant else None

    def accept(self, region: str, name: str, document: Document) -> None:
        """Take an asynchronous invocation in; from here on it is not lost. Blocks."""
        self._queues.accept((region, name), document)

    # -- life

    def start(self) -> None:
        """Bring back what an earlier server had in service, and go on with what it had begun. The loop is running."""
        self._on_loop(self._start_counting())
        end_left_behind(self._tools.runs)
        self._tools.runs.mkdir(mode=0o700, parents=True, exist_ok=True)
        rows = self._rows.all()
        deliver_left_behind((self._home / "captures").glob("*"), self._tools.objects)
        self._files.sweep({folder for row in rows for folder in row.state.get("held", {}).values()})
        for row in rows:
            key = (row.region, row.name)
            self._keep(key, row.state.get("held", {}).values())
            self._resume(key, row.status)

    def _resume(self, key: Key, was: str) -> None:
        if was in status.SERVING:
            self._on_loop(self._expect(key))
            if was == status.ROLLING_BACK:  # the new workers went with the server that rolled them back
                self._rows.write(key, Change(status.RETURNING, {"pending": None, "rollout": None}))
            elif was != status.UPDATING:
                self._rows.write(key, Change(status.RETURNING))
            self._acts.perform(key, self._acts.come_back)
        elif was == status.CREATING:
            self._acts.perform(key, self._acts.create)
        elif was == status.DELETING:
            self._acts.perform(key, self._acts.delete)

    def close(self) -> None:
        """End all workers; the rows stay, for the next server to bring them back. Before the loop is stopped."""
        self._on_loop(self._close())
        self._tools.launcher.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._rows.close()

    async def _close(self) -> None:
        await self._acts.close()
        await self._in_service.close()
        await self._metrics.close()
        if self._tools.launcher.spares is not None:
            await self._tools.launcher.spares.close()

    # -- the machinery

    def _deployment(self, key: Key, spec: Document) -> Deployment:
        return Deployment(key[0], key[1], DeploymentSpec.from_json(spec), self._tools)

    def _keep(self, key: Key, names: Iterable[str]) -> None:
        """Keep these folders for the endpoint's row, and no longer those of before."""
        before, self._kept[key] = self._kept.get(key, []), [name for name in names if self._files.hold(name)]
        self._files.drop(before)

    def _forget(self, key: Key) -> None:
        """The endpoint has gone: so has what it had still to answer, and its files."""
        self._queues.forget(key)
        self._keep(key, [])

    def _on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start_counting(self) -> None:
        self._metrics.start()

    async def _expect(self, key: Key) -> None:
        self._in_service.expect(key)
