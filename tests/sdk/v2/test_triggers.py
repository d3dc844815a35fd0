"""Pipelines' triggers through SDK v2: schedules of EventBridge."""

import datetime
import time
import uuid

import pytest
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.triggers import PipelineSchedule


@pytest.fixture
def pipeline(session, role):
    name = f"triggered-{uuid.uuid4().hex[:8]}"
    made = Pipeline(name=name, steps=[FailStep(name="End", error_message="over")], sagemaker_session=session)
    made.create(role_arn=role)
    yield made
    made.delete()


def test_a_schedule_starts_the_pipeline(pipeline, session, role):
    pipeline.put_triggers([PipelineSchedule(name=pipeline.name, rate=(1, "hour"))], role_arn=role)
    described = pipeline.describe_trigger(trigger_name=pipeline.name)
    assert described["Schedule_Expression"] == "rate(1 hour)" and described["Schedule_State"] == "ENABLED"
    deadline = time.monotonic() + 30
    while not (found := pipeline.list_executions()["PipelineExecutionSummaries"]):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert len(found) == 1
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    schedule = PipelineSchedule(name=pipeline.name, cron="0 9 * * ? *", start_date=later, enabled=False)
    pipeline.put_triggers([schedule], role_arn=role)
    assert pipeline.describe_trigger(trigger_name=pipeline.name)["Schedule_State"] == "DISABLED"
    pipeline.delete_triggers([pipeline.name])
