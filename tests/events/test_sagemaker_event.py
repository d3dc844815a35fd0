from pathlib import Path

import pytest

from selfmaker.events.sagemaker_event import SagemakerEvents
from selfmaker.store.database import Database
from selfmaker.store.executions import ExecutionTable
from selfmaker.store.jobs import Job
from selfmaker.store.migrate import bring_up_to_date
from selfmaker.store.outbox import Change, Waiting
from selfmaker.store.resources import Resource
from selfmaker.store.tags import Tags


@pytest.fixture
def events(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    bring_up_to_date(database)
    Tags(database).add("arn:e", {"team": "x"})
    yield SagemakerEvents("123456789012", Tags(database), ExecutionTable(database))
    database.close()


def waiting(kind: str, document: object, status: str, previous: str | None = None) -> Waiting:
    return Waiting(1, "f" * 32, 1615824611.0, Change("eu-west-1", kind, "arn:e", status, previous, vars(document)))


def endpoint(status: str) -> Resource:
    serving = {"config": "c", "variants": [{"name": "v", "weight": 1.0, "instances": 2}]}
    state = {"serving": serving}
    return Resource("Endpoint", "eu-west-1", "e", "arn:e", status, 1.5, 2.0, {"EndpointName": "e"}, state)


def test_an_endpoint_is_told_in_the_guides_words(events: SagemakerEvents) -> None:
    event = events.of(waiting("Endpoint", endpoint("InService"), "InService", "Creating"))
    assert event == {
        "version": "0",
        "id": "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "detail-type": "SageMaker Endpoint State Change",
        "source": "aws.sagemaker",
        "account": "123456789012",
        "time": "2021-03-15T16:10:11Z",
        "region": "eu-west-1",
        "resources": ["arn:e"],
        "detail": {
            "EndpointName": "e",
            "EndpointArn": "arn:e",
            "EndpointConfigName": "c",
            "ProductionVariants": [{"VariantName": "v", "DesiredWeight": 1.0, "DesiredInstanceCount": 2}],
            "EndpointStatus": "IN_SERVICE",
            "CreationTime": 1500,
            "LastModifiedTime": 2000,
            "Tags": {"team": "x"},
        },
    }


def processing(state: str, stop: bool = False) -> Job:
    document = {"ProcessingJobName": "p", "ProcessingResources": {}, "AppSpecification": {"ImageUri": "i"}}
    progress = {"transitions": [{"status": state, "start": 1.0}], "started": 2.0}
    return Job("1", "ProcessingJob", "eu-west-1", "p", "arn:e", state, 1, 1.0, 3.0, {}, document, progress, stop)


def test_a_processing_job_tells_new_statuses_only(events: SagemakerEvents) -> None:
    assert events.of(waiting("ProcessingJob", processing("Running"), "Running", "Loading")) is None
    first = events.of(waiting("ProcessingJob", processing("Preparing"), "Preparing"))
    last = events.of(waiting("ProcessingJob", processing("Completed"), "Completed", "Finishing"))
    assert first is not None and first["detail"]["ProcessingJobStatus"] == "InProgress"
    assert last is not None and last["detail"]["ProcessingJobStatus"] == "Completed"
    assert last["detail"]["ProcessingStartTime"] == 2000


def test_a_step_is_told_with_its_job(events: SagemakerEvents) -> None:
    document = {
        "execution": "x", "name": "Step", "pipeline": "arn:pipeline", "status": "Failed", "started": 1615824611.0,
        "ended": 1615824612.0, "document": {"metadata": {"ProcessingJob": {"Arn": "arn:job"}}, "failure": "why"},
    }  # fmt: skip
    change = Change("eu-west-1", "PipelineExecutionStep", "arn:execution", "Failed", "Executing", document)
    event = events.of(Waiting(1, "f" * 32, 1615824612.0, change))
    assert event is not None and event["resources"] == ["arn:pipeline", "arn:execution"]
    assert event["detail"] == {
        "metadata": {"processingJob": {"arn": "arn:job"}},
        "stepStartTime": "2021-03-15T16:10:11Z",
        "stepEndTime": "2021-03-15T16:10:12Z",
        "stepName": "Step",
        "previousStepStatus": "Executing",
        "currentStepStatus": "Failed",
        "failureReason": "why",
        "pipelineArn": "arn:pipeline",
        "pipelineExecutionArn": "arn:execution",
    }


def test_what_aws_tells_nobody_of_is_no_event(events: SagemakerEvents) -> None:
    assert events.of(waiting("EventRule", endpoint("ENABLED"), "ENABLED")) is None
