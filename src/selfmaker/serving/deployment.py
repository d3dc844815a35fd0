"""One configuration of an endpoint: from its spec to workers in service, and out again."""

import asyncio
import contextlib
import re
import secrets
from collections.abc import Coroutine, Iterable, Mapping
from concurrent.futures import Executor as Threads
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selfmaker import clock
from selfmaker.serving.channel import WorkerFailed
from selfmaker.serving.output_log import OutputLog
from selfmaker.serving.preparation import Preparation, Prepared
from selfmaker.serving.router import Fleet
from selfmaker.serving.spec import DeploymentSpec, VariantSpec
from selfmaker.serving.variant import Variant
from selfmaker.serving.worker_process import Launcher, WorkerProcess
from selfmaker.store.log_streams import LogStreams

LOG_GROUP = "/aws/sagemaker/Endpoints/"
WORKERS = "SAGEMAKER_MODEL_SERVER_WORKERS"


@dataclass(frozen=True)
class Tools:
    """What every deployment works with. ``runs`` and ``logs`` are folders; ``threads`` for what blocks."""

    preparation: Preparation
    launcher: Launcher
    log_streams: LogStreams
    threads: Threads
    runs: Path
    logs: Path
    cores: int


class Deployment:
    """Used on the event loop only. After ``bring_up``, ``fleet`` answers requests until ``take_down``."""

    def __init__(self, region: str, endpoint: str, spec: DeploymentSpec, tools: Tools) -> None:
        self.spec = spec
        self.fleet = Fleet({}, {})
        self.held: dict[str, str] = {}
        self._region = region
        self._endpoint = endpoint
        self._tools = tools
        self._folder = tools.runs / spec.id
        self._prepared: list[Prepared] = []
        self._logs: list[OutputLog] = []

    async def bring_up(self, known: Mapping[str, str]) -> None:
        """Prepare and start all variants; ``known`` as in Preparation. Raises SelfmakerError; then nothing is left."""
        loop = asyncio.get_running_loop()
        variants: dict[str, Variant] = {}
        try:
            for spec in self.spec.variants:
                log = await loop.run_in_executor(self._tools.threads, self._open_log, spec)
                prepare = self._tools.preparation.prepare
                prepared = await loop.run_in_executor(
                    self._tools.threads, prepare, spec.model, self._region, known, log.say
                )
                self._prepared.append(prepared)
                self.held.update(prepared.held)
                variants[spec.name] = self._variant(spec, prepared, log, loop)
            starts = (variants[spec.name].start(workers(spec, self._tools.cores)) for spec in self.spec.variants)
            await _all(starts)
        except BaseException:
            self.fleet = Fleet(variants, dict.fromkeys(variants, 0.0))
            await self.take_down(0)
            raise
        self.fleet = Fleet(variants, {spec.name: spec.weight for spec in self.spec.variants})

    async def adjust(self, spec: DeploymentSpec) -> None:
        """Take over weights and instance counts of ``spec``, which has the same variants. Raises WorkerFailed."""
        self.fleet.weigh({variant.name: variant.weight for variant in spec.variants})
        self.spec = spec
        await _all(
            self.fleet.variants[variant.name].resize(workers(variant, self._tools.cores)) for variant in spec.variants
        )

    async def take_down(self, patience: float) -> None:
        """Let the requests in hand finish, at most ``patience`` seconds; end the workers, give their files up."""
        await self.fleet.drain(patience)
        await asyncio.get_running_loop().run_in_executor(self._tools.threads, self._give_up)

    def _give_up(self) -> None:
        for prepared in self._prepared:
            self._tools.preparation.release(prepared.held)
        for log in self._logs:
            log.close()
        self._prepared, self._logs = [], []
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def _open_log(self, spec: VariantSpec) -> OutputLog:
        instance = f"i-{secrets.token_hex(8)}{secrets.randbelow(16):x}"
        path = self._tools.logs / f"{self.spec.id}-{spec.name}-{instance}.log"
        log = OutputLog(path)
        self._logs.append(log)
        stream = f"{spec.name}/{instance}"
        self._tools.log_streams.register(self._region, LOG_GROUP + self._endpoint, stream, path, clock.now_ms())
        return log

    def _variant(
        self, spec: VariantSpec, prepared: Prepared, log: OutputLog, loop: asyncio.AbstractEventLoop
    ) -> Variant:
        async def launch() -> WorkerProcess:
            try:
                return await self._tools.launcher.launch(prepared.plan, self._folder, log, spec.patience)
            except WorkerFailed as error:
                log.say(error.message)
                raise WorkerFailed(
                    f"The primary container for production variant {spec.name} did not pass the ping health check. "
                    f"Please check CloudWatch logs for this endpoint. {error.message}"
                ) from error

        return Variant(spec.name, launch, loop)


def workers(spec: VariantSpec, cores: int) -> int:
    """How many workers a variant gets: one for each virtual CPU of its instances, as far as there are cores here; or
    as many for each instance as its container's environment says."""
    asked = spec.model.environment.get(WORKERS, "")
    if asked.isdigit() and int(asked) > 0:
        return min(int(asked) * spec.instances, max(cores, int(asked)))
    return max(1, min(cores, vcpus(spec.instance_type) * spec.instances))


def vcpus(instance_type: str) -> int:
    """The virtual CPUs of an instance type, by its size: large has 2, xlarge 4, 8xlarge 32."""
    size = instance_type.rpartition(".")[2]
    match = re.fullmatch(r"(\d*)xlarge", size)
    if match:
        return 4 * int(match[1] or 1)
    return 2


def with_changes(spec: DeploymentSpec, weights: Mapping[str, float], instances: Mapping[str, int]) -> DeploymentSpec:
    """``spec`` with other weights and instance counts for the variants that are named."""
    return replace(
        spec,
        variants=tuple(
            replace(
                variant,
                weight=weights.get(variant.name, variant.weight),
                instances=instances.get(variant.name, variant.instances),
            )
            for variant in spec.variants
        ),
    )


async def _all(acts: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all acts to their end, then raise the first one's error, if any failed."""
    results = await asyncio.gather(*acts, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
