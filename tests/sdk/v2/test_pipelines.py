"""``sagemaker.workflow``: pipelines as notebooks and the SDK's documentation write them."""

import json
import sys
import threading
import uuid

import pytest
from botocore.exceptions import WaiterError
from sagemaker.clarify import BiasConfig, DataConfig
from sagemaker.inputs import TrainingInput
from sagemaker.lambda_helper import Lambda
from sagemaker.model_monitor import DatasetFormat
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.sklearn import SKLearn, SKLearnModel, SKLearnProcessor
from sagemaker.transformer import Transformer
from sagemaker.workflow.callback_step import CallbackOutput, CallbackOutputTypeEnum, CallbackStep
from sagemaker.workflow.check_job_config import CheckJobConfig
from sagemaker.workflow.clarify_check_step import ClarifyCheckStep, DataBiasCheckConfig
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import (
    ConditionEquals,
    ConditionGreaterThan,
    ConditionGreaterThanOrEqualTo,
    ConditionIn,
    ConditionLessThan,
    ConditionNot,
    ConditionOr,
)
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.function_step import step
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.notebook_job_step import NotebookJobStep
from sagemaker.workflow.parameters import ParameterBoolean, ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.pipeline_definition_config import PipelineDefinitionConfig
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.quality_check_step import DataQualityCheckConfig, QualityCheckStep
from sagemaker.workflow.retry import SageMakerJobExceptionTypeEnum, SageMakerJobStepRetryPolicy
from sagemaker.workflow.selective_execution_config import SelectiveExecutionConfig
from sagemaker.workflow.step_collections import RegisterModel
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep, TransformStep

pytestmark = pytest.mark.frameworks
VERSION = "1.4-2"

PREPARE = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int)
rows = parser.parse_args().rows
for name in ("train", "test"):
    with open(f"/opt/ml/processing/{name}/data.csv", "w") as file:
        file.writelines(f"{i % 2},{i % 2},{i}\\n" for i in range(rows))
"""
TRAIN = """
import argparse, os
import joblib, numpy
from sklearn.linear_model import LogisticRegression
parser = argparse.ArgumentParser()
parser.add_argument("--strength", type=float)
strength = parser.parse_args().strength
data = numpy.loadtxt(os.environ["SM_CHANNEL_TRAIN"] + "/data.csv", delimiter=",")
model = LogisticRegression(C=strength).fit(data[:, 1:2], data[:, 0])
joblib.dump(model, os.environ["SM_MODEL_DIR"] + "/model.joblib")
"""
EVALUATE = """
import json, tarfile
import joblib, numpy
tarfile.open("/opt/ml/processing/model/model.tar.gz").extractall("/tmp/model")
model = joblib.load("/tmp/model/model.joblib")
data = numpy.loadtxt("/opt/ml/processing/test/data.csv", delimiter=",")
accuracy = model.score(data[:, 1:2], data[:, 0])
with open("/opt/ml/processing/evaluation/evaluation.json", "w") as file:
    json.dump({"metrics": {"accuracy": {"value": accuracy}}}, file)
"""
SERVE = """
import joblib
def model_fn(folder):
    return joblib.load(folder + "/model.joblib")
