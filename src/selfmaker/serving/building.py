"""From the spec of a production variant to what answers for it: workers, several containers, or many models."""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor as Threads
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from selfmaker import clock
from selfmaker.errors import Invalid, NotFound, SelfmakerError
from selfmaker.objects.store import ObjectStore
from selfmaker.serving.capacity import workers
from selfmaker.serving.channel import PRIMARY, WorkerFailed
from selfmaker.serving.delivery import Answering
from selfmaker.serving.inference_pipeline import InferencePipeline
from selfmaker.serving.launcher import Launcher
from selfmaker.serving.memory import total_bytes
from selfmaker.serving.model_files import MissingData
from selfmaker.serving.multi_model import Keeping, LoadedModel, MultiModel
from selfmaker.serving.output_log import OutputLog
from selfmaker.serving.preparation import Preparation, Prepared
from selfmaker.serving.serverless import Serverless
from selfmaker.serving.spec import ARCHIVE, ModelSpec, VariantSpec
from selfmaker.serving.variant import Variant
from selfmaker.serving.worker_process import WorkerProcess
from selfmaker.store.log_streams import LogStreams

_MISSING = (
    "Failed to download model data(bucket: {}, key: {}). Please ensure that there is an object located at the URL and "
    "that the role passed to CreateModel has permissions to download the model."
)
_FILES = 2  # of an instance's log
T = TypeVar("T")


@dataclass(frozen=True)
class Keep:
    """How long workers and models stay: ``idle`` is after how many seconds without a request a serverless variant has
    none; ``models`` and ``model_bytes`` are what a multi-model container keeps loaded (0 bytes: no limit);
    ``captured`` is how many seconds captured requests wait until they are objects; ``log_bytes`` is the size of a log
    file, of which each instance keeps two; ``spares`` is how many workers wait for a model."""

    idle: float = 300.0
    models: int = 32
    model_bytes: int = 0
    captured: float = 10.0
    log_bytes: int = 1 << 27
    spares: int = 0


@dataclass(frozen=True)
class Tools:
    """What every deployment works with. ``runs``, ``logs`` and ``captures`` are folders; ``threads`` for what
    blocks; ``log_group`` is the prefix of the groups that the workers' output goes to."""

    preparation: Preparation
    launcher: Launcher
    log_streams: LogStreams
    threads: Threads
    objects: ObjectStore
    runs: Path
    logs: Path
    captures: Path
    cores: int
    log_group: str
    keep: Keep = Keep()


@dataclass(frozen=True)
class Place:
    """Whose workers they are: the region, the endpoint's name, and a folder for their runs, named by the deployment."""

    region: str
    endpoint: str
    folder: Path


