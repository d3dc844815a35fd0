"""Which sources a Cleanup step may name."""

import json
from typing import Any

import pytest

from selfmaker.errors import Invalid
from selfmaker.sagemaker.pipeline_shapes import ModelShapes
from selfmaker.workflow import lint
from selfmaker.workflow.definition import parse

WORK: dict[str, Any] = {
    "ProcessingResources": {
        "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    },
    "AppSpecification": {"ImageUri": "i"},
}
TRAINING: dict[str, Any] = {
    "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
}


def check(sources: Any, *, work: dict[str, Any] = WORK, needs: Any = ("work", "train")) -> None:
    steps = [
        {"Name": "work", "Type": "Processing", "Arguments": work},
        {"Name": "train", "Type": "Training", "Arguments": TRAINING},
        {"Name": "gate", "Type": "Fail", "Arguments": {"ErrorMessage": "e"}, "DependsOn": ["train"]},
        {
            "Name": "clean",
            "Type": "Cleanup",
            "Arguments": {"Resources": {"S3": sources}},
            "DependsOn": [{"Step": name, "Trigger": "Any"} for name in needs],
        },
    ]
    lint.check(parse(json.dumps({"Version": "2020-12-01", "Steps": steps})), ModelShapes())


def test_sources_of_each_kind_are_fine() -> None:
    check([{"StepName": "train"}, {"StepName": "work", "S3Uris": ["s3://b/k", {"Get": "Execution.PipelineName"}]}])


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], r"step clean: Steps\[3\].Arguments.Resources.S3: must be a list of at least one source"),
        ({"StepName": "train"}, "Resources.S3: must be a list"),
        ([{}], r"Resources.S3\[0\].StepName: there is no step None"),
        (["train"], r"Resources.S3\[0\].StepName: there is no step None"),
        ([{"StepName": ["train"]}], r"there is no step \['train'\]"),
        ([{"StepName": "other"}], "there is no step 'other'"),
        ([{"StepName": "gate"}], "gate is a Fail step; outputs of Training, Processing, Transform steps"),
        ([{"StepName": "work"}], r"S3\[0\].S3Uris: is required for a Processing step"),
        ([{"StepName": "work", "S3Uris": []}], "S3Uris: is required for a Processing step"),
        ([{"StepName": "train", "S3Uris": ["s3://b/k"]}], "S3Uris: cannot be given for a Training step"),
        ([{"StepName": "train", "Uris": []}], "Uris: Unknown Argument member 'Uris'"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(sources: Any, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        check(sources)


def test_a_source_must_have_run_before() -> None:
    with pytest.raises(Invalid, match="train must be in DependsOn"):
        check([{"StepName": "train"}], needs=["work"])


def test_a_source_in_a_network_of_its_own_is_refused() -> None:
    network = {"NetworkConfig": {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}}}
    with pytest.raises(Invalid, match="work sets a VpcConfig"):
        check([{"StepName": "work", "S3Uris": ["s3://b/k"]}], work={**WORK, **network})


def test_a_cleanup_step_has_no_properties() -> None:
    fail = {"Name": "f", "Type": "Fail", "Arguments": {"ErrorMessage": {"Get": "Steps.clean.Cleanup"}}}
    train = {"Name": "train", "Type": "Training", "Arguments": TRAINING}
    clean = {"Name": "clean", "Type": "Cleanup", "Arguments": {"Resources": {"S3": [{"StepName": "train"}]}}}
    steps = [train, {**clean, "DependsOn": ["train"]}, fail]
    with pytest.raises(Invalid, match="a Cleanup step has only none"):
        lint.check(parse(json.dumps({"Version": "2020-12-01", "Steps": steps})), ModelShapes())
