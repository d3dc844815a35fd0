"""Which variant answers a request: by name where the request has one, else by weight."""

import asyncio
from collections.abc import Mapping

from selfmaker.errors import Conflict, Invalid, NotFound
from selfmaker.serving.delivery import PLAIN, Answering, Delivery
from selfmaker.serving.meter import Meter
from selfmaker.serving.observation import Observation
from selfmaker.serving.variant import INVOCATION_TIMEOUT
from selfmaker.serving.worker.transport import Message

Key = tuple[str, str]


class Fleet:
    """The variants of one endpoint, and their shares of its traffic. Used on the event loop only."""

    def __init__(self, variants: Mapping[str, Answering], weights: Mapping[str, float]) -> None:
        self.variants = dict(variants)
        self._only = next(iter(self.variants.values())) if len(self.variants) == 1 else None
        self.plain = True  # whether requests may be handed to the variants directly, past ``Router.invoke``
        self.observation: Observation | None = None
        self.meters: Mapping[str, Meter] = {name: Meter() for name in self.variants}
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


class _Split:
    """A second fleet, and the share of an endpoint's requests (0 to 1) that goes to it, evenly spread."""

    def __init__(self, fleet: Fleet, share: float) -> None:
        self.fleet = fleet
        self.share = share
        self._credit = 0.0

    def due(self) -> bool:
        """Whether the next request is for it."""
        self._credit += self.share
        if self._credit < 1.0 - 1e-9:
            return False
        self._credit -= 1.0
        return True


class Router:
    """Finds the fleet of an endpoint. Used on the event loop only."""

    def __init__(self) -> None:
        self._fleets: dict[Key, Fleet] = {}
        self._splits: dict[Key, _Split] = {}
        self._expected: dict[Key, asyncio.Future[None]] = {}

    def expect(self, key: Key) -> None:
        """An endpoint that was in service before a restart is coming back: its requests wait for it."""
        if key not in self._expected:
            self._expected[key] = asyncio.get_running_loop().create_future()

    def put(self, key: Key, fleet: Fleet) -> Fleet | None:
        """From now on ``fleet`` answers; returns the one that did."""
        before = self._fleets.get(key)
        self._fleets[key] = fleet
        self._splits.pop(key, None)
        self.release(key)
        return before

    def remove(self, key: Key) -> Fleet | None:
        """From now on nothing answers; returns the fleet that did."""
        self.release(key)
        self._splits.pop(key, None)
        return self._fleets.pop(key, None)

    def split(self, key: Key, fleet: Fleet, share: float) -> None:
        """From now on ``fleet`` answers that share of the requests, until ``put``; none of them at share 0."""
        self._splits.pop(key, None)
        if share > 0:
            self._splits[key] = _Split(fleet, share)

    def release(self, key: Key) -> None:
        """Wake the requests that wait for an expected endpoint."""
        expected = self._expected.pop(key, None)
        if expected is not None and not expected.done():
            expected.set_result(None)

    def get(self, key: Key) -> Fleet | None:
        return self._fleets.get(key)

    def next(self, key: Key) -> tuple[Answering, Meter] | None:
        """The variant that answers the endpoint's next request, and what counts it, when no more is to be done with it;
        else, and when the endpoint isn't there, None. Raises Invalid."""
        fleet = self._fleets.get(key)
        if fleet is None or not fleet.plain:
            return None
        split = self._splits.get(key)
        if split is not None:
            if not split.fleet.plain:
                return None
            fleet = split.fleet if split.due() else fleet
        variant = fleet.choose()
        return variant, fleet.meters[variant.name]

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
        split = self._splits.get(key)
        if split is not None and split.due() and (not target or target in split.fleet.variants):
            fleet = split.fleet
        variant = fleet.choose(target)
        if delivery.stream is not None:
            delivery.stream.variant = variant.name
        given = fleet.observation.submit(variant, request, delivery) if fleet.observation is not None else None
        meter = fleet.meters[variant.name]
        return variant.name, await meter.metered(given if given is not None else variant.submit(request, delivery))

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
