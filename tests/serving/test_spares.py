"""Spare workers in the real sandbox: an endpoint that they serve is as any other."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import pytest
from tests.serving.world import REGION, World, archive

from selfmaker.errors import Unavailable
from selfmaker.executors.process import ProcessExecutor
from selfmaker.executors.protocol import RunSpec
from selfmaker.runtimes.base import Environment
from selfmaker.serving import spares
from selfmaker.serving.building import Keep
from selfmaker.serving.spec import ModelSpec
from selfmaker.store.log_page import Window
from selfmaker.store.log_streams import StreamQuery

SCRIPT = """
import json, os, pathlib
print("imported", flush=True)
def model_fn(model_dir):
    model = json.loads(pathlib.Path(model_dir, "weights.json").read_text())
    pathlib.Path(model_dir, "weights.json").write_text("scribbled")
    if "fail" in model:
        raise ValueError(model["fail"])
    return model
def transform_fn(model, body, content_type, accept):
    if body == b"exit":
        os._exit(1)
    return json.dumps({**model, "variable": os.environ.get("MINE"), "around": os.environ.get("AROUND"),
                       "directory": os.getcwd(), "threads": os.environ.get("OMP_NUM_THREADS")})
"""


@pytest.fixture
def world(tmp_path, loop, monkeypatch):
    executor = ProcessExecutor()
    (tmp_path / "probe").mkdir()
    with tempfile.TemporaryFile() as output:
        try:
            spec = RunSpec(("true",), {"PATH": "/usr/bin:/bin"}, "/", tmp_path / "probe")
            executor.start(spec, output.fileno()).wait()
        except Unavailable as error:
            pytest.skip(error.message)
    monkeypatch.setattr(spares, "FRAMEWORKS", ("",))
    monkeypatch.setattr(spares, "_QUIET", 0.0)
    (tmp_path / "home").mkdir()
    base = Path(sys.base_prefix).resolve()
    environment = Environment(
        prefix=Path(sys.prefix),
        python=Path(sys.executable),
        base=None if base.is_relative_to("/usr") else base,
        packages={},
    )
    made = World(tmp_path / "home", loop, executor, environment)
    made.keep = Keep(spares=2)
    made.restart()
    yield made
    made.close()


def model(world, name, environment=(), **weights):
    files = {"weights.json": json.dumps({"name": name, **weights}), "code/inference.py": SCRIPT}
    world.objects.put("box", f"{name}/model.tar.gz", archive(**files))
    return ModelSpec(name=name, image="i", uri=f"s3://box/{name}/model.tar.gz", environment=dict(environment))


def waiting(world):
    return [entry[1].process.handle.pid for entry in world.endpoints._tools.launcher.spares._waiting]


def filled(world):
    while len(waiting(world)) < 2:
        time.sleep(0.01)
    return set(waiting(world))


def pids(world, name):
    return {
        pid
        for variant in world.endpoints._in_service.get((REGION, name)).fleet.variants.values()
        for pid in variant.pids
    }


def answer(world, name):
    return json.loads(world.ask(name=name)[1].body)


def test_an_endpoint_is_served_by_spares(world):
    row = world.create(world.spec(model(world, "first")), "first")
    assert (row.status, row.state.get("FailureReason")) == ("InService", None)
    spare = filled(world)
    assert not spare & pids(world, "first")
    row = world.create(world.spec(model(world, "second", {"MINE": "yes"})), "second")
    assert (row.status, row.state.get("FailureReason")) == ("InService", None)
    assert pids(world, "second") == spare
    expected = {"name": "second", "variable": "yes", "around": REGION, "threads": "1"}
    found = answer(world, "second")
    assert expected.items() <= found.items()
    assert {**answer(world, "first"), "name": "second", "variable": "yes"} == found
    streams, _ = world.logs.streams(REGION, "/aws/sagemaker/Endpoints/second", StreamQuery())
    page = world.logs.read(REGION, "/aws/sagemaker/Endpoints/second", streams[0][0].name, Window(limit=100))
    assert [event.text for event in page.events].count("imported") == 2
    assert not spare & filled(world), "others wait now"
    stored = next((world.home / "models").rglob("weights.json"))
    assert "scribbled" not in stored.read_text()


def test_a_model_that_fails_in_a_spare_fails_with_its_reason(world):
    world.create(world.spec(model(world, "first")), "first")
    filled(world)
    row = world.create(world.spec(model(world, "bad", fail="no luck")), "bad")
    assert row.status == "Failed"
    assert "ValueError: no luck" in row.state["FailureReason"]


@pytest.mark.parametrize("change", ["variable", "isolation", "dead"])
def test_who_cannot_take_a_spare_starts_as_usual(world, change):
    world.create(world.spec(model(world, "first")), "first")
    spare = filled(world)
    second = model(world, "second", {"OMP_NUM_THREADS": "3"} if change == "variable" else {})
    if change == "isolation":
        second = ModelSpec(**{**vars(second), "network": False})
    if change == "dead":
        for entry in list(world.endpoints._tools.launcher.spares._waiting):
            entry[1].process.kill()
        while any(entry[1].process.channel.connected for entry in world.endpoints._tools.launcher.spares._waiting):
            time.sleep(0.01)
    assert world.create(world.spec(second), "second").status == "InService"
    assert not spare & pids(world, "second")
    assert answer(world, "second")["threads"] == ("3" if change == "variable" else "1")


def test_a_worker_that_dies_is_replaced_by_a_spare(world):
    world.create(world.spec(model(world, "first")), "first")
    spare = filled(world)
    world.problem_of(b"exit", "first")
    while len(pids(world, "first")) < 2:
        time.sleep(0.01)
    assert len(pids(world, "first") & spare) == 1
    assert answer(world, "first")["name"] == "first"


def test_spares_end_with_their_server(world):
    world.create(world.spec(model(world, "first")), "first")
    spare = filled(world)
    world.restart()
    for pid in spare:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
