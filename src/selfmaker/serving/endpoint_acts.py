"""What is done to endpoints, each act alone for its endpoint: created, updated, adjusted, brought back, deleted.

An act begins with the row as it is and ends by writing it. It can be done again, by a server that comes back after
another was killed in the middle.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor as Threads
from dataclasses import dataclass
from typing import Any, TypeVar

from selfmaker import clock
from selfmaker.errors import NotFound, SelfmakerError
from selfmaker.serving import endpoint_status as status
from selfmaker.serving.deployment import Deployment
from selfmaker.serving.endpoint_rows import EndpointRows
from selfmaker.serving.in_service import InService
from selfmaker.serving.rollout import roll_out, rollout_of
from selfmaker.serving.router import Key
from selfmaker.serving.spec import DeploymentSpec
from selfmaker.store.resources import Change, Document, Resource

_log = logging.getLogger(__name__)
T = TypeVar("T")

_LONGEST_REASON = 1024
_WRITE_AGAIN = 2.0  # seconds after which what could not be written is tried again
_PARTING = 5.0  # seconds that requests in hand have to finish when their endpoint is deleted

Act = Callable[[Key], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Parts:
    """What the acts work with. ``deployment_of`` makes a deployment from what a row says of it; ``kept`` is told of the
    model folders that a row speaks of, and ``gone`` that its endpoint has gone: both block. ``alarmed`` and
    ``wait_scale`` as in Neighbours."""

    rows: EndpointRows
    in_service: InService
    deployment_of: Callable[[Key, Document], Deployment]
    kept: Callable[[Key, list[str]], None]
    gone: Callable[[Key], None]
    alarmed: Callable[[str, tuple[str, ...]], list[str]]
    wait_scale: float
    threads: Threads


class EndpointActs:
    """On the event loop only, but for ``perform``, which is thread safe."""

    def __init__(self, parts: Parts, loop: asyncio.AbstractEventLoop) -> None:
        self._parts = parts
        self._rows = parts.rows
        self._in_service = parts.in_service
        self._loop = loop
        self._locks: dict[Key, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def perform(self, key: Key, act: Act) -> None:
        """Do ``act``, one of the methods here, after what is being done for the same endpoint."""

        async def alone() -> None:
            async with self._locks.setdefault(key, asyncio.Lock()):
                try:
                    await act(key)
                except NotFound as error:
                    _log.warning("endpoint %s: %s", key[1], error.message)
                except Exception as error:  # noqa: BLE001 - the outermost level of a task: nobody else would tell
                    _log.exception("endpoint %s", key[1])
                    await self._broken(key, error)

        self._loop.call_soon_threadsafe(lambda: self._spawn(alone()))

    async def close(self) -> None:
        """Give up what is being done; the next server begins it again."""
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- the acts

    async def create(self, key: Key) -> None:
        row = await self._row(key)
        if row.status != status.CREATING:
            return
        deployment = self._parts.deployment_of(key, row.state["pending"])
        try:
            await deployment.bring_up({})
        except SelfmakerError as error:
            await self._written(key, Change(status.FAILED, {"FailureReason": _reason(error)}))
            return
        await self._put_in_service(key, deployment)

    async def update(self, key: Key) -> None:
        """The new workers come up beside the old ones, get the requests, and the old ones finish what they have. When
        the new ones do not come up, the old ones stay."""
        row = await self._row(key)
        if row.status != status.UPDATING or "pending" not in row.state:
            return
        before = self._in_service.get(key)
        deployment = self._parts.deployment_of(key, row.state["pending"])
        try:
            await deployment.bring_up({})
        except SelfmakerError as error:
            settled = status.IN_SERVICE if before is not None else status.OUT_OF_SERVICE
            await self._written(key, Change(settled, {"pending": None, "FailureReason": _reason(error)}))
            return
        if before is not None:
            try:
                problem = await self._rolled_out(key, deployment, row.state.get("LastDeploymentConfig"))
            except Exception:
                self._take_back(key, deployment)
                raise
            if problem is not None:
                await self._roll_back(key, deployment, problem)
                return
        await self._put_in_service(key, deployment)

    async def adjust(self, key: Key) -> None:
        row = await self._row(key)
        deployment = self._in_service.get(key)
        if row.status != status.UPDATING or deployment is None:
            return
        failure: str | None = None
        before = deployment.room
        deployment.take_over(DeploymentSpec.from_json(row.state["serving"]))
        self._in_service.adjusted(key, deployment, min(before, deployment.room))
        try:
            await deployment.resize()
        except SelfmakerError as error:
            failure = _reason(error)
        self._in_service.adjusted(key, deployment, deployment.room)
        await self._written(key, Change(status.IN_SERVICE, {"FailureReason": failure, "before": None}))

    async def come_back(self, key: Key) -> None:
        """After a restart: what was in service, then the update that was under way."""
        row = await self._row(key)
        if "serving" in row.state:
            deployment = self._parts.deployment_of(key, row.state["serving"])
            try:
                await deployment.bring_up(row.state.get("held", {}))
            except SelfmakerError as error:
                self._in_service.give_up(key)
                if "pending" not in row.state:
                    await self._written(key, Change(status.OUT_OF_SERVICE, {"FailureReason": _reason(error)}))
                    return
            else:
                self._in_service.put(key, deployment)
        if "pending" in row.state:
            await self.update(key)
        else:
            await self._written(key, Change(status.IN_SERVICE, {"FailureReason": None, "before": None}))

    async def delete(self, key: Key) -> None:
        deployment = await self._in_service.remove(key)
        if deployment is not None:
            await self._in_service.end(deployment, _PARTING)
        await self._in_thread(lambda: self._parts.gone(key))
        await self._in_thread(lambda: self._rows.delete(key))

    # -- their steps

    async def _put_in_service(self, key: Key, deployment: Deployment) -> None:
        """Switch to ``deployment``, say so in the row, and have the one before it finish what it has."""
        before = self._in_service.put(key, deployment)
        state: Document = {
            "serving": deployment.spec.to_json(),
            "held": dict(deployment.held),
            "since": clock.now(),
            "pending": None,
            "rollout": None,
            "FailureReason": None,
        }
        document = {"EndpointConfigName": deployment.spec.config}
        await self._written(key, Change(status.IN_SERVICE, state, document))
        await self._in_thread(lambda: self._parts.kept(key, list(deployment.held.values())))
        if before is not None:
            self._spawn(self._in_service.end(before, before.patience))

    async def _rolled_out(self, key: Key, deployment: Deployment, config: Document | None) -> str | None:
        """Give ``deployment`` its share of the requests, step by step. Why it must be taken back, or None."""
        instances = sum(variant.instances for variant in deployment.spec.variants)
        rollout = rollout_of(config, instances, self._parts.wait_scale)
        if rollout.at_once and not rollout.alarms:
            return None
        self._in_service.count(key, deployment)

        async def shift(share: float, state: str) -> None:
            self._in_service.share(key, deployment, share)
            await self._written(key, Change(status.UPDATING, {"rollout": {"share": share, "status": state}}))

        async def alarmed(names: tuple[str, ...]) -> list[str]:
            return await self._in_thread(lambda: self._parts.alarmed(key[0], names))

        return await roll_out(rollout, shift, alarmed)

    async def _roll_back(self, key: Key, deployment: Deployment, problem: str) -> None:
        self._in_service.share(key, deployment, 0.0)
        await self._written(key, Change(status.ROLLING_BACK, {"rollout": {"share": 0.0, "status": "Deleting"}}))
        await self._in_service.end(deployment, deployment.patience)
        state: Document = {"pending": None, "rollout": None, "FailureReason": problem[:_LONGEST_REASON]}
        await self._written(key, Change(status.IN_SERVICE, state))

    def _take_back(self, key: Key, deployment: Deployment) -> None:
        self._in_service.share(key, deployment, 0.0)
        self._spawn(self._in_service.end(deployment, deployment.patience))

    async def _broken(self, key: Key, error: Exception) -> None:
        """A defect of ours or of the machine must not leave an endpoint in progress for ever."""
        reason = f"InternalServerError: {error}"[:_LONGEST_REASON]
        settled = status.IN_SERVICE if self._in_service.get(key) is not None else status.FAILED
        change = Change(settled, {"pending": None, "rollout": None, "before": None, "FailureReason": reason})
        while True:
            try:
                await self._written(key, change)
                return
            except NotFound:
                return
            except Exception:  # noqa: BLE001 - as above: a full disk may have room again
                _log.exception("endpoint %s", key[1])
                await asyncio.sleep(_WRITE_AGAIN)

    # -- the machinery

    async def _row(self, key: Key) -> Resource:
        return await self._in_thread(lambda: self._rows.get(*key))

    async def _written(self, key: Key, change: Change) -> None:
        await self._in_thread(lambda: self._rows.write(key, change))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._parts.threads, work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._closed:
            work.close()
            return
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _reason(error: SelfmakerError) -> str:
    return error.message[:_LONGEST_REASON]