class Builder:
    """Builds the variants of one deployment. ``build`` on the event loop; ``give_up`` blocks, once all have ended.

    ``held`` are the folders that what was built needs, by URI.
    """

    def __init__(self, place: Place, tools: Tools, known: Mapping[str, str]) -> None:
        self.held: dict[str, str] = {}
        self._place = place
        self._tools = tools
        self._known = known
        self._loop = asyncio.get_running_loop()
        self._prepared: list[Prepared] = []
        self._logs: list[OutputLog] = []

    async def build(self, spec: VariantSpec) -> Answering:
        """What answers for ``spec``, not started yet. Raises SelfmakerError."""
        if len(spec.containers) > 1:
            stages: dict[str, Answering] = {}
            for number, container in enumerate(spec.containers, start=1):
                hostname = container.hostname or f"container-{number}"
                stages[hostname] = await self._container(spec, container, hostname, hostname)
            return InferencePipeline(spec.name, stages, direct=spec.direct)
        built = await self._container(spec, spec.model, "", PRIMARY)
        if spec.serverless is not None and isinstance(built, Variant):
            return Serverless(built, spec.serverless, self._tools.keep.idle, self._loop)
        return built

    def give_up(self) -> None:
        """The workers are gone: give their files and logs up."""
        for prepared in self._prepared:
            self._tools.preparation.release(prepared.held)
        for log in self._logs:
            log.close()
        self._prepared, self._logs = [], []

    async def _container(self, spec: VariantSpec, container: ModelSpec, part: str, called: str) -> Answering:
        log = await self._in_thread(lambda: self._open_log(spec, part))
        if container.many:
            return await self._multi_model(spec, container, log, called)
        prepared = await self._in_thread(lambda: self._prepare(container, log))
        self._prepared.append(prepared)
        self.held.update(prepared.held)
        return self._variant(spec, prepared, log, called)

    def _variant(self, spec: VariantSpec, prepared: Prepared, log: OutputLog, called: str) -> Variant:
        async def launch() -> WorkerProcess:
            try:
                return await self._tools.launcher.launch(prepared.plan, self._place.folder, log, spec.patience)
            except WorkerFailed as error:
                log.say(error.message)
                raise WorkerFailed(
                    f"The {called} container for production variant {spec.name} did not pass the ping health check. "
                    f"Please check CloudWatch logs for this endpoint. {error.message}"
                ) from error

        return Variant(spec.name, launch, self._loop, called)

    async def _multi_model(self, spec: VariantSpec, container: ModelSpec, log: OutputLog, called: str) -> MultiModel:
        """The image and the code are made ready now; models when they are asked for."""
        container = replace(container, environment={"SAGEMAKER_MULTI_MODEL": "true", **container.environment})
        common = await self._in_thread(lambda: self._prepare(replace(container, uri="", many=False), log))
        self._prepared.append(common)
        self.held.update(common.held)
        count = workers(replace(spec, model=container, instances=1, instance_type="ml.t2.medium"), 1)

        async def load(target: str) -> LoadedModel:
            begun = self._loop.time()
            uri = f"{container.uri.rstrip('/')}/{target.lstrip('/')}"
            one = replace(container, uri=uri, form=ARCHIVE, many=False)
            try:
                prepared = await self._in_thread(lambda: self._prepare(one, log))
            except MissingData as error:
                raise Invalid(_MISSING.format(error.bucket, error.key)) from error
            except Invalid:
                raise
            except SelfmakerError as error:
                raise WorkerFailed(error.message) from error
            taken = self._loop.time() - begun
            variant = self._variant(spec, prepared, log, called)
            try:
                await variant.start(count)
            except BaseException:
                await self._in_thread(lambda: self._tools.preparation.release(prepared.held))
                raise
            return LoadedModel(variant, lambda: self._tools.preparation.release(prepared.held), taken)

        keep = self._tools.keep
        return MultiModel(spec.name, load, Keeping(keep.models, keep.model_bytes, container.cached, total_bytes))

    def _prepare(self, model: ModelSpec, log: OutputLog) -> Prepared:
        return self._tools.preparation.prepare(model, self._place.region, {**self._known, **self.held}, log.say)

    def _open_log(self, spec: VariantSpec, part: str) -> OutputLog:
        """A log for one instance of the variant; ``part`` is the container's, if there are several."""
        group = self._tools.log_group + self._place.endpoint
        kept: deque[str] = deque()

        def following() -> Path:
            instance = f"i-{secrets.token_hex(8)}{secrets.randbelow(16):x}"
            stream = f"{spec.name}/{instance}" + (f"/{part}" if part else "")
            path = self._tools.logs / f"{self._place.folder.name}-{stream.replace('/', '-')}.log"
            self._tools.log_streams.register(self._place.region, group, stream, path, clock.now_ms())
            kept.append(stream)
            if len(kept) > _FILES:
                with contextlib.suppress(NotFound):
                    self._tools.log_streams.delete_stream(self._place.region, group, kept.popleft())
            return path

        log = OutputLog(following(), self._tools.keep.log_bytes, following)
        self._logs.append(log)
        return log

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._tools.threads, work)
