"""Which variant answers a request: by name where the request has one, else by weight."""

import asyncio
from collections.abc import Mapping

from selfmaker.errors import Conflict, Invalid, NotFound
from selfmaker.serving.delivery import PLAIN, Answering, Delivery
from selfmaker.serving.observation import Observation
from selfmaker.serving.variant import INVOCATION_TIMEOUT
from selfmaker.serving.worker.transport import Message

Key = tuple[str, str]


class Fleet:
    """The variants of one endpoint, and their shares of its traffic. Used on the event loop only."""

    def __init__(self, variants: Mapping[str, Answering], weights: Mapping[str, float]) -> None:
        self.variants = dict(variants)
        self._only = next(iter(self.variants.values())) if len(self.variants) == 1 else None
        self.observation: Observation | None = None
        self._credit: dict[str, float] = {}
        self.weights: dict[str, float] = {}
        self.weigh(weights)

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Set the variants' weights; relative to their sum they are shares."""
        self.weights = dict(weights)
        self._credit = dict.fromkeys(weights, 0.0)

    def choose(self, target: str = "") -> Answering:
        """The named variant, or the next one by weight. Raises Invalid."""
        if target:
            variant = self.variants.get(target)
            if variant is None:
                raise Invalid(f"Variant {target} does not exist in the endpoint; it has {', '.join(self.variants)}.")
            return variant
        if self._only is not None:
            return self._only
        total = sum(self.weights.values())
        if total <= 0:
            raise Invalid("All variants of the endpoint have weight 0: name one in TargetVariant.")
        credit = self._credit
        for name, weight in self.weights.items():
            credit[name] += weight
        chosen = max(credit, key=credit.__getitem__)
        credit[chosen] -= total
        return self.variants[chosen]

    async def drain(self, patience: float) -> None:
        shadows = self.observation.shadows if self.observation is not None else []
        await asyncio.gather(*(variant.drain(patience) for variant in (*self.variants.values(), *shadows)))


class Router:
    """Finds the fleet of an endpoint. Used on the event loop only."""

    def __init__(self) -> None:
        self._fleets: dict[Key, Fleet] = {}
        self._expected: dict[Key, asyncio.Future[None]] = {}

    def expect(self, key: Key) -> None:
        """An endpoint that was in service before a restart is coming back: its requests wait for it."""
        if key not in self._expected:
            self._expected[key] = asyncio.get_running_loop().create_future()

    def put(self, key: Key, fleet: Fleet) -> Fleet | None:
        """From now on ``fleet`` answers; returns the one that did."""
        before = self._fleets.get(key)
        self._fleets[key] = fleet
        self.release(key)
        return before

    def remove(self, key: Key) -> Fleet | None:
        """From now on nothing answers; returns the fleet that did."""
        self.release(key)
        return self._fleets.pop(key, None)

    def release(self, key: Key) -> None:
        """Wake the requests that wait for an expected endpoint."""
        expected = self._expected.pop(key, None)
        if expected is not None and not expected.done():
            expected.set_result(None)

    def get(self, key: Key) -> Fleet | None:
        return self._fleets.get(key)

    def next(self, key: Key) -> Answering | None:
        """The variant that answers the endpoint's next request; None when the endpoint isn't there. Raises Invalid."""
        fleet = self._fleets.get(key)
        return fleet.choose() if fleet is not None and fleet.observation is None else None

    def keys(self) -> list[Key]:
        return list(self._fleets)

    async def invoke(
        self, key: Key, request: Message, target: str = "", delivery: Delivery = PLAIN
    ) -> tuple[str, Message]:
        """The name of the variant that answered, and its answer, whatever its status.

        Raises NotFound for the endpoint, Invalid for the variant, Conflict for an endpoint that isn't back yet, and
        Unanswered when the model gave no answer.
        """
        fleet = self._fleets.get(key)
        if fleet is None:
            fleet = await self._awaited(key)
        variant = fleet.choose(target)
        if delivery.stream is not None:
            delivery.stream.variant = variant.name
        if fleet.observation is not None:
            return variant.name, await fleet.observation.submit(variant, request, delivery)
        return variant.name, await variant.submit(request, delivery)

    async def _awaited(self, key: Key) -> Fleet:
        expected = self._expected.get(key)
        if expected is not None:
            done, _ = await asyncio.wait([expected], timeout=INVOCATION_TIMEOUT)
            if not done:
                raise Conflict(f"Endpoint {key[1]} is still coming back into service.")
        fleet = self._fleets.get(key)
        if fleet is None:
            raise NotFound(f"Endpoint {key[1]}")
        return fleet
