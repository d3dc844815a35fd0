"""Cleanup steps of SDK v3's pipelines: what jobs have left in S3 is deleted, and nothing beside it."""

import time
import uuid

import pytest
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.shapes import ProcessingOutput, ProcessingS3Output
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.cleanup_step import CleanupStep, S3CleanupSource
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.step_dependency import StepDependency, TriggerCondition
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep
from sagemaker.train.configs import OutputDataConfig

TRAIN = "open('/opt/ml/model/weights', 'w').write('w')\nopen('/opt/ml/output/data/plot', 'w').write('p')\n"
WORK = "import sys\nfor n in 'ab':\n    open(f'/opt/ml/processing/out/{n}', 'w').write(n)\nsys.exit(int(sys.argv[1]))\n"


@pytest.fixture
def place(session):
    """(name, bucket, prefix) of a pipeline and of what its jobs leave behind."""
    name = f"v3-cleanup-{uuid.uuid4().hex[:6]}"
    return name, session.default_bucket(), f"{name}/left"


@pytest.fixture
def work(place, role, image, folder):
    """``work(code)``: a processing step that leaves ``a`` and ``b``, and ends with an exit code."""
    _, bucket, prefix = place
    processor = ScriptProcessor(
        image_uri=image, command=["python3"], instance_type="ml.m5.large", instance_count=1, role=role,
        sagemaker_session=PipelineSession(),
    )  # fmt: skip
    left = ProcessingS3Output(
        s3_uri=f"s3://{bucket}/{prefix}/work", local_path="/opt/ml/processing/out", s3_upload_mode="Continuous"
    )

    def make(code):
        asked = processor.run(
            code=folder({"work.py": WORK}) + "/work.py",
            arguments=[str(code)],
            outputs=[ProcessingOutput(output_name="out", s3_output=left)],
        )
        return ProcessingStep("Work", step_args=asked)

    return make


@pytest.fixture
def execute(place, role, session):
    """``execute(steps)``: their rows, by name, once a pipeline of them has run."""
    name, _, _ = place
    pipeline = Pipeline(name, sagemaker_session=PipelineSession())

    def run(*steps):
        pipeline.steps = list(steps)
        pipeline.upsert(role_arn=role)
        execution = pipeline.start()
        deadline = time.monotonic() + 180
        while execution.describe()["PipelineExecutionStatus"] == "Executing":
            assert time.monotonic() < deadline, execution.list_steps()
            time.sleep(0.2)
        return {step["StepName"]: step for step in execution.list_steps()}

    yield run
    pipeline.delete()


@pytest.fixture
def keys(place, s3):
    """The names of what is left, below the pipeline's place."""
    _, bucket, prefix = place

    def read():
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
        return sorted(item["Key"].removeprefix(f"{prefix}/").rpartition("/")[2] for item in listed)

    return read


def test_outputs_are_deleted_and_others_stay(place, trainer, work, execute, keys, s3):
    _, bucket, prefix = place
    s3.put_object(Bucket=bucket, Key=f"{prefix}/train/other", Body=b"not the step's")
    training = trainer(
        {"train.py": TRAIN},
        sagemaker_session=PipelineSession(),
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/{prefix}/train"),
    )
    train, first = TrainingStep("Train", step_args=training.train()), work(0)
    uri = Join(on="/", values=[first.properties.ProcessingOutputConfig.Outputs["out"].S3Output.S3Uri, "a"])
    clean = CleanupStep("Clean", s3_sources=[S3CleanupSource(train), S3CleanupSource(first, s3_uris=[uri])])
    keeping = execute(train, first)
    assert {row["StepStatus"] for row in keeping.values()} == {"Succeeded"}, keeping
    assert keys() == ["a", "b", "model.tar.gz", "other", "output.tar.gz"]
    found = execute(train, first, clean)
    assert found["Clean"]["Metadata"]["Cleanup"] == {"CleanedSteps": ["Train", "Work"]}, found["Clean"]
    assert keys() == ["b", "model.tar.gz", "other", "output.tar.gz"]  # those of the first execution


def test_what_a_cache_has_lent_stays(work, execute, keys, place):
    _, bucket, prefix = place
    first = work(0)
    first.cache_config = CacheConfig(enable_caching=True, expire_after="PT1H")
    assert execute(first)["Work"]["StepStatus"] == "Succeeded"
    source = S3CleanupSource(first, s3_uris=[f"s3://{bucket}/{prefix}/work/a"])
    found = execute(first, CleanupStep("Clean", s3_sources=[source]))
    assert found["Work"]["CacheHitResult"]["SourcePipelineExecutionArn"]
    assert found["Clean"]["Metadata"]["Cleanup"] == {"SkippedSteps": ["Work"]}
    assert keys() == ["a", "b"]


def test_what_is_not_the_steps_is_refused(place, work, execute, keys, s3):
    _, bucket, prefix = place
    s3.put_object(Bucket=bucket, Key=f"{prefix}/else", Body=b"else")
    first = work(0)
    source = S3CleanupSource(first, s3_uris=[f"s3://{bucket}/{prefix}/else"])
    found = execute(first, CleanupStep("Clean", s3_sources=[source]))["Clean"]
    assert found["StepStatus"] == "Failed"
    (failed,) = found["Metadata"]["Cleanup"]["FailedSteps"]
    assert (failed["StepName"], failed["ErrorCode"]) == ("Work", "ClientError")
    assert f"{prefix}/else is not below an output of the step" in failed["ErrorMessage"]
    assert keys() == ["a", "b", "else"]


def test_what_a_failed_step_has_left_is_deleted(place, work, execute, keys):
    _, bucket, prefix = place
    first = work(3)
    clean = CleanupStep(
        "Clean",
        s3_sources=[S3CleanupSource(first, s3_uris=[f"s3://{bucket}/{prefix}/work/{name}" for name in "ab"])],
        depends_on=[StepDependency(first, TriggerCondition.ANY)],
    )
    found = execute(first, clean)
    assert (found["Work"]["StepStatus"], found["Clean"]["StepStatus"]) == ("Failed", "Succeeded"), found
    assert keys() == []
