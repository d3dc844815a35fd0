"""``sagemaker.mlops.workflow``: pipelines of SDK v3."""

import json
import uuid

import pytest
from botocore.exceptions import WaiterError
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.shapes import ProcessingOutput, ProcessingS3Output
from sagemaker.core.workflow.conditions import ConditionGreaterThan
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.function_step import step
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train.configs import Compute, InputData, SourceCode
from sagemaker.train.model_trainer import ModelTrainer

pytestmark = pytest.mark.frameworks

PREPARE = """
import json, sys
with open("/opt/ml/processing/train/data.csv", "w") as file:
    file.writelines(f"{i % 2},{i % 2},{i}\\n" for i in range(int(sys.argv[2])))
with open("/opt/ml/processing/report/report.json", "w") as file:
    json.dump({"rows": [int(sys.argv[2])]}, file)
"""
TRAIN = """
import json, os
import joblib, numpy
from sklearn.linear_model import LogisticRegression
strength = float(json.loads(os.environ["SM_HPS"])["strength"])
data = numpy.loadtxt(os.environ["SM_CHANNEL_TRAIN"] + "/data.csv", delimiter=",")
joblib.dump(LogisticRegression(C=strength).fit(data[:, 1:2], data[:, 0]), os.environ["SM_MODEL_DIR"] + "/model.joblib")
"""


@pytest.fixture(scope="module")
def pipeline_session():
    return PipelineSession()


def run(pipeline, role, **arguments):
    """Start an execution and wait for its end; returns it with its steps by name."""
    pipeline.upsert(role_arn=role)
    execution = pipeline.start(**arguments)
    try:
        execution.wait(delay=1, max_attempts=240)
    except WaiterError as error:
        assert "terminal failure state" in str(error)
    return execution, {found["StepName"]: found for found in execution.list_steps()}


def output(name, uri):
    place = ProcessingS3Output(s3_uri=uri, local_path=f"/opt/ml/processing/{name}", s3_upload_mode="EndOfJob")
    return ProcessingOutput(output_name=name, s3_output=place)


def test_from_data_to_a_registered_model(pipeline_session, role, image, folder, session):
    name, bucket = f"v3-{uuid.uuid4().hex[:6]}", pipeline_session.default_bucket()
    source = folder({"prepare.py": PREPARE, "train.py": TRAIN})
    strength = ParameterFloat("Strength", default_value=0.5)
    processor = ScriptProcessor(
        image_uri=image,
        command=["python3"],
        instance_type="ml.m5.large",
        instance_count=1,
        role=role,
        sagemaker_session=pipeline_session,
        base_job_name="prepare",
    )
    place = Join("/", ["s3:/", bucket, "v3-pipelines", ExecutionVariables.PIPELINE_EXECUTION_ID])
    report = PropertyFile("Report", output_name="report", path="report.json")
    prepare = ProcessingStep(
        "Prepare",
        step_args=processor.run(
            code=f"{source}/prepare.py",
            arguments=["--rows", "60"],
            outputs=[output("train", Join("/", [place, "train"])), output("report", Join("/", [place, "report"]))],
        ),
        property_files=[report],
        cache_config=CacheConfig(enable_caching=True, expire_after="P1D"),
    )
    trainer = ModelTrainer(
        training_image=image,
        source_code=SourceCode(source_dir=source, entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters={"strength": strength},
        sagemaker_session=pipeline_session,
        role=role,
        base_job_name="v3-pipelines",
        input_data_config=[
            InputData(
                channel_name="train",
                data_source=prepare.properties.ProcessingOutputConfig.Outputs["train"].S3Output.S3Uri,
            )
        ],
    )
    train = TrainingStep("Train", step_args=trainer.train())
    builder = ModelBuilder(
        s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
        image_uri=image,
        sagemaker_session=pipeline_session,
        role_arn=role,
    )
    register = ModelStep(
        "Register",
        step_args=builder.register(
            model_package_group_name=f"{name}-group",
            content_types=["text/csv"],
            response_types=["text/csv"],
            inference_instances=["ml.m5.large"],
            transform_instances=["ml.m5.large"],
            approval_status="Approved",
        ),
    )
    rows = JsonGet(step_name="Prepare", property_file=report, json_path="rows[0]")
    gate = ConditionStep(
        "Gate",
        conditions=[ConditionGreaterThan(left=rows, right=50)],
        if_steps=[register],
        else_steps=[FailStep("Few", error_message="too few rows")],
    )
    pipeline = Pipeline(
        name=name, parameters=[strength], steps=[prepare, train, gate], sagemaker_session=pipeline_session
    )
    execution, steps = run(pipeline, role)
    assert execution.describe()["PipelineExecutionStatus"] == "Succeeded", steps
    assert set(steps) == {"Prepare", "Train", "Gate", "Register"}
    arn = steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
    package = session.sagemaker_client.describe_model_package(ModelPackageName=arn)
    assert (package["ModelPackageGroupName"], package["ModelApprovalStatus"]) == (f"{name}-group", "Approved")
    assert json.loads(pipeline.describe()["PipelineDefinition"])["Version"] == "2020-12-01"
    again, steps = run(pipeline, role, parameters={"Strength": 2.0})
    assert again.describe()["PipelineExecutionStatus"] == "Succeeded"
    assert steps["Prepare"]["CacheHitResult"] == {"SourcePipelineExecutionArn": execution.arn}


def test_step_functions(pipeline_session, role):
    small = {"instance_type": "ml.m5.large", "role": role}

    @step(name="total", **small)
    def total(left, right):
        return left + right

    left = ParameterFloat("Left", default_value=0.5)
    added = total(left, 1)
    gate = ConditionStep(
        "Gate",
        conditions=[ConditionGreaterThan(left=added, right=1)],
        if_steps=[FailStep("Large", error_message=Join(" ", ["too", added]))],
        else_steps=[],
    )
    pipeline = Pipeline(
        f"v3-functions-{uuid.uuid4().hex[:6]}", parameters=[left], steps=[gate], sagemaker_session=pipeline_session
    )
    execution, steps = run(pipeline, role)
    assert steps["Large"]["FailureReason"] == "too 1.5"
    assert execution.result("total") == 1.5
