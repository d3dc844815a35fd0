"""The churn pipeline: process, train, evaluate, and register what is good enough.

                                               .- register, pending manual approval
Process -> Train -> Evaluate -> accurate enough?
                                               .- fail, and say why
"""

import os

import boto3
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep

BASE_DIR = os.path.dirname(os.path.realpath(__file__))
IMAGE = "xgboost-daal4py"
ACCURACY = "binary_classification_metrics.accuracy.value"


def get_pipeline(
    region=None,
    role=None,
    default_bucket=None,
    pipeline_name="CustomerChurn",
    model_package_group_name="CustomerChurnPackageGroup",
    base_job_prefix="CustomerChurn",
    processing_instance_type="ml.m5.xlarge",
    training_instance_type="ml.m5.xlarge",
    use_spot_instances=True,
    max_run=3600,
    max_wait=7200,
    enable_caching=True,
):
    """The pipeline, as ``run_pipeline`` and ``get_pipeline_definition`` ask for it."""
    boto_session = boto3.Session(region_name=region)
    session = PipelineSession(boto_session=boto_session, default_bucket=default_bucket)
    role = role or sagemaker.get_execution_role(session)
    image = f"{session.account_id()}.dkr.ecr.{session.boto_region_name}.amazonaws.com/{IMAGE}:latest"
    cache = CacheConfig(enable_caching=enable_caching, expire_after="P30D")
    common = {"role": role, "sagemaker_session": session}

    parameters = {
        "count": ParameterInteger("ProcessingInstanceCount", default_value=1),
        "type": ParameterString("TrainingInstanceType", default_value=training_instance_type),
        "approval": ParameterString(
            "ModelApprovalStatus",
            default_value="PendingManualApproval",
            enum_values=["PendingManualApproval", "Approved", "Rejected"],
        ),
        "data": ParameterString(
            "InputDataUrl", default_value=f"s3://{session.default_bucket()}/{base_job_prefix}/data/RawData.csv"
        ),
        "threshold": ParameterFloat("AccuracyThreshold", default_value=0.8),
        "depth": ParameterInteger("MaxDepth", default_value=5),
    }

    process = _process(parameters, processing_instance_type, base_job_prefix, cache, common)
    estimator = Estimator(
        image_uri=image,
        instance_type=parameters["type"],
        instance_count=1,
        output_path=f"s3://{session.default_bucket()}/{base_job_prefix}/model",
        base_job_name=f"{base_job_prefix}-train",
        use_spot_instances=use_spot_instances,
        max_run=max_run,
        max_wait=max_wait if use_spot_instances else None,
        disable_profiler=True,
        metric_definitions=[{"Name": "validation:logloss", "Regex": r"validation-logloss:([0-9.]+)"}],
        **common,
    )
    estimator.set_hyperparameters(
        objective="binary:logistic",
        num_round=100,
        max_depth=parameters["depth"],
        eta=0.2,
        gamma=1,
        min_child_weight=3,
        subsample=0.8,
        verbosity=0,
        seed=0,
    )
    outputs = process.properties.ProcessingOutputConfig.Outputs
    channels = {
        name: TrainingInput(outputs[name].S3Output.S3Uri, content_type="text/csv") for name in ("train", "validation")
    }
    train = TrainingStep(name="CustomerChurnTrain", step_args=estimator.fit(channels), cache_config=cache)
    evaluate, report = _evaluate(image, train, process, processing_instance_type, base_job_prefix, cache, common)
    accuracy = JsonGet(step_name=evaluate.name, property_file=report, json_path=ACCURACY)
    fail = FailStep(
        name="CustomerChurnNotAccurate",
        error_message=Join(
            on=" ", values=["The accuracy", accuracy, "is below the threshold", parameters["threshold"]]
        ),
    )
    decide = ConditionStep(
        name="CustomerChurnAccuracyCond",
        conditions=[ConditionGreaterThanOrEqualTo(left=accuracy, right=parameters["threshold"])],
        if_steps=[_register(image, train, evaluate, model_package_group_name, parameters["approval"], common)],
        else_steps=[fail],
    )
    return Pipeline(
        name=pipeline_name,
        parameters=list(parameters.values()),
        steps=[process, train, evaluate, decide],
        sagemaker_session=session,
    )


def _process(parameters, instance_type, prefix, cache, common):
    """One-hot encoding and scaling; the fitted transformation is an output of its own."""
    processor = SKLearnProcessor(
        framework_version="1.4-2",
        instance_type=instance_type,
        instance_count=parameters["count"],
        base_job_name=f"{prefix}-preprocess",
        **common,
    )
    names = ("train", "validation", "test", "transformation")
    arguments = processor.run(
        code=os.path.join(BASE_DIR, "preprocess.py"),
        inputs=[ProcessingInput(source=parameters["data"], destination="/opt/ml/processing/raw")],
        outputs=[ProcessingOutput(output_name=name, source=f"/opt/ml/processing/{name}") for name in names],
    )
    return ProcessingStep(name="CustomerChurnProcess", step_args=arguments, cache_config=cache)


def _evaluate(image, train, process, instance_type, prefix, cache, common):
    """The step, and the property file that it writes."""
    processor = ScriptProcessor(
        image_uri=image,
        command=["python3"],
        instance_type=instance_type,
        instance_count=1,
        base_job_name=f"{prefix}-evaluate",
        **common,
    )
    test = process.properties.ProcessingOutputConfig.Outputs["test"].S3Output.S3Uri
    arguments = processor.run(
        code=os.path.join(BASE_DIR, "evaluate.py"),
        inputs=[
            ProcessingInput(train.properties.ModelArtifacts.S3ModelArtifacts, destination="/opt/ml/processing/model"),
            ProcessingInput(test, destination="/opt/ml/processing/test"),
        ],
        outputs=[ProcessingOutput(output_name="evaluation", source="/opt/ml/processing/evaluation")],
    )
    report = PropertyFile(name="EvaluationReport", output_name="evaluation", path="evaluation.json")
    step = ProcessingStep(name="CustomerChurnEval", step_args=arguments, property_files=[report], cache_config=cache)
    return step, report


def _register(image, train, evaluate, group, approval, common):
    """A version of the group, with its metrics."""
    evaluation = evaluate.properties.ProcessingOutputConfig.Outputs["evaluation"].S3Output.S3Uri
    statistics = MetricsSource(
        s3_uri=Join(on="/", values=[evaluation, "evaluation.json"]), content_type="application/json"
    )
    model = Model(image_uri=image, model_data=train.properties.ModelArtifacts.S3ModelArtifacts, **common)
    arguments = model.register(
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.t2.medium", "ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_group_name=group,
        approval_status=approval,
        model_metrics=ModelMetrics(model_statistics=statistics),
        domain="MACHINE_LEARNING",
        task="CLASSIFICATION",
    )
    return ModelStep(name="CustomerChurn", step_args=arguments)
