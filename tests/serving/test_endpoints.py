"""Endpoints from creation to deletion, through updates, failures and restarts, with real worker processes."""

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.serving.world import IMAGE, REGION, SCRIPT, World, archive

from selfmaker import clock
from selfmaker.errors import AlreadyExists, Conflict, NotFound
from selfmaker.serving.endpoints import Endpoints
from selfmaker.serving.spec import DeploymentSpec, ModelSpec
from selfmaker.store.log_page import Window
from selfmaker.store.log_streams import StreamQuery
from selfmaker.store.resources import Change, Resource
from selfmaker.store.tags import Tags

GROUP = "/aws/sagemaker/Endpoints/e"


@pytest.fixture
def world(tmp_path, loop, executor, plain_environment):
    home = tmp_path / "home"
    home.mkdir()
    made = World(home, loop, executor, plain_environment)
    yield made
    made.close()


def test_an_endpoint_comes_into_service_answers_and_goes(world):
    row = world.create(world.spec(world.model("mine")), tags={"k": "v"})
    assert row.status == "InService"
    variant, answer = world.ask()
    assert variant == "v1"
    assert json.loads(answer.body)["name"] == "mine"
    assert json.loads(answer.body)["variable"] == REGION
    assert Tags(world.database).of("arn:e") == {"k": "v"}
    with pytest.raises(AlreadyExists):
        world.create(world.spec(world.model()))
    world.endpoints.delete(REGION, "e")
    assert world.gone()
    with pytest.raises(NotFound):
        world.ask()
    assert Tags(world.database).of("arn:e") == {}
    assert list((world.home / "endpoints" / "runs").iterdir()) == []
    assert list((world.home / "models").iterdir()) == []


def test_what_the_workers_print_is_in_the_endpoints_log_group(world):
    world.create(world.spec(world.model("mine")))
    streams, _ = world.logs.streams(REGION, GROUP, StreamQuery())
    assert len(streams) == 1
    name = streams[0][0].name
    assert name.startswith("v1/i-")
    assert len(name) == len("v1/i-") + 17
    lines = [event.text for event in world.logs.read(REGION, GROUP, name, Window(limit=100)).events]
    assert lines.count("loaded mine") == 2
    assert "using the test's environment" in lines


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fail": "corrupt"}, "did not pass the ping health check. Please check CloudWatch logs for this endpoint."),
        ({"fail": "corrupt"}, "ValueError: corrupt"),
    ],
)
def test_a_model_that_does_not_load_fails_the_endpoint_with_its_reason(world, change, reason):
    row = world.create(world.spec(world.model("bad", **change)))
    assert row.status == "Failed"
    assert reason in row.state["FailureReason"]
    assert "variant v1" in row.state["FailureReason"]
    with pytest.raises(NotFound):
        world.ask()
    with pytest.raises(Conflict):
        world.endpoints.update(REGION, "e", world.spec(world.model()), {})
    world.endpoints.delete(REGION, "e")
    assert world.gone()
    assert list((world.home / "models").iterdir()) == []


def test_data_that_is_missing_or_no_archive_fails_the_endpoint_by_name(world):
    missing = ModelSpec(name="m", image=IMAGE, uri="s3://box/none/model.tar.gz")
    assert "s3://box/none/model.tar.gz" in world.create(world.spec(missing), "a").state["FailureReason"]
    world.objects.put("box", "bad/model.tar.gz", b"no archive")
    bad = ModelSpec(name="m", image=IMAGE, uri="s3://box/bad/model.tar.gz")
    reason = world.create(world.spec(bad), "b").state["FailureReason"]
    assert 'Failed to extract model data archive from URL "s3://box/bad/model.tar.gz"' in reason
    unknown = ModelSpec(name="m", image="unknown:1")
    assert "unknown:1" in world.create(world.spec(unknown), "c").state["FailureReason"]


