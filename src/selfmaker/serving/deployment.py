"""One configuration of an endpoint: from its spec to workers in service, and out again."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any

from selfmaker.objects.uri import join_s3_uri
from selfmaker.serving.building import Builder, Place, Tools
from selfmaker.serving.capacity import workers
from selfmaker.serving.capture import Capture
from selfmaker.serving.delivery import Answering
from selfmaker.serving.observation import Observation
from selfmaker.serving.router import Fleet
from selfmaker.serving.serverless import Serverless
from selfmaker.serving.spec import DeploymentSpec, ServerlessSpec
from selfmaker.serving.variant import INVOCATION_TIMEOUT

_LONGEST_ASYNC = 3600.0  # seconds: AWS's limit for InvocationTimeoutSeconds


class Deployment:
    """Used on the event loop only. After ``bring_up``, ``fleet`` answers requests until ``take_down``."""

    def __init__(self, region: str, endpoint: str, spec: DeploymentSpec, tools: Tools) -> None:
        self.spec = spec
        self.fleet = Fleet({}, {})
        self._place = Place(region, endpoint, tools.runs / spec.id)
        self._tools = tools
        self._builder: Builder | None = None
        self._capture: Capture | None = None

    @property
    def held(self) -> Mapping[str, str]:
        """The folders that it needs, by URI."""
        return self._builder.held if self._builder is not None else {}

    @property
    def bare(self) -> bool:
        """Whether it has no models of its own, but inference components."""
        return not any(spec.containers for spec in self.spec.variants)

    @property
    def patience(self) -> float:
        """How many seconds a request in hand may take."""
        return INVOCATION_TIMEOUT if self.spec.asynchronous is None else _LONGEST_ASYNC

    @property
    def room(self) -> int:
        """How many asynchronous requests it is given at once."""
        each = self.spec.asynchronous.concurrency if self.spec.asynchronous is not None else 0
        return sum(each * spec.instances or workers(spec, self._tools.cores) for spec in self.spec.variants)

    async def bring_up(self, known: Mapping[str, str]) -> None:
        """Prepare and start all variants; ``known`` as in Preparation. Raises SelfmakerError; then nothing is left."""
        self._builder = builder = Builder(self._place, self._tools, known)
        variants: dict[str, Answering] = {}
        served = [spec for spec in self.spec.variants if spec.containers]
        try:
            for spec in (*served, *self.spec.shadows):
                variants[spec.name] = await builder.build(spec)
            starts = ((variants[spec.name], spec) for spec in (*served, *self.spec.shadows))
            await _all(variant.start(workers(spec, self._tools.cores)) for variant, spec in starts)
        except BaseException:
            self.fleet = Fleet(variants, dict.fromkeys(variants, 0.0))
            await self.take_down(0)
            raise
        self.fleet = self._fleet(variants)

    def _fleet(self, built: Mapping[str, Answering]) -> Fleet:
        """The variants that answer, and what else happens to their requests."""
        weights = {spec.name: spec.weight for spec in self.spec.variants if spec.containers}
        fleet = Fleet({name: built[name] for name in weights}, weights)
        total = sum(weights.values()) or 1.0
        shadows = {spec.name: (built[spec.name], spec.weight / total) for spec in self.spec.shadows}
        if self.spec.capture is not None:
            destination = join_s3_uri(self.spec.capture.destination, self._place.endpoint)
            folder = self._tools.captures / self.spec.id
            self._capture = Capture(self.spec.capture, destination, folder, self._tools.objects)
            self._capture.flush_every(self._tools.keep.captured, self._tools.threads)
        if shadows or self._capture is not None:
            fleet.observation = Observation(shadows, self._capture)
        fleet.plain = fleet.observation is None and self.spec.asynchronous is None and not self.bare
        return fleet

    def take_over(self, spec: DeploymentSpec) -> None:
        """The weights, instance counts and serverless configurations of ``spec``, which has the same variants; the
        workers follow by ``resize``."""
        self.fleet.weigh({variant.name: variant.weight for variant in spec.variants if variant.containers})
        self.spec = spec
        for variant in spec.variants:
            built = self.fleet.variants.get(variant.name)
            if isinstance(built, Serverless) and variant.serverless is not None:
                built.spec = variant.serverless

    async def resize(self) -> None:
        """Have as many workers as the spec says. Raises WorkerFailed."""
        await _all(
            self.fleet.variants[variant.name].resize(workers(variant, self._tools.cores))
            for variant in self.spec.variants
            if variant.containers
        )

    async def take_down(self, patience: float) -> None:
        """Let the requests in hand finish, at most ``patience`` seconds; end the workers, give their files up."""
        await self.fleet.drain(patience)
        if self._capture is not None:
            await self._capture.close(self._tools.threads)
        await asyncio.get_running_loop().run_in_executor(self._tools.threads, self._give_up)

    def _give_up(self) -> None:
        if self._builder is not None:
            self._builder.give_up()
        with contextlib.suppress(OSError):
            self._place.folder.rmdir()


def with_changes(
    spec: DeploymentSpec,
    weights: Mapping[str, float],
    instances: Mapping[str, int],
    serverless: Mapping[str, ServerlessSpec] | None = None,
) -> DeploymentSpec:
    """``spec`` with other weights, instance counts and serverless configurations for the variants that are named."""
    return replace(
        spec,
        variants=tuple(
            replace(
                variant,
                weight=weights.get(variant.name, variant.weight),
                instances=instances.get(variant.name, variant.instances),
                serverless=(serverless or {}).get(variant.name, variant.serverless),
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
