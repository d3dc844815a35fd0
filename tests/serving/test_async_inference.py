"""Queues of asynchronous endpoints: what has waited too long, places that take nothing, restarts, deletions."""

import json
from dataclasses import replace

import pytest
from tests.serving.conftest import executor, loop, plain_environment  # noqa: F401 - fixtures
from tests.serving.world import REGION, World

from selfmaker import clock
from selfmaker.errors import Invalid, NotFound
from selfmaker.serving.spec import AsyncSpec


@pytest.fixture
def world(tmp_path, loop, executor, plain_environment):  # noqa: F811
    made = World(tmp_path, loop, executor, plain_environment)
    spec = made.spec(made.model("m"))
    asynchronous = AsyncSpec("s3://box/out", "s3://box/failed", topics={"success": "arn:aws:sns:r:1:done"})
    assert made.create(replace(spec, asynchronous=asynchronous)).status == "InService"
    yield made
    made.close()


def document(number, **members):
    return {
        "InferenceId": number,
        "InputLocation": "s3://box/in",
        "OutputLocation": f"s3://box/out/{number}.out",
        "FailureLocation": f"s3://box/failed/{number}.out",
        **members,
    }


def stored(world, key):
    """The object's text, once it is there."""
    deadline = clock.now() + 30
    while True:
        try:
            return world.objects.file("box", key).read_text()
        except NotFound:
            assert clock.now() < deadline


def test_an_answer_is_stored_and_told(world):
    world.objects.put("box", "in", b"{}")
    world.endpoints.accept(REGION, "e", document("one"))
    assert json.loads(stored(world, "out/one.out"))["name"] == "m"
    deadline = clock.now() + 30
    while not (told := [path.read_text() for path in world.home.rglob("*-data.log") if path.stat().st_size]):
        assert clock.now() < deadline
    told = json.loads(told[0].split(" ", 1)[1])
    assert (told["invocationStatus"], told["inferenceId"]) == ("Completed", "one")
    assert told["responseParameters"]["outputLocation"] == "s3://box/out/one.out"
    assert told["notPublishedTo"] == "arn:aws:sns:r:1:done"
    with pytest.raises(Invalid, match="use InvokeEndpointAsync"):
        world.ask()


def test_what_has_waited_too_long_fails_unasked(world):
    world.objects.put("box", "in", b"{}")
    queue = world.neighbours.async_invocations
    queue.add(REGION, "e", clock.now() - 100, document("old", RequestTTLSeconds=60))
    world.endpoints.accept(REGION, "e", document("new", RequestTTLSeconds=60))
    assert "within its RequestTTLSeconds (60)" in json.loads(stored(world, "failed/old.out"))["message"]
    stored(world, "out/new.out")


def test_a_place_that_is_not_there_keeps_nobody_waiting(world):
    world.objects.put("box", "in", b"{}")
    world.endpoints.accept(REGION, "e", document("lost", OutputLocation="s3://nobody/out"))
    world.endpoints.accept(REGION, "e", document("next"))
    stored(world, "out/next.out")
    queue = world.neighbours.async_invocations
    deadline = clock.now() + 30
    while queue.count(REGION, "e"):
        assert clock.now() < deadline


def test_a_store_that_fails_for_a_moment_loses_nothing(world, monkeypatch):
    queue = world.neighbours.async_invocations
    world.objects.put("box", "in", b"{}")
    broken = set()

    def once(name):
        real = getattr(queue, name)

        def call(*arguments):
            if name not in broken:
                broken.add(name)
                raise RuntimeError("the disk had a hiccup")
            return real(*arguments)

        return call

    for name in ("waiting", "remove"):
        monkeypatch.setattr(queue, name, once(name))
    monkeypatch.setattr("selfmaker.serving.async_inference._LOOK_AGAIN", 0.01)
    world.endpoints.accept(REGION, "e", document("one"))
    stored(world, "out/one.out")
    deadline = clock.now() + 30
    while queue.count(REGION, "e"):
        assert clock.now() < deadline
    assert broken == {"waiting", "remove"}


def test_a_server_that_comes_back_goes_on_with_the_queue(world):
    world.close()
    world.open()
    world.settled()
    world.objects.put("box", "in", b"{}")
    queue = world.neighbours.async_invocations
    queue.add(REGION, "e", clock.now(), document("before"))
    world.restart()
    assert json.loads(stored(world, "out/before.out"))["name"] == "m"


def test_an_endpoint_that_goes_takes_its_queue_with_it(world):
    queue = world.neighbours.async_invocations
    world.endpoints.delete(REGION, "e")
    queue.add(REGION, "e", clock.now(), document("late"))
    assert world.gone()
    assert queue.count(REGION, "e") == 0


def test_what_comes_while_there_are_no_instances_waits_for_the_first_even_over_a_restart(world):
    world.objects.put("box", "in", b"{}")
    world.endpoints.adjust(REGION, "e", {}, {"v1": 0})
    assert world.settled().status == "InService"
    assert world.endpoints._in_service.get((REGION, "e")).fleet.variants["v1"].ready == 0
    world.endpoints.accept(REGION, "e", document("early"))
    world.restart()
    assert world.settled().status == "InService"
    world.endpoints.accept(REGION, "e", document("late"))
    with pytest.raises(NotFound):
        world.objects.head("box", "out/early.out")
    world.endpoints.adjust(REGION, "e", {}, {"v1": 1})
    for number in ("early", "late"):
        assert json.loads(stored(world, f"out/{number}.out"))["name"] == "m"