def test_an_update_under_64_clients_fails_no_request(world):
    world.create(world.spec(world.model("old")))
    over = threading.Event()
    served, problems = [], []

    def client():
        while not over.is_set():
            try:
                served.append(world.name_served())
            except Exception as error:  # noqa: BLE001 - any failure at all is what the test looks for
                problems.append(error)

    with ThreadPoolExecutor(64) as clients:
        try:
            for _ in range(64):
                clients.submit(client)
            for name in ("new", "newer"):
                world.endpoints.update(REGION, "e", world.spec(world.model(name)), {})
                row = world.settled()
                assert (row.status, row.state.get("FailureReason")) == ("InService", None)
                mark = len(served)
                while len(served) < mark + 128 and not problems:
                    time.sleep(0.005)
        finally:
            over.set()
    assert problems == []
    assert served[0] == "old"
    assert {"old", "new"} < set(served)
    assert world.name_served() == "newer"


def test_a_server_that_stops_while_old_workers_finish_ends_them(world):
    """The loop is closed after it: what is still open there would keep that from ending."""
    world.create(world.spec(world.model("old")))
    asking = threading.Thread(target=lambda: world.problem_of(b"sleep"))
    asking.start()
    while not world.outstanding():
        time.sleep(0.005)
    world.endpoints.update(REGION, "e", world.spec(world.model("new")), {})
    assert world.settled().status == "InService"
    pids = [int(note.read_text().split()[0]) for note in (world.home / "endpoints" / "runs").glob("*/*/pid")]
    assert len(pids) == 4
    world.endpoints.close()
    assert list((world.home / "endpoints" / "runs").iterdir()) == []
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    asking.join()
    world.endpoints = Endpoints(world.neighbours, world.loop)
    world.endpoints.start()
    assert world.settled().status == "InService"


def test_an_update_says_what_is_coming_and_ends_with_its_configuration(world):
    world.create(world.spec(world.model("old")))
    spec = world.spec(world.model("new"))
    row = world.endpoints.update(REGION, "e", spec, {"LastDeploymentConfig": {"x": 1}})
    assert row.status == "Updating"
    assert row.state["pending"]["config"] == spec.config
    assert row.document["EndpointConfigName"] != spec.config
    with pytest.raises(Conflict):
        world.endpoints.update(REGION, "e", world.spec(world.model("other")), {})
    with pytest.raises(Conflict):
        world.endpoints.delete(REGION, "e")
    row = world.settled()
    assert "pending" not in row.state
    assert row.document["EndpointConfigName"] == spec.config
    assert row.state["LastDeploymentConfig"] == {"x": 1}
    assert world.name_served() == "new"


def test_an_update_that_fails_leaves_the_old_workers_and_says_why(world):
    world.create(world.spec(world.model("good")))
    pid = json.loads(world.ask()[1].body)["pid"]
    config = world.endpoints.get(REGION, "e").document["EndpointConfigName"]
    world.endpoints.update(REGION, "e", world.spec(world.model("bad", fail="no luck")), {})
    row = world.settled()
    assert row.status == "InService"
    assert "no luck" in row.state["FailureReason"]
    assert row.document["EndpointConfigName"] == config
    pids = {json.loads(world.ask()[1].body)["pid"] for _ in range(20)}
    assert pid in pids
    world.endpoints.update(REGION, "e", world.spec(world.model("better")), {})
    assert "FailureReason" not in world.settled().state


def test_weights_and_instance_counts_change_in_place(world):
    world.create(world.spec(world.model("one"), world.model("two"), instance_type="ml.t2.medium"))
    assert {world.name_served() for _ in range(4)} == {"one", "two"}
    assert world.name_served(target="v2") == "two"
    world.endpoints.adjust(REGION, "e", {"v1": 0.0, "v2": 2.0}, {"v2": 3})
    row = world.settled()
    serving = DeploymentSpec.from_json(row.state["serving"])
    assert [(v.weight, v.instances) for v in serving.variants] == [(0.0, 1), (2.0, 3)]
    assert {world.name_served() for _ in range(10)} == {"two"}
    assert world.name_served(target="v1") == "one"
    world.restart()
    world.settled()
    assert {world.name_served() for _ in range(10)} == {"two"}


