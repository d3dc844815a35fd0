from dataclasses import replace
from pathlib import Path

import pytest

from selfmaker.store import outbox
from selfmaker.store.database import Database
from selfmaker.store.jobs import Job, JobTable
from selfmaker.store.migrate import bring_up_to_date
from selfmaker.store.resources import Change, Resource, Resources


@pytest.fixture
def database(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    bring_up_to_date(database)
    yield database
    database.close()


def resource(kind: str, name: str, status: str, **document: object) -> Resource:
    return Resource(kind, "eu-west-1", name, f"arn:{kind}/{name}", status, 1.0, 1.0, document, {})


def listen(database: Database, status: str = outbox.ENABLED) -> None:
    Resources(database).create(resource(outbox.RULE, "r", status))


def waiting(database: Database) -> list[tuple[str, str | None, str]]:
    return [
        (w.change.kind, w.change.previous, w.change.status) for w in database.read(lambda c: outbox.waiting(c, 100))
    ]


def test_nothing_is_kept_while_nobody_listens(database: Database) -> None:
    listen(database, "DISABLED")
    Resources(database).create(resource("Endpoint", "e", "Creating"))
    assert waiting(database) == []


def test_an_endpoint_reports_each_new_status_until_it_is_gone(database: Database) -> None:
    listen(database)
    resources = Resources(database)
    resources.create(resource("Endpoint", "e", "Creating"))
    resources.update("Endpoint", "eu-west-1", "e", Change(state={"x": 1}))
    resources.update("Endpoint", "eu-west-1", "e", Change(status="InService"))
    resources.delete("Endpoint", "eu-west-1", "e")
    resources.create(resource("FeatureStore", "c", "InService"))
    assert waiting(database) == [
        ("Endpoint", None, "Creating"),
        ("Endpoint", "Creating", "InService"),
        ("Endpoint", "InService", "Deleted"),
    ]


def test_an_approval_is_reported_though_the_status_stays(database: Database) -> None:
    listen(database)
    resources = Resources(database)
    resources.create(resource("ModelPackage", "g/1", "Completed", ModelApprovalStatus="PendingManualApproval"))
    resources.update("ModelPackage", "eu-west-1", "g/1", Change(document={"ModelApprovalStatus": "Approved"}))
    last = database.read(lambda c: outbox.waiting(c, 100))[-1]
    assert last.change.document["document"] == {"ModelApprovalStatus": "Approved"}
    assert len(waiting(database)) == 2


def test_a_job_reports_its_transitions(database: Database) -> None:
    listen(database)
    table = JobTable(database)
    progress = {"transitions": [{"status": "Preparing", "start": 1.0}]}
    table.create(Job("1", "TrainingJob", "eu-west-1", "t", "arn:t", "Queued", 1, 1.0, 1.0, {}, {}, progress))
    table.amend("1", lambda job: replace(job, state="Preparing"))
    done = {"transitions": [*progress["transitions"], {"status": "Completed", "start": 2.0}]}
    table.amend("1", lambda job: replace(job, state="Completed", progress=done))
    assert waiting(database) == [("TrainingJob", None, "Preparing"), ("TrainingJob", "Preparing", "Completed")]


def test_a_write_that_fails_reports_nothing(database: Database) -> None:
    listen(database)

    def break_off(connection: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Resources(database).create(resource("Endpoint", "e", "Creating"), also=break_off)
    assert waiting(database) == []


def test_what_was_offered_goes_and_the_rest_stays(database: Database) -> None:
    listen(database)
    for name in "abc":
        Resources(database).create(resource("Endpoint", name, "Creating"))
    first = database.read(lambda c: outbox.waiting(c, 1))[0]
    database.write(lambda c: outbox.remove_until(c, first.sequence))
    left = database.read(lambda c: outbox.waiting(c, 100))
    assert [w.change.arn for w in left] == ["arn:Endpoint/b", "arn:Endpoint/c"]