"""


@pytest.fixture(scope="module")
def pipeline_session():
    return PipelineSession()


def unique(base):
    return f"{base}-{uuid.uuid4().hex[:6]}"


def run(pipeline, role, **arguments):
    """Start an execution and wait for its end; returns it with its steps by name."""
    pipeline.upsert(role_arn=role)
    execution = pipeline.start(**arguments)
    try:
        execution.wait(delay=1, max_attempts=240)
    except WaiterError as error:
        assert "terminal failure state" in str(error)
    return execution, {found["StepName"]: found for found in execution.list_steps()}


def statuses(steps):
    return {name: found["StepStatus"] for name, found in steps.items()}


class TestModelBuilding:
    """From data to a registered, created and used model, as in the notebooks on abalones."""

    @pytest.fixture(scope="class")
    def built(self, pipeline_session, role, tmp_path_factory):
        folder = tmp_path_factory.mktemp("code")
        for name, text in (
            ("prepare.py", PREPARE),
            ("train.py", TRAIN),
            ("evaluate.py", EVALUATE),
            ("serve.py", SERVE),
        ):
            (folder / name).write_text(text)
        session, bucket = pipeline_session, pipeline_session.default_bucket()
        rows = ParameterInteger("Rows", default_value=100)
        least = ParameterFloat("Least", default_value=0.9)
        machine = ParameterString("Machine", default_value="ml.m5.large", enum_values=["ml.m5.large", "ml.m5.xlarge"])
        approval = ParameterString("Approval", default_value="PendingManualApproval")
        cache = CacheConfig(enable_caching=True, expire_after="30d")
        common = {"role": role, "instance_type": machine, "instance_count": 1, "sagemaker_session": session}
        processor = SKLearnProcessor(framework_version=VERSION, base_job_name="prepare", **common)
        test_place = Join("/", ["s3:/", bucket, "v2-pipelines", ExecutionVariables.PIPELINE_EXECUTION_ID, "test"])
        prepare = ProcessingStep(
            "Prepare",
            step_args=processor.run(
                code=str(folder / "prepare.py"),
                arguments=["--rows", rows.to_string()],
                outputs=[
                    ProcessingOutput(output_name="train", source="/opt/ml/processing/train"),
                    ProcessingOutput(output_name="test", source="/opt/ml/processing/test", destination=test_place),
                ],
            ),
            cache_config=cache,
        )
        outputs = prepare.properties.ProcessingOutputConfig.Outputs
        estimator = SKLearn(
            entry_point="train.py",
            source_dir=str(folder),
            framework_version=VERSION,
            hyperparameters={"strength": 1.0},
            **common,
        )
        train = TrainingStep(
            "Train",
            step_args=estimator.fit({"train": TrainingInput(outputs["train"].S3Output.S3Uri, content_type="text/csv")}),
            cache_config=cache,
            retry_policies=[
                SageMakerJobStepRetryPolicy(
                    exception_types=[SageMakerJobExceptionTypeEnum.INTERNAL_ERROR], max_attempts=2
                )
            ],
        )
        artifacts = train.properties.ModelArtifacts.S3ModelArtifacts
        report = PropertyFile("Report", output_name="evaluation", path="evaluation.json")
        evaluator = ScriptProcessor(
            image_uri=processor.image_uri, command=["python3"], base_job_name="evaluate", **common
        )
        evaluate = ProcessingStep(
            "Evaluate",
            step_args=evaluator.run(
                code=str(folder / "evaluate.py"),
                inputs=[
                    ProcessingInput(source=artifacts, destination="/opt/ml/processing/model"),
                    ProcessingInput(source=outputs["test"].S3Output.S3Uri, destination="/opt/ml/processing/test"),
                ],
                outputs=[ProcessingOutput(output_name="evaluation", source="/opt/ml/processing/evaluation")],
            ),
            property_files=[report],
        )
        name = unique("v2")
        model = SKLearnModel(
            model_data=artifacts,
            role=role,
            entry_point="serve.py",
            source_dir=str(folder),
            framework_version=VERSION,
            sagemaker_session=session,
        )
        register = ModelStep(
            "Register",
            step_args=model.register(
                content_types=["text/csv"],
                response_types=["text/csv"],
                inference_instances=["ml.t2.medium"],
                transform_instances=["ml.m5.xlarge"],
                model_package_group_name=f"{name}-group",
                approval_status=approval,
            ),
        )
        create = ModelStep("Create", step_args=model.create(instance_type="ml.m5.large"))
        transformer = Transformer(
            model_name=create.properties.ModelName,
            instance_type="ml.m5.large",
            instance_count=1,
            output_path=f"s3://{bucket}/v2-pipelines-{name}",
            accept="text/csv",
            assemble_with="Line",
            sagemaker_session=session,
        )
        transform = TransformStep(
            "Transform",
            step_args=transformer.transform(
                data=Join("/", [outputs["test"].S3Output.S3Uri, "data.csv"]),
                content_type="text/csv",
                split_type="Line",
                input_filter="$[1:2]",
            ),
        )
        accuracy = JsonGet(step_name="Evaluate", property_file=report, json_path="metrics.accuracy.value")
        gate = ConditionStep(
            "Gate",
            conditions=[ConditionGreaterThanOrEqualTo(left=accuracy, right=least)],
            if_steps=[register, create, transform],
            else_steps=[FailStep("Low", error_message=Join(" ", ["accuracy", accuracy, "below", least]))],
        )
        pipeline = Pipeline(
            name=name,
            parameters=[rows, least, machine, approval],
            steps=[prepare, train, evaluate, gate],
            sagemaker_session=session,
        )
        return pipeline, run(pipeline, role)

    def test_all_the_way(self, built, session):
        pipeline, (execution, steps) = built
        assert execution.describe()["PipelineExecutionStatus"] == "Succeeded", steps
        arn = steps["Register-RegisterModel"]["Metadata"]["RegisterModel"]["Arn"]
        package = session.sagemaker_client.describe_model_package(ModelPackageName=arn)
        assert package["ModelApprovalStatus"] == "PendingManualApproval"
        assert package["ModelPackageGroupName"] == f"{pipeline.name}-group"
        assert list(reversed(steps)) == [
            "Prepare",
            "Train",
            "Evaluate",
            "Gate",
            *[name for name in reversed(steps) if name.startswith(("Register", "Create"))],
            "Transform",
        ]
        model = steps["Create-CreateModel"]["Metadata"]["Model"]["Arn"].rpartition("/")[2]
        assert session.sagemaker_client.describe_model(ModelName=model)["ModelName"] == model

    def test_the_other_branch_with_what_was_cached(self, built, role):
        pipeline, (first, _) = built
        execution, steps = run(pipeline, role, parameters={"Least": 1.5})
        assert execution.describe()["PipelineExecutionStatus"] == "Failed"
        assert steps["Low"]["FailureReason"] == "accuracy 1.0 below 1.5"
        for name in ("Prepare", "Train"):
            assert steps[name]["CacheHitResult"] == {"SourcePipelineExecutionArn": first.arn}
        assert "CacheHitResult" not in steps["Evaluate"]

    def test_only_some_steps(self, built, role):
        pipeline, (first, _) = built
        chosen = SelectiveExecutionConfig(selected_steps=["Evaluate"], source_pipeline_execution_arn=first.arn)
        execution, steps = run(pipeline, role, selective_execution_config=chosen)
        assert execution.describe()["PipelineExecutionStatus"] == "Succeeded"
        assert set(steps) == {"Prepare", "Train", "Evaluate"}
        for name in ("Prepare", "Train"):
            assert steps[name]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": first.arn}

    def test_parameters_of_an_execution(self, built):
        pipeline, (execution, _) = built
        found = pipeline.build_parameters_from_execution(execution.arn, {"Rows": 7})
        assert found == {"Rows": 7, "Least": "0.9", "Machine": "ml.m5.large", "Approval": "PendingManualApproval"}

    def test_a_value_outside_the_enum(self, built):
        with pytest.raises(Exception, match=r"'ml.huge' of parameter Machine is not one of"):
            built[0].start(parameters={"Machine": "ml.huge"})


def test_a_model_is_repacked_with_its_code(pipeline_session, role, folder, s3):
    bucket = pipeline_session.default_bucket()
    rows = "".join(f"{i % 2},{i % 2},{i}\n" for i in range(20))
    s3.put_object(Bucket=bucket, Key="v2-repack/data.csv", Body=rows)
    source = folder({"train.py": TRAIN, "serve.py": SERVE})
    estimator = SKLearn(
        entry_point="train.py",
        source_dir=source,
        framework_version=VERSION,
        instance_type="ml.m5.large",
        role=role,
        sagemaker_session=pipeline_session,
        hyperparameters={"strength": 1.0},
    )
    train = TrainingStep("Train", step_args=estimator.fit({"train": TrainingInput(f"s3://{bucket}/v2-repack/")}))
    register = RegisterModel(
        "Register",
        estimator=estimator,
        model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.t2.medium"],
        transform_instances=["ml.m5.large"],
        model_package_group_name=unique("repacked"),
        entry_point="serve.py",
        source_dir=source,
    )
    config = PipelineDefinitionConfig(use_custom_job_prefix=False)
    pipeline = Pipeline(
        unique("v2-repack"),
        steps=[train, register],
        sagemaker_session=pipeline_session,
        pipeline_definition_config=config,
    )
    execution, steps = run(pipeline, role)
    assert execution.describe()["PipelineExecutionStatus"] == "Succeeded", steps
    assert set(steps) == {"Train", "Register-RepackModel", "Register-RegisterModel"}


def test_jobs_with_a_prefix_of_the_users_own(pipeline_session, role, folder):
    source = folder({"hello.py": "print('hello')"})
    processor = SKLearnProcessor(
        framework_version=VERSION,
        role=role,
        instance_type="ml.m5.large",
        instance_count=1,
        base_job_name="my-prefix",
        sagemaker_session=pipeline_session,
    )
    hello = ProcessingStep("Hello", step_args=processor.run(code=f"{source}/hello.py"))
    pipeline = Pipeline(
        unique("v2-prefix"),
        steps=[hello],
        sagemaker_session=pipeline_session,
        pipeline_definition_config=PipelineDefinitionConfig(use_custom_job_prefix=True),
    )
    execution, steps = run(pipeline, role)
    job = steps["Hello"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    assert job.startswith(f"my-prefix-{execution.arn.rpartition('/')[2]}-")


def test_step_functions(pipeline_session, role):
    small = {"instance_type": "ml.m5.large", "role": role, "keep_alive_period_in_seconds": 0}

    @step(name="total_of", **small)
    def total(left, right):
        return {"sum": left + right, "both": [left, right]}

    @step(name="twice", **small)
    def twice(number, execution, factor=1):
        return [execution, number * 2 * factor]

    first = ParameterInteger("First", default_value=3)
    added = total(first, 4)
    doubled = twice(added["sum"], ExecutionVariables.PIPELINE_EXECUTION_ID, factor=first)
    gate = ConditionStep(
        "Gate",
        conditions=[ConditionGreaterThan(doubled[1], 20), ConditionEquals(added["both"][1], 4)],
        if_steps=[FailStep("Large", error_message=Join(" ", ["too", doubled[1]]))],
        else_steps=[],
    )
    pipeline = Pipeline(unique("v2-functions"), parameters=[first], steps=[gate], sagemaker_session=pipeline_session)
    execution, steps = run(pipeline, role)
    assert steps["Large"]["FailureReason"] == "too 42"
    assert statuses(steps) == {"total_of": "Succeeded", "twice": "Succeeded", "Gate": "Succeeded", "Large": "Failed"}
    assert execution.result("total_of") == {"sum": 7, "both": [3, 4]}
    assert execution.result("twice") == [execution.arn.rpartition("/")[2], 42]


HANDLER = "def handler(event, context):\n    return {'next': event['number'] + 1, 'who': event['who'], 'fine': True}\n"


def test_functions_queues_and_nested_conditions(pipeline_session, session, role, tmp_path):
    (tmp_path / "function.py").write_text(HANDLER)
    function = Lambda(
        function_name=unique("next"),
        execution_role_arn=role,
        script=str(tmp_path / "function.py"),
        handler="function.handler",
        session=pipeline_session,
    )
    number = ParameterInteger("Number", default_value=3)
    call = LambdaStep(
        "Call",
        lambda_func=function,
        inputs={"number": number, "who": ExecutionVariables.PIPELINE_NAME},
        outputs=[
            LambdaOutput("next", LambdaOutputTypeEnum.Integer),
            LambdaOutput("who", LambdaOutputTypeEnum.String),
            LambdaOutput("fine", LambdaOutputTypeEnum.Boolean),
        ],
    )
    queues = session.boto_session.client("sqs")
    queue = queues.create_queue(QueueName=unique("work"))["QueueUrl"]
    ask = CallbackStep(
        "Ask",
        sqs_queue_url=queue,
        inputs={"number": call.properties.Outputs["next"]},
        outputs=[CallbackOutput("answer", CallbackOutputTypeEnum.String)],
    )
    inner = ConditionStep(
        "Inner",
        conditions=[ConditionEquals(left=ask.properties.Outputs["answer"], right="good")],
        if_steps=[FailStep("Reached", error_message="as wanted")],
        else_steps=[],
    )
    following = call.properties.Outputs["next"]
    negation = ConditionNot(
        ConditionOr([ConditionEquals(call.properties.Outputs["fine"], False), ConditionLessThan(following, 1)])
    )
    outer = ConditionStep(
        "Outer",
        conditions=[ConditionIn(value=following, in_values=[4, 5]), negation],
        if_steps=[inner],
        else_steps=[],
    )

    def work():
        [message] = queues.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
        body = json.loads(message["Body"])
        assert body["arguments"] == {"number": 4}
        session.sagemaker_client.send_pipeline_execution_step_success(
            CallbackToken=body["token"], OutputParameters=[{"Name": "answer", "Value": "good"}]
        )
        queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    worker = threading.Thread(target=work)
    worker.start()
    pipeline = Pipeline(
        unique("v2-calls"), parameters=[number], steps=[call, ask, outer], sagemaker_session=pipeline_session
    )
    _, steps = run(pipeline, role)
    worker.join()
    assert steps["Reached"]["FailureReason"] == "as wanted"
    assert steps["Call"]["Metadata"]["Lambda"]["OutputParameters"] == [
        {"Name": "next", "Value": "4"},
        {"Name": "who", "Value": pipeline.name},
        {"Name": "fine", "Value": "true"},
    ]
    assert steps["Ask"]["Metadata"]["Callback"]["OutputParameters"] == [{"Name": "answer", "Value": "good"}]


def test_a_notebook(pipeline_session, role, folder, s3, archive):
    cells = [
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "who = 'nobody'"},
        {"cell_type": "code", "metadata": {}, "source": "import beside; print('hello', who, beside.NUMBER)"},
        {"cell_type": "code", "metadata": {}, "source": "open('made.txt', 'w').write(who)"},
    ]
    notebook = {
        "cells": [{**cell, "outputs": [], "execution_count": None} for cell in cells],
        "metadata": {},  # as nbformat's new_notebook() has it
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    source = folder({"hello.ipynb": json.dumps(notebook), "beside.py": "NUMBER = 3\n", "first.sh": "echo prepared\n"})
    minor = f"{sys.version_info[0]}{sys.version_info[1]}"
    image = f"236514542706.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python-{minor}:1.0"
    run_it = NotebookJobStep(
        name="Notebook",
        input_notebook=f"{source}/hello.ipynb",
        initialization_script=f"{source}/first.sh",
        additional_dependencies=[f"{source}/beside.py"],
        image_uri=image,
        kernel_name="conda_python",
        role=role,
        parameters={"who": "world"},
    )
    pipeline = Pipeline(unique("v2-notebook"), steps=[run_it], sagemaker_session=pipeline_session)
    execution, steps = run(pipeline, role)
    assert execution.describe()["PipelineExecutionStatus"] == "Succeeded", steps
    job = steps["Notebook"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    described = pipeline_session.sagemaker_client.describe_training_job(TrainingJobName=job)
    files = archive(s3, f"{described['OutputDataConfig']['S3OutputPath']}/{job}/output/output.tar.gz")
    assert files["made.txt"] == b"world"
    [name] = [name for name in files if name.endswith(".ipynb")]
    outputs = [output for cell in json.loads(files[name])["cells"] for output in cell.get("outputs", [])]
    printed = ["".join(output["text"]) for output in outputs if output["output_type"] == "stream"]
    assert printed == ["hello world 3\n"]


def rows(column):
    return "y,a,b\n" + "".join(f"{i % 2},{column(i)},{'x' if i % 3 else 'z'}\n" for i in range(300))


def test_checks_of_data(pipeline_session, role, s3):
    bucket, base = pipeline_session.default_bucket(), unique("v2-checks")
    s3.put_object(Bucket=bucket, Key=f"{base}/numbers/data.csv", Body=rows(lambda i: i % 10))
    s3.put_object(Bucket=bucket, Key=f"{base}/words/data.csv", Body=rows(lambda i: "word"))
    data = ParameterString("Data", default_value=f"s3://{bucket}/{base}/numbers/data.csv")
    first = ParameterBoolean("First", default_value=False)
    statistics = ParameterString("Statistics", default_value="")
    constraints = ParameterString("Constraints", default_value="")
    job = CheckJobConfig(role=role, instance_count=1, instance_type="ml.m5.large", sagemaker_session=pipeline_session)
    place = Join("/", [f"s3://{bucket}/{base}", ExecutionVariables.PIPELINE_EXECUTION_ID])
    quality = QualityCheckStep(
        "Quality",
        skip_check=first,
        register_new_baseline=first,
        quality_check_config=DataQualityCheckConfig(
            baseline_dataset=data,
            dataset_format=DatasetFormat.csv(header=True),
            output_s3_uri=Join("/", [place, "quality"]),
        ),
        check_job_config=job,
        supplied_baseline_statistics=statistics,
        supplied_baseline_constraints=constraints,
    )
    bias = ClarifyCheckStep(
        "Bias",
        skip_check=True,
        register_new_baseline=True,
        clarify_check_config=DataBiasCheckConfig(
            data_config=DataConfig(
                s3_data_input_path=data,
                s3_output_path=Join("/", [place, "bias"]),
                s3_analysis_config_output_path=f"s3://{bucket}/{base}/configuration",
                label="y",
                headers=["y", "a", "b"],
                dataset_type="text/csv",
            ),
            data_bias_config=BiasConfig(label_values_or_threshold=[1], facet_name="b", facet_values_or_threshold=["x"]),
        ),
        check_job_config=job,
    )
    told = FailStep("Told", error_message=bias.properties.BaselineUsedForDriftCheckConstraints, depends_on=[quality])
    pipeline = Pipeline(
        base,
        parameters=[data, first, statistics, constraints],
        steps=[quality, bias, told],
        sagemaker_session=pipeline_session,
    )
    _, steps = run(pipeline, role)
    assert "has no baseline to check against" in steps["Quality"]["FailureReason"]
    execution, steps = run(pipeline, role, parameters={"First": True})
    found = steps["Quality"]["Metadata"]["QualityCheck"]
    calculated = found["CalculatedBaselineConstraints"]
    identity = execution.arn.rpartition("/")[2]
    assert calculated == f"s3://{bucket}/{base}/{identity}/quality/constraints.json"
    assert found["BaselineUsedForDriftCheckConstraints"] == calculated
    key = calculated.removeprefix(f"s3://{bucket}/")
    features = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())["features"]
    assert [feature["name"] for feature in features] == ["y", "a", "b"]
    assert steps["Told"]["FailureReason"] == f"s3://{bucket}/{base}/{identity}/bias/analysis.json"
    baseline = {"Statistics": found["CalculatedBaselineStatistics"], "Constraints": calculated}
    _, steps = run(pipeline, role, parameters=baseline)
    assert steps["Quality"]["StepStatus"] == "Succeeded"
    words = {**baseline, "Data": f"s3://{bucket}/{base}/words/data.csv"}
    _, steps = run(pipeline, role, parameters=words)
    assert "ClientError: Quality check failed. See violation report" in steps["Quality"]["FailureReason"]
    report = steps["Quality"]["Metadata"]["QualityCheck"]["ViolationReport"]
    assert steps["Quality"]["StepStatus"] == "Failed"
    assert report in steps["Quality"]["FailureReason"]
    found = json.loads(s3.get_object(Bucket=bucket, Key=report.removeprefix(f"s3://{bucket}/"))["Body"].read())
    assert [violation["feature_name"] for violation in found["violations"]] == ["a"]