def test_endpoints_come_back_after_a_restart_with_what_they_served(world):
    model = world.model("kept")
    world.create(world.spec(model))
    bucket, key = "box", model.uri.removeprefix("s3://box/")
    world.objects.put(bucket, key, archive(**{"weights.json": json.dumps({"name": "replaced"})}))
    world.restart()
    assert world.name_served() == "kept", "a request waits for the endpoint, which serves what it had"
    assert world.settled().status == "InService"
    world.objects.delete(bucket, key)
    world.restart()
    assert world.settled().status == "InService"
    assert world.name_served() == "kept"


def test_what_was_begun_is_finished_after_a_restart(world):
    """The rows are as a server leaves them that is killed in the middle."""
    spec, now = world.spec(world.model("created")), clock.now()
    world.create(world.spec(world.model("old")), "updating")
    world.create(world.spec(world.model("gone")), "deleting")
    world.endpoints.close()
    world.components.close()
    document = {"EndpointName": "creating", "EndpointConfigName": spec.config}
    world.resources.create(
        Resource("Endpoint", REGION, "creating", "arn:c", "Creating", now, now, document, {"pending": spec.to_json()})
    )
    change = Change("Updating", {"pending": world.spec(world.model("new")).to_json()})
    world.resources.update("Endpoint", REGION, "updating", change)
    world.resources.update("Endpoint", REGION, "deleting", Change("Deleting"))
    world.objects.close()
    world.database.close()
    world.open()
    assert world.settled("creating").status == "InService"
    assert world.name_served(name="creating") == "created"
    assert world.settled("updating").status == "InService"
    assert world.name_served(name="updating") == "new"
    assert world.gone("deleting")


def test_an_endpoint_that_cannot_come_back_is_out_of_service_and_can_be_mended(world):
    world.create(world.spec(world.model("kept")))
    real = world.environments.for_image
    world.environments.for_image = lambda *_: (_ for _ in ()).throw(Conflict("no environment today"))
    world.restart()
    row = world.settled()
    assert row.status == "OutOfService"
    assert "no environment today" in row.state["FailureReason"]
    with pytest.raises(NotFound):
        world.ask()
    world.environments.for_image = real
    world.restart()
    assert world.settled().status == "InService"
    assert world.name_served() == "kept"


def test_a_defect_does_not_leave_an_endpoint_in_progress(world, caplog):
    world.environments.for_image = lambda *_: 1 / 0
    row = world.create(world.spec(world.model("m")))
    assert row.status == "Failed"
    assert "InternalServerError: division by zero" in row.state["FailureReason"]
    assert "ZeroDivisionError" in caplog.text


def test_two_endpoints_share_one_models_folder(world):
    model = world.model("shared")
    for name in ("a", "b"):
        world.create(world.spec(model), name)
    assert len(list((world.home / "models").iterdir())) == 1
    world.endpoints.delete(REGION, "a")
    assert world.gone("a")
    assert world.name_served(name="b") == "shared"
    assert len(list((world.home / "models").iterdir())) == 1


def test_the_script_may_come_from_a_source_archive_with_requirements(world):
    world.objects.put("box", "src.tar.gz", archive(**{"serve.py": SCRIPT, "requirements.txt": "x==1"}))
    world.objects.put("box", "m/weights.json", json.dumps({"name": "plain"}).encode())
    world.objects.put("box", "m/deep/other", b"")
    environment = {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://box/src.tar.gz"}
    model = ModelSpec(name="m", image=IMAGE, uri="s3://box/m/", form="prefix", environment=environment)
    assert world.create(world.spec(model)).status == "InService"
    assert world.name_served() == "plain"
    assert world.environments.requirements[-1].read_text() == "x==1"


def test_a_server_that_is_killed_leaves_no_worker_to_the_next(world):
    world.create(world.spec(world.model("m")))
    run = next((world.home / "endpoints" / "runs").glob("*/*/pid"))
    pid = int(run.read_text().split()[0])
    copy = run.read_text()
    world.close()
    run.parent.mkdir(parents=True)
    run.write_text(copy)  # as if it had been killed: the note is there, the process is not ours any more
    world.open()
    assert not run.exists()
    assert world.settled().status == "InService"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
