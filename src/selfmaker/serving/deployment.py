"""One configuration of an endpoint: from its spec to workers in service, and out again."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any

from selfmaker.serving.building import Builder, Place, Tools
from selfmaker.serving.capacity import workers
from selfmaker.serving.delivery import Answering
from selfmaker.serving.router import Fleet
from selfmaker.serving.spec import DeploymentSpec


class Deployment:
    """Used on the event loop only. After ``bring_up``, ``fleet`` answers requests until ``take_down``."""

    def __init__(self, region: str, endpoint: str, spec: DeploymentSpec, tools: Tools) -> None:
        self.spec = spec
        self.fleet = Fleet({}, {})
        self._place = Place(region, endpoint, tools.runs / spec.id)
        self._tools = tools
        self._builder: Builder | None = None

    @property
    def held(self) -> Mapping[str, str]:
        """The folders that it needs, by URI."""
        return self._builder.held if self._builder is not None else {}

    async def bring_up(self, known: Mapping[str, str]) -> None:
        """Prepare and start all variants; ``known`` as in Preparation. Raises SelfmakerError; then nothing is left."""
        self._builder = builder = Builder(self._place, self._tools, known)
        variants: dict[str, Answering] = {}
        served = [spec for spec in self.spec.variants if spec.containers]
        try:
            for spec in served:
                variants[spec.name] = await builder.build(spec)
            await _all(variants[spec.name].start(workers(spec, self._tools.cores)) for spec in served)
        except BaseException:
            self.fleet = Fleet(variants, dict.fromkeys(variants, 0.0))
            await self.take_down(0)
            raise
        self.fleet = Fleet(variants, {spec.name: spec.weight for spec in served})

    async def adjust(self, spec: DeploymentSpec) -> None:
        """Take over weights and instance counts of ``spec``, which has the same variants. Raises WorkerFailed."""
        self.fleet.weigh({variant.name: variant.weight for variant in spec.variants if variant.containers})
        self.spec = spec
        await _all(
            self.fleet.variants[variant.name].resize(workers(variant, self._tools.cores))
            for variant in spec.variants
            if variant.containers
        )

    async def take_down(self, patience: float) -> None:
        """Let the requests in hand finish, at most ``patience`` seconds; end the workers, give their files up."""
        await self.fleet.drain(patience)
        await asyncio.get_running_loop().run_in_executor(self._tools.threads, self._give_up)

    def _give_up(self) -> None:
        if self._builder is not None:
            self._builder.give_up()
        with contextlib.suppress(OSError):
            self._place.folder.rmdir()


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
