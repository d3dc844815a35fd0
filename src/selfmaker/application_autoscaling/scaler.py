"""Follows the scaling policies: looks at their alarms once in a period and changes instance counts and copies.

More instances are wanted as soon as one policy says so, fewer only when nobody wants more; never beyond the target's
bounds. After a change, no further one in that direction for the policy's cooldown.
"""

import logging
import math
import threading
from dataclasses import dataclass, replace
from typing import Any

from selfmaker import clock
from selfmaker.application_autoscaling import resource, scalable_target, scaling_activity, scaling_policy
from selfmaker.cloudwatch import alarm, alarm_state
from selfmaker.errors import Conflict, NotFound, SelfmakerError
from selfmaker.serving.endpoint_status import IN_PROGRESS, IN_SERVICE
from selfmaker.serving.endpoints import Endpoints
from selfmaker.serving.inference_components import InferenceComponents
from selfmaker.serving.spec import DeploymentSpec, ServerlessSpec
from selfmaker.store.metrics import Metrics
from selfmaker.store.resources import Change, Resource, Resources

_log = logging.getLogger(__name__)

_MINUTE = 60.0
_COOLDOWN = 300.0  # seconds, where a policy doesn't say
_SETTLING = 600.0  # seconds that a change of instances may take


@dataclass(frozen=True)
class Wish:
    """What a policy wants, and why."""

    count: int
    cause: str
    cooldown: float


@dataclass(frozen=True)
class Served:
    """A variant of an endpoint, or of an inference component, and whose life it is part of; ``provisioned`` where not
    its instances are scaled but its provisioned concurrency."""

    lives: Endpoints
    name: str
    variant: str
    provisioned: bool = False


