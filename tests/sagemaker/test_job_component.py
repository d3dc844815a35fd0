"""How jobs read as trial components."""

import pytest

from selfmaker.sagemaker.job_component import of_processing_job, of_training_job, parameter

TRAINING = {
    "AlgorithmSpecification": {"TrainingImage": "image:1"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 30},
    "TrainingJobStatus": "InProgress",
    "SecondaryStatus": "Training",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), ("-1.5e-3", -0.0015), (".5", 0.5), ("3.", 3), ("+2", 2)],
)
def test_numbers_are_numbers(text, value):
    assert parameter(text) == {"NumberValue": value}


@pytest.mark.parametrize("text", ["", "nan", "inf", "1_000", " 1", '"12"', "1e999", "0x10", "True"])
def test_everything_else_is_text(text):
    assert parameter(text) == {"StringValue": text}


def test_text_is_cut_to_what_a_parameter_may_have():
    assert len(parameter("x" * 9000)["StringValue"]) == 2500


def test_a_job_that_runs_has_no_end_and_no_model():
    members = of_training_job({**TRAINING, "TrainingStartTime": 5.0, "ModelArtifacts": {"S3ModelArtifacts": None}})
    assert members == {
        "Parameters": {
            "SageMaker.ImageUri": {"StringValue": "image:1"},
            "SageMaker.InstanceCount": {"NumberValue": 2},
            "SageMaker.InstanceType": {"StringValue": "ml.m5.large"},
            "SageMaker.VolumeSizeInGB": {"NumberValue": 30},
        },
        "InputArtifacts": {},
        "OutputArtifacts": {},
        "Status": {
            "PrimaryStatus": "InProgress",
            "Message": "Status: InProgress, secondary status: Training, failure reason: .",
        },
        "StartTime": 5.0,
    }


def test_a_failure_s_reason_is_in_the_status_within_its_limit():
    failed = {**TRAINING, "TrainingJobStatus": "Failed", "SecondaryStatus": "Failed", "FailureReason": "why " * 999}
    status = of_training_job(failed)["Status"]
    assert status["PrimaryStatus"] == "Failed"
    assert "failure reason: why why" in status["Message"]
    assert len(status["Message"]) == 1024


def test_instance_groups_are_counted_together():
    groups = [{"InstanceType": f"ml.{kind}.large", "InstanceCount": 2} for kind in ("c5", "m5")]
    members = of_training_job({**TRAINING, "ResourceConfig": {"InstanceGroups": groups}})["Parameters"]
    assert members["SageMaker.InstanceCount"] == {"NumberValue": 4}
    assert members["SageMaker.InstanceType"] == {"StringValue": "ml.c5.large,ml.m5.large"}


def test_a_processing_job_s_image_is_an_input():
    members = of_processing_job(
        {
            "AppSpecification": {"ImageUri": "image:2"},
            "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}},
            "ProcessingInputs": [{"InputName": "in", "S3Input": {"S3Uri": "s3://b/in"}}, {"InputName": "other"}],
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": {"S3Uri": "s3://b/out"}}]},
            "ProcessingJobStatus": "Completed",
            "ExitMessage": "bye",
        }
    )
    assert members["InputArtifacts"] == {"in": {"Value": "s3://b/in"}, "SageMaker.ImageUri": {"Value": "image:2"}}
    assert members["OutputArtifacts"] == {"out": {"Value": "s3://b/out"}}
    assert "exit message: bye" in members["Status"]["Message"]
