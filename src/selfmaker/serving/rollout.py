"""How an update comes into service: all at once, or by shares of the requests with pauses between, and back again.

The old workers stay until the last pause is over; an alarm until then, or too long an update, gives all requests back
to them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

_LOOKS = 20  # at the alarms in each pause, as far as that is
_OFTEN, _SELDOM = 0.2, 2.0  # between these many seconds apart

Alarmed = Callable[[tuple[str, ...]], Awaitable[list[str]]]
Shift = Callable[[float, str], Awaitable[None]]


@dataclass(frozen=True)
class Rollout:
    """``shares`` of the requests that the new workers get, step by step; after each, ``pause`` seconds, and at last
    ``parting``. ``limit`` is for the whole. ``alarms`` are those that take it back."""

    shares: tuple[float, ...] = (1.0,)
    pause: float = 0.0
    parting: float = 0.0
    limit: float = 0.0
    alarms: tuple[str, ...] = ()

    @property
    def at_once(self) -> bool:
        """Whether there is nothing to wait for."""
        return len(self.shares) == 1 and not self.pause and not self.parting


def rollout_of(config: Mapping[str, Any] | None, instances: int, scale: float = 1.0) -> Rollout:
    """What a DeploymentConfig means for so many ``instances``; its seconds are taken times ``scale``."""
    config = config or {}
    alarms = tuple(a["AlarmName"] for a in config.get("AutoRollbackConfiguration", {}).get("Alarms", []))
    rolling, blue_green = config.get("RollingUpdatePolicy"), config.get("BlueGreenUpdatePolicy", {})
    if rolling is not None:
        shares, pause, policy = _steps(_share(rolling["MaximumBatchSize"], instances)), rolling, rolling
    else:
        routing = blue_green.get("TrafficRoutingConfiguration", {})
        shares, pause, policy = _shares(routing, instances), routing, blue_green
    return Rollout(
        shares,
        pause.get("WaitIntervalInSeconds", 0) * scale,
        policy.get("TerminationWaitInSeconds", 0) * scale,
        policy.get("MaximumExecutionTimeoutInSeconds", 0) * scale,
        alarms,
    )


async def roll_out(rollout: Rollout, shift: Shift, alarmed: Alarmed) -> str | None:
    """Go through the steps. None when all is done, else why all has to be taken back, which is left to the caller.

    ``shift(share, status)`` gives the new workers their share and tells in what state they are.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + rollout.limit if rollout.limit else float("inf")
    for share in rollout.shares:
        await shift(share, "ActivatingTraffic")
        await shift(share, "Baking")
        problem = await _bake(rollout, rollout.pause, deadline, alarmed)
        if problem is not None:
            return problem
    return await _bake(rollout, rollout.parting, deadline, alarmed)


async def _bake(rollout: Rollout, seconds: float, deadline: float, alarmed: Alarmed) -> str | None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        if rollout.alarms and (found := await alarmed(rollout.alarms)):
            names = ", ".join(found)
            return f"The update was rolled back: alarms transitioned to ALARM state while it was under way: {names}."
        now = loop.time()
        if now >= deadline:
            return "The update did not complete within MaximumExecutionTimeoutInSeconds and was rolled back."
        if now >= end:
            return None
        await asyncio.sleep(min(end - now, max(_OFTEN, min(_SELDOM, seconds / _LOOKS)), deadline - now))


def _shares(routing: Mapping[str, Any], instances: int) -> tuple[float, ...]:
    kind = routing.get("Type", "ALL_AT_ONCE")
    if kind == "CANARY":
        first = _share(routing["CanarySize"], instances)
        return (first, 1.0) if first < 1.0 else (1.0,)
    return _steps(_share(routing["LinearStepSize"], instances)) if kind == "LINEAR" else (1.0,)


def _steps(step: float) -> tuple[float, ...]:
    shares: list[float] = []
    while (len(shares) + 1) * step < 1.0 - 1e-6:
        shares.append((len(shares) + 1) * step)
    return (*shares, 1.0)


def _share(size: Mapping[str, Any], instances: int) -> float:
    if size["Type"] == "CAPACITY_PERCENT":
        return min(1.0, float(size["Value"]) / 100.0)
    return min(1.0, float(size["Value"]) / max(1, instances))
