"""Run conditions of SDK v3's pipelines: what is to happen when a step fails."""

import json
import time
import uuid

import pytest
from sagemaker.core.lambda_helper import Lambda
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.step_dependency import StepDependency, TriggerCondition
from sagemaker.mlops.workflow.steps import ProcessingStep

HANDLER = "def handler(event, context):\n    return {'message': event['job'] + ' -> ' + event['reason']}\n"
SCRIPT = "import sys\nif sys.argv[1] == 'bad':\n    sys.exit('no rows in the data')\n"


@pytest.fixture
def name():
    return f"v3-conditions-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def notify(name, session, role, folder):
    """``notify(step, trigger)``: a step that tells of another that ended so."""
    function = Lambda(
        function_name=name, execution_role_arn=role, handler="code.handler", runtime="python3.11",
        session=session, script=folder({"code.py": HANDLER}) + "/code.py",
    )  # fmt: skip

    def make(step, trigger):
        return LambdaStep(
            name=f"On{trigger.value}",
            lambda_func=function,
            inputs={"job": step.properties.ProcessingJobName, "reason": step.properties.FailureReason},
            outputs=[LambdaOutput("message", LambdaOutputTypeEnum.String)],
            depends_on=[StepDependency(step, trigger)],
        )

    yield make
    function.delete()


@pytest.fixture
def work(role, image, folder):
    """``work(word)``: a processing step that fails for the word ``bad``."""
    processor = ScriptProcessor(
        image_uri=image, command=["python3"], instance_type="ml.m5.large", instance_count=1, role=role,
        sagemaker_session=PipelineSession(),
    )  # fmt: skip

    def make(word):
        asked = processor.run(code=folder({"work.py": SCRIPT}) + "/work.py", arguments=[word])
        return ProcessingStep("Work", step_args=asked)

    return make


@pytest.mark.parametrize(("word", "ending"), [("bad", "CompletedWithFailures"), ("good", "Succeeded")])
def test_a_step_runs_when_another_has_failed(name, notify, work, role, word, ending):
    first = work(word)
    pipeline = Pipeline(
        name, steps=[first, notify(first, TriggerCondition.FAILED)], sagemaker_session=PipelineSession()
    )
    entry = json.loads(pipeline.definition())["Steps"][1]["DependsOn"]
    assert entry == [{"Step": "Work", "Trigger": "Failed"}]
    pipeline.upsert(role_arn=role)
    execution = pipeline.start()
    status = ended(execution)
    steps = {step["StepName"]: step for step in execution.list_steps()}
    assert status == ending, steps
    if word == "bad":
        (told,) = steps["OnFailed"]["Metadata"]["Lambda"]["OutputParameters"]
        job = steps["Work"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
        assert told["Value"].startswith(f"{job} -> AlgorithmError: ")
        assert "no rows in the data" in told["Value"]
    else:
        assert set(steps) == {"Work"}
    pipeline.delete()


def ended(execution):
    """The status of an execution at its end. (The SDK's own wait knows nothing of CompletedWithFailures.)"""
    deadline = time.monotonic() + 120
    while (status := execution.describe()["PipelineExecutionStatus"]) in ("Executing", "Stopping"):
        assert time.monotonic() < deadline, execution.list_steps()
        time.sleep(0.2)
    return status
