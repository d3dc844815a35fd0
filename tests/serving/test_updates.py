"""Updates of every kind with 64 clients, and back again: no request fails; and what is counted of it."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from tests.serving.world import REGION, World

from selfmaker.serving.spec import DeploymentSpec
from selfmaker.store.metrics import Metric, Period

SIZE = {"Type": "CAPACITY_PERCENT", "Value": 25}
ALARMS = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "too many errors"}]}}


def blue_green(kind, wait=1, **members):
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": wait,
                                                                      **members}}}  # fmt: skip


CANARY = blue_green("CANARY", CanarySize=SIZE)
KINDS = {
    "all at once": blue_green("ALL_AT_ONCE"),
    "canary": CANARY,
    "linear": blue_green("LINEAR", wait=0, LinearStepSize=SIZE),
    "rolling": {"RollingUpdatePolicy": {"MaximumBatchSize": SIZE, "WaitIntervalInSeconds": 0}},
}


@pytest.fixture
def world(tmp_path, loop, executor, plain_environment):
    home = tmp_path / "home"
    home.mkdir()
    made = World(home, loop, executor, plain_environment)
    yield made
    made.close()


class Clients:
    """64 of them, asking until it is over. ``served`` are the names that answered, in order."""

    def __init__(self, world):
        self.world = world
        self.over = threading.Event()
        self.served, self.problems = [], []

    def run(self):
        while not self.over.is_set():
            try:
                self.served.append(self.world.name_served())
            except Exception as error:  # noqa: BLE001 - any failure at all is what the tests look for
                self.problems.append(error)

    def some_more(self):
        mark = len(self.served)
        while len(self.served) < mark + 128 and not self.problems:
            time.sleep(0.005)


@contextmanager
def clients_of(world):
    clients = Clients(world)
    with ThreadPoolExecutor(64) as threads:
        try:
            for _ in range(64):
                threads.submit(clients.run)
            yield clients
        finally:
            clients.over.set()


def update(world, name, config):
    spec = world.spec(world.model(name))
    world.endpoints.update(REGION, "e", spec, {"LastDeploymentConfig": config})
    return spec


def rollout(world):
    return world.endpoints.get(REGION, "e").state.get("rollout")


def until(holds):
    while not holds():
        time.sleep(0.005)


@pytest.mark.parametrize("kind", KINDS)
def test_an_update_fails_no_request(world, kind):
    world.create(world.spec(world.model("old")))
    with clients_of(world) as clients:
        update(world, "new", KINDS[kind])
        row = world.settled()
        assert (row.status, row.state.get("FailureReason"), row.state.get("rollout")) == ("InService", None, None)
        clients.some_more()
    assert clients.problems == []
    assert {"old", "new"} == set(clients.served)
    assert set(clients.served[-64:]) == {"new"}


def test_a_canary_gets_its_share(world):
    world.create(world.spec(world.model("old")))
    update(world, "new", blue_green("CANARY", wait=3, CanarySize=SIZE))
    until(lambda: rollout(world) and rollout(world)["status"] == "Baking")
    served = [world.name_served() for _ in range(40)]
    assert served.count("new") == 10
    assert rollout(world)["share"] == 0.25
    assert world.settled().status == "InService"
    assert world.name_served() == "new"


def test_an_alarm_takes_an_update_back_and_no_request_fails(world):
    row = world.create(world.spec(world.model("old")))
    with clients_of(world) as clients:
        update(world, "new", {**blue_green("CANARY", wait=600, CanarySize=SIZE), **ALARMS})
        until(lambda: rollout(world) and rollout(world)["status"] == "Baking")
        clients.some_more()
        world.alarms.add("too many errors")
        after = world.settled()
        mark = len(clients.served)
        clients.some_more()
    assert clients.problems == []
    assert after.status == "InService"
    assert "too many errors" in after.state["FailureReason"]
    assert after.document["EndpointConfigName"] == row.document["EndpointConfigName"]
    assert after.state.keys().isdisjoint({"pending", "rollout"})
    assert "new" in clients.served[:mark]
    assert set(clients.served[mark + 64 :]) == {"old"}
    assert len(list((world.home / "endpoints" / "runs").iterdir())) == 1
    world.alarms.clear()
    update(world, "newer", None)
    assert "FailureReason" not in world.settled().state
    assert world.name_served() == "newer"


def test_an_alarm_counts_until_the_old_workers_go(world):
    world.create(world.spec(world.model("old")))
    config = blue_green("ALL_AT_ONCE", wait=0)
    config["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] = 600
    update(world, "new", {**config, **ALARMS})
    until(lambda: rollout(world) and rollout(world)["share"] == 1.0)
    assert {world.name_served() for _ in range(8)} == {"new"}
    world.alarms.add("too many errors")
    assert "ALARM" in world.settled().state["FailureReason"]
    assert world.name_served() == "old"


def test_a_server_that_stops_in_the_middle_begins_the_update_again(world):
    world.create(world.spec(world.model("old")))
    update(world, "new", blue_green("CANARY", wait=600, CanarySize=SIZE))
    until(lambda: rollout(world) and rollout(world)["status"] == "Baking")
    pids = [int(note.read_text().split()[0]) for note in (world.home / "endpoints" / "runs").glob("*/*/pid")]
    world.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    world.open(wait_scale=0.0)
    row = world.settled()
    assert (row.status, row.state.get("rollout")) == ("InService", None)
    assert world.name_served() == "new"


def test_invocations_are_counted(world):
    world.create(world.spec(world.model("one"), instances=2))
    for _ in range(5):
        world.ask()
    world.problem_of(b"exit")
    now = time.time()
    times = Period(now - 60, now + 60, 120)

    def metric(name):
        dimensions = {"EndpointName": "e", "VariantName": "v1"}
        return world.metrics.buckets(Metric(REGION, "AWS/SageMaker", name, dimensions), times)[0]

    invocations = metric("Invocations")
    assert (invocations.count, invocations.sum) == (6, 6.0)
    assert metric("InvocationsPerInstance").sum == 3.0
    faults = metric("Invocation5XXErrors")
    assert (faults.count, faults.sum, faults.minimum, faults.maximum) == (6, 1.0, 0.0, 1.0)
    assert metric("Invocation4XXErrors").sum == 0.0
    latency = metric("ModelLatency")
    assert (latency.count, latency.unit) == (6, "Microseconds")
    assert 1 <= latency.minimum <= latency.maximum < 60e6
    assert metric("OverheadLatency").count == 6
    at_once = metric("ConcurrentRequestsPerModel")
    assert (at_once.count, at_once.sum > 0) == (1, True)
    values = world.metrics.values(
        Metric(REGION, "AWS/SageMaker", "ModelLatency", {"EndpointName": "e", "VariantName": "v1"}), times
    )
    assert sum(count for _, count in next(iter(values.values()))) == 6


def test_workers_use_memory_and_processors(world, on_loop):
    world.create(world.spec(world.model("one")))
    for _ in range(2):
        on_loop(world.endpoints._metrics._keep(hosts=True))
        world.ask()
    now = time.time()
    for name in ("MemoryUtilization", "CPUUtilization"):
        metric = Metric(REGION, "/aws/sagemaker/Endpoints", name, {"EndpointName": "e", "VariantName": "v1"})
        sample = world.metrics.buckets(metric, Period(now - 60, now + 60, 120))[0]
        assert sample.unit == "Percent"
        assert sample.minimum >= 0
        assert name == "CPUUtilization" or sample.minimum > 0


def test_the_spec_in_the_row_is_what_is_served(world):
    world.create(world.spec(world.model("old")))
    spec = update(world, "new", CANARY)
    row = world.settled()
    assert DeploymentSpec.from_json(row.state["serving"]).id == spec.id
    assert row.state["LastDeploymentConfig"] == CANARY