class Scaler:
    """A thread of its own from ``start`` to ``close``. ``period`` seconds stand for AWS's minute."""

    def __init__(
        self,
        resources: Resources,
        metrics: Metrics,
        endpoints: Endpoints,
        components: InferenceComponents,
        period: float,
    ) -> None:
        self._components = components
        self._resources = resources
        self._metrics = metrics
        self._endpoints = endpoints
        self._period = max(period, 0.05)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="selfmaker-scaler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            scaling_activity.end_interrupted(self._resources)
        except Exception:  # noqa: BLE001 - what was interrupted is only shown; targets are followed all the same
            _log.exception("scaling activities")
        while not self._over.wait(self._period):
            try:
                for target in self._resources.list(scalable_target.KIND):
                    self.attend(target)
            except Exception:  # noqa: BLE001 - the outermost level of a thread: the next period may go better
                _log.exception("scaling policies")

    def attend(self, target: Resource) -> None:
        """Bring one target to the count that its bounds and policies want."""
        served = self._served(target)
        count = self._count(target.region, served) if served is not None else None
        if count is None:
            return
        low, high = target.document["MinCapacity"], target.document["MaxCapacity"]
        if not low <= count <= high:
            bound = low if count < low else high
            word = "minimum" if count < low else "maximum"
            self._scale(target, bound, f"{word} capacity was set to {bound}")
            return
        wish = self._wish(target, count)
        if wish is not None and min(max(wish.count, low), high) != count:
            self._scale(target, min(max(wish.count, low), high), wish.cause)

    def _served(self, target: Resource) -> Served | None:
        """What the target stands for; None when it is gone."""
        component = resource.component(target.name)
        if component is None:
            provisioned = target.document["ScalableDimension"] == resource.PROVISIONED_DIMENSION
            return Served(self._endpoints, *resource.endpoint_and_variant(target.name), provisioned)
        try:
            row = self._components.get(target.region, component)
        except NotFound:
            return None
        return Served(self._components, component, row.document["VariantName"])

    def _count(self, region: str, served: Served) -> int | None:
        """What a variant has of what is scaled; None while it is not to be touched."""
        try:
            row = served.lives.get(region, served.name)
        except NotFound:
            return None
        if row.status != IN_SERVICE or "serving" not in row.state:
            return None
        spec = DeploymentSpec.from_json(row.state["serving"]).variant(served.variant)
        if spec is None or (spec.serverless is not None) != served.provisioned:
            return None
        return spec.instances if spec.serverless is None else spec.serverless.provisioned

    def _wish(self, target: Resource, count: int) -> Wish | None:
        """More if any policy wants more; else fewer, as far as the one that wants most. Target tracking policies want
        fewer together or not at all; one that may not scale in has no say in that."""
        policies = [
            row
            for row in self._resources.list(scaling_policy.KIND, target.region)
            if row.document["ResourceId"] == target.name
        ]
        wishes = [(policy, self._wish_of(policy, count)) for policy in policies]
        more = [wish for _, wish in wishes if wish is not None and wish.count > count]
        now, suspended = clock.now(), target.document["SuspendedState"]
        if more:
            wish = max(more, key=lambda w: w.count)
            rested = now - target.state.get("out", 0.0) >= wish.cooldown
            return wish if rested and not suspended["DynamicScalingOutSuspended"] else None
        fewer = _fewer(wishes, count)
        if not fewer:
            return None
        wish = max(fewer, key=lambda w: w.count)
        rested = now - max(target.state.get("out", 0.0), target.state.get("in", 0.0)) >= wish.cooldown
        return wish if rested and not suspended["DynamicScalingInSuspended"] else None

    def _wish_of(self, policy: Resource, count: int) -> Wish | None:
        if policy.document["PolicyType"] == scaling_policy.TRACKING:
            return self._tracked(policy, count)
        return self._stepped(policy, count)

    def _tracked(self, policy: Resource, count: int) -> Wish | None:
        config = policy.document["TargetTrackingScalingPolicyConfiguration"]
        names = [made["AlarmName"] for made in policy.state["Alarms"]]
        scale = self._period / _MINUTE
        for name, high in zip(names, (True, False), strict=True):
            row = self._alarm(policy.region, name)
            if row is None or (not high and not self._may_shrink(policy)):
                continue
            row, verdict = alarm.state_of(self._resources, self._metrics, row)
            if verdict.state != alarm_state.ALARM:
                continue
            target = row.document["Threshold"] if high else row.document["Threshold"] / 0.9
            value = verdict.value or 0.0
            wanted = math.ceil(count * value / target - 1e-9)
            member = "ScaleOutCooldown" if high else "ScaleInCooldown"
            return Wish(
                max(wanted, count + 1) if high else min(max(wanted, 0), count),
                f"monitor alarm {name} in state ALARM triggered policy {policy.document['PolicyName']}",
                config.get(member, _COOLDOWN) * scale,
            )
        return None

    def _may_shrink(self, policy: Resource) -> bool:
        """Minutes without invocations count as few; but those before the policy was there do not."""
        return _may_track_in(policy) and clock.now() - policy.created >= scaling_policy.IN_PERIODS * self._period

    def _stepped(self, policy: Resource, count: int) -> Wish | None:
        config = policy.document["StepScalingPolicyConfiguration"]
        for row in self._resources.list(alarm.KIND, policy.region):
            actions = row.document.get("AlarmActions", []) if row.document["ActionsEnabled"] else []
            if policy.arn not in actions:
                continue
            verdict = alarm.state_of(self._resources, self._metrics, row)[1]
            if verdict.state != alarm_state.ALARM:
                continue
            breach = 0.0 if verdict.value is None else verdict.value - row.document["Threshold"]
            wanted = adjusted(config, count, breach)
            if wanted is not None:
                cause = f"monitor alarm {row.name} in state ALARM triggered policy {policy.document['PolicyName']}"
                return Wish(wanted, cause, config.get("Cooldown", _COOLDOWN) * self._period / _MINUTE)
        return None

    def _alarm(self, region: str, name: str) -> Resource | None:
        try:
            return self._resources.get(alarm.KIND, region, name)
        except NotFound:
            return None

    def _scale(self, target: Resource, count: int, cause: str) -> None:
        served = self._served(target)
        before = self._count(target.region, served) if served is not None else None
        if served is None or before is None:
            return
        count = self._possible(target.region, served, count)
        if count == before:
            return
        number = scaling_activity.begin(self._resources, target.region, target.document, count, cause)
        problem: str | None = None
        try:
            row = self._adjusted(target.region, served, count)
            row = served.lives.wait_for_change(row, _SETTLING)
            if row.status in IN_PROGRESS:
                problem = f"The endpoint is still in status {row.status}."
            else:
                problem = row.state.get("FailureReason")
        except SelfmakerError as error:
            problem = error.message
        scaling_activity.end(self._resources, target.region, number, problem)
        change = Change(None, {"out" if count > before else "in": clock.now()})
        try:
            self._resources.update(scalable_target.KIND, target.region, target.name, change)
        except NotFound:
            return  # it was deregistered meanwhile

    def _adjusted(self, region: str, served: Served, count: int) -> Resource:
        """Raises NotFound, Conflict."""
        if not served.provisioned:
            return served.lives.adjust(region, served.name, {}, {served.variant: count})
        spec = self._serverless(region, served)
        if spec is None:
            raise Conflict(f"variant {served.variant} is not serverless")
        serverless = {served.variant: replace(spec, provisioned=count)}
        return served.lives.adjust(region, served.name, {}, {}, serverless=serverless)

    def _possible(self, region: str, served: Served, count: int) -> int:
        """No more concurrency can be provisioned than the variant may have."""
        spec = self._serverless(region, served) if served.provisioned else None
        return count if spec is None else min(count, spec.concurrency)

    def _serverless(self, region: str, served: Served) -> ServerlessSpec | None:
        state = served.lives.get(region, served.name).state
        spec = DeploymentSpec.from_json(state["serving"]).variant(served.variant)
        return spec.serverless if spec is not None else None


def _fewer(wishes: list[tuple[Resource, Wish | None]], count: int) -> list[Wish]:
    fewer = [(policy, wish) for policy, wish in wishes if wish is not None and wish.count < count]
    trackers = [policy for policy, _ in wishes if _may_track_in(policy)]
    if {policy.name for policy in trackers} <= {policy.name for policy, _ in fewer}:
        return [wish for _, wish in fewer]
    return [wish for policy, wish in fewer if policy.document["PolicyType"] != scaling_policy.TRACKING]


def _may_track_in(policy: Resource) -> bool:
    tracking = policy.document.get("TargetTrackingScalingPolicyConfiguration")
    return tracking is not None and not tracking.get("DisableScaleIn")


def adjusted(config: dict[str, Any], count: int, breach: float) -> int | None:
    """What a step scaling policy makes of ``count`` when the metric is ``breach`` beyond the threshold; None when no
    step is for that."""
    for step in config["StepAdjustments"]:
        low = step.get("MetricIntervalLowerBound", -math.inf)
        high = step.get("MetricIntervalUpperBound", math.inf)
        inside = low <= breach < high if breach >= 0 else low < breach <= high
        if not inside:
            continue
        change = step["ScalingAdjustment"]
        if config["AdjustmentType"] == "ExactCapacity":
            return max(0, int(change))
        if config["AdjustmentType"] == "PercentChangeInCapacity":
            part = count * change / 100.0
            least = config.get("MinAdjustmentMagnitude", 1)
            size = max(math.floor(abs(part)), least)
            change = math.copysign(size, change)
        return max(0, count + int(change))
    return None
