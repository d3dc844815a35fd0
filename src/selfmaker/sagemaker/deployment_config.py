"""DeploymentConfig: what the model of the API cannot say of it."""

from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.sagemaker.checks import invalid

_ROUTING = "BlueGreenUpdatePolicy.TrafficRoutingConfiguration"
_SIZES = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}
_PERCENT = {"CanarySize": (1, 50), "LinearStepSize": (10, 50), "MaximumBatchSize": (5, 50)}
_PERCENT_BACK = (5, 100)


def check(config: dict[str, Any] | None, instances: int) -> None:
    """Raises AWS's error for a configuration that an endpoint with so many ``instances`` cannot be updated by."""
    if not config:
        return
    blue_green, rolling = config.get("BlueGreenUpdatePolicy"), config.get("RollingUpdatePolicy")
    if blue_green is not None and rolling is not None:
        raise invalid("DeploymentConfig: give only one of BlueGreenUpdatePolicy and RollingUpdatePolicy.")
    if rolling is not None:
        _check_size("RollingUpdatePolicy", "MaximumBatchSize", rolling["MaximumBatchSize"], instances)
        back = rolling.get("RollbackMaximumBatchSize")
        if back is not None and back["Type"] == "CAPACITY_PERCENT" and not _within(back["Value"], _PERCENT_BACK):
            raise invalid("RollingUpdatePolicy.RollbackMaximumBatchSize: CAPACITY_PERCENT must be from 5 to 100.")
    if blue_green is not None:
        _check_routing(blue_green["TrafficRoutingConfiguration"], instances)


def _check_routing(routing: dict[str, Any], instances: int) -> None:
    needed = _SIZES.get(routing["Type"])
    for member in _SIZES.values():
        if member in routing and member != needed:
            raise invalid(f"{_ROUTING}.{member} does not apply to traffic routing of type {routing['Type']}.")
    if needed is not None:
        if needed not in routing:
            raise invalid(f"{_ROUTING}.{needed} is required for traffic routing of type {routing['Type']}.")
        _check_size(_ROUTING, needed, routing[needed], instances)


def _check_size(where: str, member: str, size: dict[str, Any], instances: int) -> None:
    value, (low, high) = size["Value"], _PERCENT[member]
    if size["Type"] == "CAPACITY_PERCENT":
        if not _within(value, (low, high)):
            raise _wrong(where, member, f"CAPACITY_PERCENT must be from {low} to {high}, it is {value}")
    elif value > max(1, instances // 2):
        raise _wrong(where, member, f"INSTANCE_COUNT must be at most half of the {instances} instances, it is {value}")


def _within(value: int, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= value <= bounds[1]


def _wrong(where: str, member: str, what: str) -> AwsError:
    return invalid(f"{where}.{member}: {what}.")
