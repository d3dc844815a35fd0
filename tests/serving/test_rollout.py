"""What a DeploymentConfig means, step by step."""

import asyncio

import pytest

from selfmaker.serving.rollout import Rollout, roll_out, rollout_of

PERCENT, COUNT = "CAPACITY_PERCENT", "INSTANCE_COUNT"


def routing(kind, wait=0, **sizes):
    sizes = {name: {"Type": kind_, "Value": value} for name, (kind_, value) in sizes.items()}
    return {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": wait, **sizes}}
    }


@pytest.mark.parametrize(
    ("config", "instances", "shares"),
    [
        (None, 1, (1.0,)),
        (routing("ALL_AT_ONCE"), 4, (1.0,)),
        (routing("CANARY", CanarySize=(PERCENT, 10)), 4, (0.1, 1.0)),
        (routing("CANARY", CanarySize=(COUNT, 1)), 4, (0.25, 1.0)),
        (routing("CANARY", CanarySize=(COUNT, 1)), 1, (1.0,)),
        (routing("LINEAR", LinearStepSize=(PERCENT, 33)), 4, (0.33, 0.66, 0.99, 1.0)),
        (routing("LINEAR", LinearStepSize=(COUNT, 1)), 2, (0.5, 1.0)),
        ({"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": PERCENT, "Value": 50}, "WaitIntervalInSeconds": 1}}, 4,
         (0.5, 1.0)),
    ],
)  # fmt: skip
def test_shares(config, instances, shares):
    assert rollout_of(config, instances).shares == pytest.approx(shares)


def test_times_and_alarms():
    config = routing("ALL_AT_ONCE", wait=60)
    config["BlueGreenUpdatePolicy"] |= {"TerminationWaitInSeconds": 30, "MaximumExecutionTimeoutInSeconds": 600}
    config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "b"}]}
    assert rollout_of(config, 1, 0.1) == Rollout((1.0,), 6.0, 3.0, 60.0, ("a", "b"))
    assert not rollout_of(config, 1).at_once
    assert rollout_of(config, 1, 0).at_once


def go(rollout, alarms=lambda share: []):
    told = []

    async def shift(share, status):
        told.append((share, status))

    async def alarmed(names):
        return [name for name in names if name in alarms(told[-1][0])]

    return asyncio.run(roll_out(rollout, shift, alarmed)), told


def test_each_step_is_told():
    problem, told = go(Rollout((0.5, 1.0), 0.01))
    assert problem is None
    assert told == [(0.5, "ActivatingTraffic"), (0.5, "Baking"), (1.0, "ActivatingTraffic"), (1.0, "Baking")]


def test_an_alarm_ends_it_by_name():
    problem, told = go(Rollout((0.5, 1.0), 0.01, alarms=("a", "b")), lambda share: ["b"])
    assert "ALARM state" in problem
    assert problem.endswith(": b.")
    assert told[-1] == (0.5, "Baking")


def test_an_alarm_while_the_old_workers_still_stand():
    problem, told = go(Rollout((0.5, 1.0), 0.0, 5.0, alarms=("a",)), lambda share: ["a"] if share == 1.0 else [])
    assert "ALARM" in problem
    assert told[-1] == (1.0, "Baking")


def test_a_limit():
    problem, told = go(Rollout((0.5, 1.0), 30.0, limit=0.05))
    assert "MaximumExecutionTimeoutInSeconds" in problem
    assert told[-1] == (0.5, "Baking")
