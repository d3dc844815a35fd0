"""Endpoints and their lives: Creating, InService, Updating, Deleting, Failed; back by themselves after a restart.

The row is written before anything is done, and what is done can be done again: a server that comes back reads from
the rows what was going on and goes on with it. An update brings new workers up beside the old ones, then switches, then
lets the old ones finish: no request fails. When the new ones do not come up, the old ones stay.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from selfmaker import clock
from selfmaker.errors import Conflict, Invalid, SelfmakerError
from selfmaker.executors.protocol import Executor, Mount
from selfmaker.objects.store import ObjectStore
from selfmaker.serving import async_inference
from selfmaker.serving.async_queues import AsyncQueues
from selfmaker.serving.building import Keep, Tools
from selfmaker.serving.capture import deliver_left_behind
from selfmaker.serving.delivery import PLAIN, Answering, Delivery
from selfmaker.serving.deployment import Deployment, with_changes
from selfmaker.serving.endpoint_metrics import ENDPOINT, HOST_NAMESPACE, NAMESPACE, EndpointMetrics
from selfmaker.serving.meter import Meter
from selfmaker.serving.model_files import ModelFiles
from selfmaker.serving.preparation import Around, Environments, Preparation, Surroundings
from selfmaker.serving.rollout import roll_out, rollout_of
from selfmaker.serving.router import Key, Router
from selfmaker.serving.spares import Spares
from selfmaker.serving.spec import DeploymentSpec, ServerlessSpec
from selfmaker.serving.variant import Variant
from selfmaker.serving.worker.transport import Message
from selfmaker.serving.worker_process import Launcher, end_left_behind
from selfmaker.store import tags
from selfmaker.store.async_invocations import AsyncInvocations
from selfmaker.store.log_streams import LogStreams
from selfmaker.store.metrics import Metrics
from selfmaker.store.resources import Change, Document, Resource, Resources

_log = logging.getLogger(__name__)
T = TypeVar("T")

KIND = "Endpoint"
LOG_GROUP = "/aws/sagemaker/Endpoints/"
CREATING, IN_SERVICE, UPDATING, RETURNING = "Creating", "InService", "Updating", "SystemUpdating"
ROLLING_BACK = "RollingBack"
DELETING, FAILED, OUT_OF_SERVICE = "Deleting", "Failed", "OutOfService"
IN_PROGRESS = (CREATING, UPDATING, RETURNING, ROLLING_BACK, DELETING)

_LONGEST_REASON = 1024
_NO_COMPONENT = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference components. "
    "Please include Inference Component Name header or consider using SageMaker models."
)
_PARTING = 5.0  # seconds that requests in hand have to finish when their endpoint is deleted


@dataclass(frozen=True)
class Neighbours:
    """The parts of the server that serving works with. ``home`` is the folder that workers must not see; ``mounts``
    are what the variables of ``surroundings`` speak of. ``alarmed`` gives those of the named alarms that are in alarm;
    the waiting times of an update are taken times ``wait_scale``."""

    resources: Resources
    objects: ObjectStore
    environments: Environments
    executor: Executor
    log_streams: LogStreams
    async_invocations: AsyncInvocations
    metrics: Metrics
    surroundings: Surroundings
    home: Path
    cores: int
    mounts: tuple[Mount, ...] = ()
    keep: Keep = field(default_factory=Keep)
    alarmed: Callable[[str, tuple[str, ...]], list[str]] = lambda region, names: []
    wait_scale: float = 1.0


@dataclass(frozen=True)
class Family:
    """What is brought into service, by the kind of its rows, and where it is kept: folders in the home, and the prefix
    of its log groups."""

    kind: str = KIND
    folder: str = "endpoints"
    models: str = "models"
    log_group: str = LOG_GROUP
    dimension: str = ENDPOINT


class Endpoints:
    """Thread safe, but for ``invoke``, which is for the loop. ``loop`` runs on a thread of its own."""

    def __init__(self, neighbours: Neighbours, loop: asyncio.AbstractEventLoop, family: Family | None = None) -> None:
        family = family or Family()
        self._resources = neighbours.resources
        self._loop = loop
        self._family = family
        self._home = neighbours.home / family.folder
        self._files = ModelFiles(neighbours.objects, neighbours.home / family.models)
        self._threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="selfmaker-endpoints")
        around = Around(neighbours.surroundings, neighbours.mounts, (neighbours.home,))
        preparation = Preparation(neighbours.environments, self._files, around)
        self._tools = Tools(
            preparation=preparation,
            launcher=Launcher(neighbours.executor, loop),
            log_streams=neighbours.log_streams,
            threads=self._threads,
            runs=self._home / "runs",
            logs=self._home / "logs",
            objects=neighbours.objects,
            captures=self._home / "captures",
            cores=neighbours.cores,
            log_group=family.log_group,
            keep=neighbours.keep,
        )
        asking = async_inference.Around(
            table=neighbours.async_invocations,
            objects=neighbours.objects,
            log_streams=neighbours.log_streams,
            threads=self._threads,
            logs=self._home / "logs",
            log_group=family.log_group,
            invoke=lambda key, request, delivery: self._router.invoke(key, request, "", delivery),
        )
        self._queues = AsyncQueues(asking, loop)
        launcher, spare_runs = self._tools.launcher, self._tools.runs / "spares"
        spares = neighbours.keep.spares if family.kind == KIND else 0
        launcher.spares = Spares(spares, lambda plan: launcher.spare(plan, spare_runs), loop)
        self._router = Router()
        self._metrics = EndpointMetrics(neighbours.metrics, loop, self._threads, family.dimension)
        self._metrics.add_source(self._queues.samples)
        self._wait_scale, self._alarmed = neighbours.wait_scale, neighbours.alarmed
        self._live: dict[Key, Deployment] = {}
        self._leaving: set[Deployment] = set()  # no longer in service, and not yet down
        self._kept: dict[Key, list[str]] = {}  # the folders that the rows speak of, whether workers are up or not
        self._locks: dict[Key, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        for namespace in (NAMESPACE, HOST_NAMESPACE):
            neighbours.metrics.feed(namespace, self._metrics.keep)
        self._changed = threading.Condition()
        self._closed = False

    # -- for operations

    def create(self, resource: Resource, tag_values: Mapping[str, str]) -> None:
        """Keep a new endpoint, which comes with status CREATING and its spec in ``state["pending"]``, and begin to
        bring it up. Raises AlreadyExists."""
        self._resources.create(resource, also=lambda c: tags.add(c, resource.arn, tag_values))
        self._perform((resource.region, resource.name), self._create)

    def get(self, region: str, name: str) -> Resource:
        """Raises NotFound."""
        return self._resources.get(self._family.kind, region, name)

    def update(self, region: str, name: str, spec: DeploymentSpec, state: Document) -> Resource:
        """Begin to put ``spec`` in service instead; ``state`` is merged into the row. Raises NotFound, Conflict."""
        members = {**state, "pending": spec.to_json()}
        row = self._claim(region, name, Change(UPDATING, members, only_if_status=(IN_SERVICE, OUT_OF_SERVICE)))
        if row.state.get("pending", {}).get("id") != spec.id:
            raise Conflict(f"endpoint {name} is in status {row.status}")
        self._perform((region, name), self._update)
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
        before = self.get(region, name)
        if before.status != IN_SERVICE:
            raise Conflict(f"endpoint {name} is in status {before.status}")
        spec = with_changes(DeploymentSpec.from_json(before.state["serving"]), weights, instances, serverless)
        token = clock.now()
        state = {"serving": spec.to_json(), "before": before.state["serving"], "adjusted": token}
        change = Change(UPDATING, state, only_if_status=(IN_SERVICE,))
        row = self._claim(region, name, change)
        if row.state.get("adjusted") != token:
            raise Conflict(f"endpoint {name} is in status {row.status}")
        self._perform((region, name), self._adjust)
        return row

    def delete(self, region: str, name: str) -> None:
        """Begin to take an endpoint down; its row goes with the last of it. Raises NotFound, Conflict."""
        before = self.get(region, name)
        if before.status in IN_PROGRESS:
            raise Conflict(f"endpoint {name} is in status {before.status}")
        token = clock.now()
        settled = (IN_SERVICE, FAILED, OUT_OF_SERVICE)
        row = self._claim(region, name, Change(DELETING, {"deleting": token}, only_if_status=settled))
        if row.state.get("deleting") != token:
            raise Conflict(f"endpoint {name} is in status {row.status}")
        self._perform((region, name), self._delete)

    def wait_for_change(self, resource: Resource, timeout: float) -> Resource:
        """The endpoint once its status is another, or as it is after ``timeout`` seconds. Raises NotFound."""
        end = clock.now() + timeout
        current = self.get(resource.region, resource.name)
        with self._changed:
            while current.status == resource.status and (left := end - clock.now()) > 0 and not self._closed:
                self._changed.wait(left)
                current = self.get(resource.region, resource.name)
        return current

    async def invoke(
        self, region: str, name: str, request: Message, target: str = "", delivery: Delivery = PLAIN
    ) -> tuple[str, Message]:
        """See Router.invoke. Raises Invalid for an asynchronous endpoint."""
        deployment = self._live.get((region, name))
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
        rows = self._resources.list(self._family.kind)
        deliver_left_behind((self._home / "captures").glob("*"), self._tools.objects)
        self._files.sweep({folder for row in rows for folder in row.state.get("held", {}).values()})
        for row in rows:
            key = (row.region, row.name)
            self._kept[key] = [name for name in row.state.get("held", {}).values() if self._files.hold(name)]
            if row.status in (IN_SERVICE, UPDATING, RETURNING, ROLLING_BACK, OUT_OF_SERVICE):
                self._on_loop(self._expect(key))
                if row.status == ROLLING_BACK:  # the new workers went with the server that rolled them back
                    self._write(key, Change(RETURNING, {"pending": None, "rollout": None}))
                elif row.status != UPDATING:
                    self._write(key, Change(RETURNING))
                self._perform(key, self._come_back)
            elif row.status == CREATING:
                self._perform(key, self._create)
            elif row.status == DELETING:
                self._perform(key, self._delete)

    def close(self) -> None:
        """End all workers; the rows stay, for the next server to bring them back. Before the loop is stopped."""
        self._on_loop(self._close())
        self._tools.launcher.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._changed:
            self._changed.notify_all()

    # -- acts, each alone for its endpoint

    async def _create(self, key: Key) -> None:
        row = await self._row(key)
        if row.status != CREATING:
            return
        deployment = self._deployment(key, row.state["pending"])
        try:
            await deployment.bring_up({})
        except SelfmakerError as error:
            await self._written(key, Change(FAILED, {"FailureReason": _reason(error)}))
            return
        await self._put_in_service(key, deployment)

    async def _update(self, key: Key) -> None:
        row = await self._row(key)
        if row.status != UPDATING or "pending" not in row.state:
            return
        deployment = self._deployment(key, row.state["pending"])
        try:
            await deployment.bring_up({})
        except SelfmakerError as error:
            status = IN_SERVICE if key in self._live else OUT_OF_SERVICE
            await self._written(key, Change(status, {"pending": None, "FailureReason": _reason(error)}))
            return
        before = self._live.get(key)
        if before is not None:  # from here on ``_close`` knows of both, wherever it cuts this short
            self._leaving |= {before, deployment}
            problem = await self._rolled_out(key, deployment, row.state.get("LastDeploymentConfig"))
            self._leaving.discard(deployment if problem is None else before)
            if problem is not None:
                await self._roll_back(key, deployment, problem)
                return
        await self._put_in_service(key, deployment)
        if before is not None:
            self._spawn(self._leave(before, before.patience))

    async def _rolled_out(self, key: Key, deployment: Deployment, config: Document | None) -> str | None:
        """Give ``deployment`` its share of the requests, step by step. Why it must be taken back, or None."""
        instances = sum(variant.instances for variant in deployment.spec.variants)
        rollout = rollout_of(config, instances, self._wait_scale)
        if rollout.at_once and not rollout.alarms:
            return None
        self._count(key, deployment)

        async def shift(share: float, status: str) -> None:
            self._router.split(key, deployment.fleet, share)
            await self._written(key, Change(UPDATING, {"rollout": {"share": share, "status": status}}))

        async def alarmed(names: tuple[str, ...]) -> list[str]:
            return await self._in_thread(lambda: self._alarmed(key[0], names))

        return await roll_out(rollout, shift, alarmed)

    async def _roll_back(self, key: Key, deployment: Deployment, problem: str) -> None:
        self._router.split(key, deployment.fleet, 0.0)
        await self._written(key, Change(ROLLING_BACK, {"rollout": {"share": 0.0, "status": "Deleting"}}))
        await self._leave(deployment, deployment.patience)
        state: Document = {"pending": None, "rollout": None, "FailureReason": problem[:_LONGEST_REASON]}
        await self._written(key, Change(IN_SERVICE, state))

    async def _adjust(self, key: Key) -> None:
        row = await self._row(key)
        deployment = self._live.get(key)
        if row.status != UPDATING or deployment is None:
            return
        failure: str | None = None
        try:
            self._count(key, deployment)
            await deployment.adjust(DeploymentSpec.from_json(row.state["serving"]))
        except SelfmakerError as error:
            failure = _reason(error)
        self._count(key, deployment)
        await self._written(key, Change(IN_SERVICE, {"FailureReason": failure, "adjusted": None, "before": None}))

    async def _come_back(self, key: Key) -> None:
        """After a restart: what was in service, then the update that was under way."""
        row = await self._row(key)
        if "serving" in row.state:
            deployment = self._deployment(key, row.state["serving"])
            try:
                await deployment.bring_up(row.state.get("held", {}))
            except SelfmakerError as error:
                self._router.release(key)
                if "pending" not in row.state:
                    await self._written(key, Change(OUT_OF_SERVICE, {"FailureReason": _reason(error)}))
                    return
            else:
                self._live[key] = deployment
                self._count(key, deployment)
                self._router.put(key, deployment.fleet)
                self._queues.attend(key, deployment)
        if "pending" in row.state:
            await self._update(key)
        else:
            await self._written(key, Change(IN_SERVICE, {"FailureReason": None, "adjusted": None, "before": None}))

    async def _delete(self, key: Key) -> None:
        self._router.remove(key)
        await self._queues.stop(key)
        deployment = self._live.pop(key, None)
        if deployment is not None:
            await self._leave(deployment, _PARTING)
        row = await self._row(key)
        also = lambda c: tags.forget(c, row.arn)  # noqa: E731
        await self._in_thread(lambda: self._resources.delete(self._family.kind, key[0], key[1], also=also))
        await self._in_thread(lambda: self._queues.forget(key))
        await self._keep(key, [])
        self._metrics.forget(key)
        self._announce()

    async def _put_in_service(self, key: Key, deployment: Deployment) -> None:
        """Switch to ``deployment``, then say so in the row."""
        self._live[key] = deployment
        self._count(key, deployment)
        self._router.put(key, deployment.fleet)
        self._queues.attend(key, deployment)
        state: Document = {
            "serving": deployment.spec.to_json(),
            "held": dict(deployment.held),
            "since": clock.now(),
            "pending": None,
            "rollout": None,
            "FailureReason": None,
        }
        document = {"EndpointConfigName": deployment.spec.config}
        await self._written(key, Change(IN_SERVICE, state, document))
        await self._keep(key, list(deployment.held.values()))

    def _count(self, key: Key, deployment: Deployment) -> None:
        """Have the deployment's invocations counted as the endpoint's."""
        if self._family.kind != KIND:
            return
        meters = {}
        for spec in deployment.spec.variants:
            if spec.name in deployment.fleet.variants:
                watched = self._metrics.watch(key, spec.name)
                meters[spec.name] = watched.meter
                watched.instances = spec.instances
                watched.pids = partial(_pids, deployment.fleet.variants[spec.name])
                watched.reports = getattr(deployment.fleet.variants[spec.name], "take_reports", dict)
        deployment.fleet.meters = meters

    async def _leave(self, deployment: Deployment, patience: float) -> None:
        """Take down what is no longer in service. Should that be cut short, ``_close`` does the rest."""
        self._leaving.add(deployment)
        await deployment.take_down(patience)
        self._leaving.discard(deployment)

    async def _keep(self, key: Key, names: list[str]) -> None:
        """Keep these folders for the endpoint's row, and no longer those of before."""
        before, self._kept[key] = self._kept.get(key, []), [name for name in names if self._files.hold(name)]
        await self._in_thread(lambda: self._files.drop(before))

    # -- the machinery

    def _deployment(self, key: Key, spec: Document) -> Deployment:
        return Deployment(key[0], key[1], DeploymentSpec.from_json(spec), self._tools)

    def _claim(self, region: str, name: str, change: Change) -> Resource:
        row = self._resources.update(self._family.kind, region, name, change)
        self._announce()
        return row

    def _write(self, key: Key, change: Change) -> None:
        self._resources.update(self._family.kind, key[0], key[1], change)
        self._announce()

    async def _written(self, key: Key, change: Change) -> None:
        await self._in_thread(lambda: self._write(key, change))

    async def _row(self, key: Key) -> Resource:
        return await self._in_thread(lambda: self.get(*key))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._threads, work)

    def _announce(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _perform(self, key: Key, act: Callable[[Key], Coroutine[Any, Any, None]]) -> None:
        """Do ``act`` on the loop, after what is being done for the same endpoint."""

        async def alone() -> None:
            async with self._locks.setdefault(key, asyncio.Lock()):
                try:
                    await act(key)
                except SelfmakerError as error:
                    _log.warning("endpoint %s: %s", key[1], error.message)
                except Exception as error:  # noqa: BLE001 - the outermost level of a task: nobody else would tell
                    _log.exception("endpoint %s", key[1])
                    await self._broken(key, error)

        self._loop.call_soon_threadsafe(lambda: self._spawn(alone()))

    async def _broken(self, key: Key, error: Exception) -> None:
        """A defect of ours or of the machine must not leave an endpoint in progress for ever."""
        reason = f"InternalServerError: {error}"[:_LONGEST_REASON]
        status = IN_SERVICE if key in self._live else FAILED
        try:
            await self._written(key, Change(status, {"pending": None, "FailureReason": reason}))
        except SelfmakerError as gone:
            _log.warning("endpoint %s: %s", key[1], gone.message)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._closed:
            work.close()
            return
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start_counting(self) -> None:
        self._metrics.start()

    async def _expect(self, key: Key) -> None:
        self._router.expect(key)

    async def _close(self) -> None:
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._queues.stop_all()
        live, self._live = self._live, {}
        for key in live:
            self._router.remove(key)
        deployments = {*live.values(), *self._leaving}
        await asyncio.gather(*(deployment.take_down(0) for deployment in deployments), return_exceptions=True)
        await self._metrics.close()
        if self._tools.launcher.spares is not None:
            await self._tools.launcher.spares.close()


def _pids(variant: Answering) -> list[int]:
    return getattr(variant, "pids", [])


def _reason(error: SelfmakerError) -> str:
    return error.message[:_LONGEST_REASON]
