"""Each rule names the step and the path of what breaks it."""

import copy
import json
from typing import Any

import pytest

from selfmaker.errors import Invalid
from selfmaker.sagemaker.pipeline_shapes import ModelShapes
from selfmaker.workflow.definition import parse
from selfmaker.workflow.lint import check
from selfmaker.workflow.paths import parse as parse_path
from selfmaker.workflow.steps.catalog import TYPES

JOB: dict[str, Any] = {
    "AppSpecification": {"ImageUri": "i", "ContainerEntrypoint": ["x"]},
    "ProcessingResources": {
        "ClusterConfig": {
            "InstanceCount": {"Get": "Parameters.count"},
            "InstanceType": "ml.m5.large",
            "VolumeSizeInGB": 1,
        }
    },
    "ProcessingOutputConfig": {
        "Outputs": [
            {"OutputName": "o", "S3Output": {"S3Uri": "s3://b/o", "LocalPath": "/x", "S3UploadMode": "EndOfJob"}}
        ]
    },
}
GOOD: dict[str, Any] = {
    "Version": "2020-12-01",
    "Metadata": {},
    "Parameters": [
        {"Name": "count", "Type": "Integer", "DefaultValue": 1},
        {"Name": "colour", "Type": "String", "DefaultValue": "red", "EnumValues": ["red", "blue"]},
    ],
    "PipelineExperimentConfig": {"ExperimentName": {"Get": "Execution.PipelineName"}},
    "Steps": [
        {
            "Name": "one",
            "Type": "Processing",
            "Arguments": JOB,
            "CacheConfig": {"Enabled": True, "ExpireAfter": "30d"},
            "RetryPolicies": [{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 3, "BackoffRate": 2.0}],
            "PropertyFiles": [{"PropertyFileName": "pf", "OutputName": "o", "FilePath": "a.json"}],
        },
        {
            "Name": "gate",
            "Type": "Condition",
            "Arguments": {
                "Conditions": [
                    {
                        "Type": "Not",
                        "Condition": {
                            "Type": "In",
                            "QueryValue": {
                                "Std:JsonGet": {"PropertyFile": {"Get": "Steps.one.PropertyFiles.pf"}, "Path": "a[0].b"}
                            },
                            "Values": [1, {"Get": "Parameters.colour"}],
                        },
                    }
                ],
                "IfSteps": [
                    {
                        "Name": "two",
                        "Type": "Lambda",
                        "FunctionArn": "arn",
                        "Arguments": {"u": {"Get": "Steps.one.ProcessingOutputConfig.Outputs['o'].S3Output.S3Uri"}},
                        "OutputParameters": [{"OutputName": "x", "OutputType": "Float"}],
                    }
                ],
                "ElseSteps": [
                    {
                        "Name": "three",
                        "Type": "Fail",
                        "DependsOn": ["one"],
                        "Arguments": {"ErrorMessage": {"Std:Join": {"On": "", "Values": ["a"]}}},
                    }
                ],
            },
        },
        {"Name": "four", "Type": "Callback", "Arguments": {"v": {"Get": "Steps.two.OutputParameters['x']"}},
         "SqsQueueUrl": {"Get": "Parameters.colour"}, "OutputParameters": []},
    ],
}  # fmt: skip
BRANCH = ["Steps", 1, "Arguments", "IfSteps", 0]


def problem(definition: Any) -> str:
    with pytest.raises(Invalid) as caught:
        check(parse(json.dumps(definition)), ModelShapes())
    return caught.value.message


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    definition = copy.deepcopy(GOOD)
    place: Any = definition
    for part in path[:-1]:
        place = place[part]
    if value is KeyError:
        del place[path[-1]]
    elif isinstance(place, list) and path[-1] == len(place):
        place.append(value)
    else:
        place[path[-1]] = value
    return definition


def test_a_good_definition_passes() -> None:
    check(parse(json.dumps(GOOD)), ModelShapes())


@pytest.mark.parametrize("path", ["TrainingJobSummaries[0].TrainingJobName", "BestTrainingJob.TrainingJobName"])
def test_a_tuning_step_has_the_properties_of_two_answers(path: str) -> None:
    assert ModelShapes().property_problem("Tuning", parse_path(path)) is None
    assert ModelShapes().property_problem("Tuning", parse_path(f"{path}.More")) is not None


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (["Version"], "2019-01-01", "Version: must be '2020-12-01'"),
        (["Steps"], [], "Steps: a pipeline needs at least one step"),
        (["Steps", 0, "Name"], "a b", "step a b: Steps[0].Name: must be 1 to 64 letters"),
        ([*BRANCH, "Name"], "one", "step one: Steps[0], Steps[1].Arguments.IfSteps[0]: names of steps must be unique"),
        (["Steps", 0, "Type"], "EMR", "step one: Steps[0].Type: EMR is not supported: there are no EMR clusters"),
        (["Steps", 0, "Type"], "AutoML", "step one: Steps[0].Type: AutoML is not supported"),
        (["Steps", 0, "Type"], "Cooking", "step one: Steps[0].Type: 'Cooking' is not one of"),
        ([*BRANCH, "Arguments", "u"], {"Get": "Nowhere.x"}, "step two: Steps[1].Arguments.IfSteps[0].Arguments.u: Get"),
        ([*BRANCH, "Arguments", "u"], {"Get": 3}, "step two: Steps[1].Arguments.IfSteps[0].Arguments.u: Get 3"),
        ([*BRANCH, "Arguments", "u"], {"Std:Join": {"Values": 1}}, "Std:Join needs Values, a list"),
        ([*BRANCH, "Arguments", "u"], {"Std:JsonGet": {"Path": "a"}}, "Std:JsonGet needs either PropertyFile or S3Uri"),
        ([*BRANCH, "Arguments", "u"], {"Get": "Parameters.nope"}, "Parameters.nope: there is no parameter 'nope'"),
        ([*BRANCH, "Arguments", "u"], {"Get": "Execution.Nope"}, "Execution.Nope: there is no such variable"),
        ([*BRANCH, "Arguments", "u"], {"Get": "Steps.nope.A"}, "Steps.nope.A: there is no step 'nope'"),
        ([*BRANCH, "Arguments", "u"], {"Get": "Steps.three.A"}, "Steps.three.A: a Fail step has no properties"),
        (
            [*BRANCH, "Arguments", "u"],
            {"Get": "Steps.one.ProcessingOutputConfig.Outputz"},
            "step two: Steps[1].Arguments.IfSteps[0].Arguments.u: Steps.one.ProcessingOutputConfig.Outputz: a "
            "Processing step has no property ProcessingOutputConfig.Outputz",
        ),
        ([*BRANCH, "Arguments", "u"], {"Get": "Steps.gate.Result"}, "a Condition step has only Outcome"),
        (
            ["Steps", 2, "Arguments", "v"],
            {"Get": "Steps.two.OutputParameters['y']"},
            "the outputs of the step are ['x']",
        ),
        (["Steps", 2, "SqsQueueUrl"], KeyError, "step four: Steps[2].SqsQueueUrl: is required"),
        ([*BRANCH, "FunctionArn"], KeyError, "step two: Steps[1].Arguments.IfSteps[0].FunctionArn: is required"),
        (
            [*BRANCH, "OutputParameters", 0, "OutputType"],
            "Blob",
            "OutputParameters[0].OutputType: 'Blob' is not",
        ),
        (["Parameters", 0, "Type"], "Number", "Parameters[0].Type: 'Number' of parameter count"),
        (
            ["Parameters", 0, "DefaultValue"],
            "one",
            "Parameters[0].DefaultValue: 'one' of parameter count is not of type",
        ),
        (["Parameters", 0, "DefaultValue"], True, "Parameters[0].DefaultValue: True of parameter count"),
        (["Parameters", 1, "DefaultValue"], "green", "'green' of parameter colour is not one of ['red', 'blue']"),
        (["Parameters", 1, "Name"], "count", "Parameters: the name 'count' is there 2 times"),
        (["Steps", 0, "DependsOn"], ["nope"], "step one: Steps[0].DependsOn[0]: there is no step 'nope'"),
        (["Steps", 0, "DependsOn"], ["three"], "can not depends on three, a Fail step"),
        (["Steps", 0, "DependsOn"], ["four"], "the steps depend on each other in a cycle: "),
        (
            ["Steps", 0, "DependsOn"],
            ["one"],
            "step one: Steps[0]: the steps depend on each other in a cycle: one -> one",
        ),
        (["Steps", 0, "CacheConfig", "ExpireAfter"], "soon", "Steps[0].CacheConfig.ExpireAfter: 'soon' is not"),
        (
            ["Steps", 0, "RetryPolicies", 0, "ExceptionType"],
            ["Oops"],
            "Steps[0].RetryPolicies[0].ExceptionType: must be",
        ),
        (["Steps", 0, "RetryPolicies", 0, "MaxAttempts"], 21, "MaxAttempts: 21 must be a number from 1 to 20"),
        (["Steps", 0, "RetryPolicies", 0, "ExpireAfterMin"], 5, "needs either MaxAttempts or ExpireAfterMin"),
        (["Steps", 0, "PropertyFiles", 0, "OutputName"], "p", "the step has no output 'p'; it has ['o']"),
        (
            ["Steps", 1, "Arguments", "Conditions", 0, "Condition", "QueryValue", "Std:JsonGet", "PropertyFile", "Get"],
            "Steps.one.PropertyFiles.other",
            "the step has no property file 'other'; it has ['pf']",
        ),
        (["Steps", 1, "Arguments", "Conditions", 0, "Type"], "Like", "Steps[1].Arguments.Conditions[0].Type: 'Like'"),
        (["Steps", 1, "Arguments", "Conditions", 0, "Condition", "Values"], KeyError, "Condition.Values: is required"),
        (["Steps", 1, "Arguments", "Conditions"], [], "Steps[1].Arguments.Conditions: must be a list of at least one"),
        (["Steps", 0, "Arguments", "AppSpecification"], KeyError, "Steps[0].Arguments.AppSpecification: is required"),
        (
            ["Steps", 0, "Arguments", "appSpecification"],
            {},
            ".appSpecification: Unknown Argument member 'appSpecification'",
        ),
        (
            ["Steps", 0, "Arguments", "AppSpecification", "Image"],
            "i",
            "AppSpecification.Image: Unknown Argument member",
        ),
        (["Steps", 0, "Arguments", "Environment"], ["a"], "Steps[0].Arguments.Environment: ['a'] is not an object"),
        (
            ["Steps", 0, "Arguments", "ProcessingResources", "ClusterConfig", "VolumeSizeInGB"],
            "much",
            "Arguments.ProcessingResources.ClusterConfig.VolumeSizeInGB: 'much' is not an integer",
        ),
        (
            ["Steps", 0, "Arguments", "ProcessingResources", "ClusterConfig", "InstanceType"],
            "ml.huge",
            "Arguments.ProcessingResources.ClusterConfig.InstanceType: 'ml.huge' is not one of",
        ),
        (
            ["PipelineExperimentConfig", "TrialName"],
            {"Get": "Steps.one.X"},
            "experiments are made before the first step",
        ),
        (["MlflowConfig"], {"a": 1}, "MlflowConfig: there is no MLflow here"),
    ],
)
def test_what_is_wrong_is_named_with_step_and_path(path: list[Any], value: Any, told: str) -> None:
    assert told in problem(changed(path, value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"Steps": {}}',
        '{"Steps": [1]}',
        '{"Steps": [{"Type": "Fail"}]}',
        '{"Steps": [{"Name": "a", "Type": "Fail", "Arguments": []}]}',
        '{"Steps": [{"Name": "a", "Type": "Fail", "DependsOn": [1]}]}',
        '{"Steps": [{"Name": "a", "Type": "Condition", "Arguments": {"IfSteps": 1}}]}',
        '{"Parameters": {}}',
        "[" * 3000 + "]" * 3000,
        '{"a": NaN}',
    ],
)
def test_what_is_no_definition_at_all(text: str) -> None:
    with pytest.raises(Invalid, match="Unable to parse pipeline definition"):
        parse(text)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


@pytest.mark.parametrize("value", [None, 0, -1.5, True, "", "x", [], [[]], ["x"], {}, {"a": 1}, {"Get": "Steps.one"}])
def test_whatever_stands_anywhere_is_refused_or_taken(value: Any) -> None:
    for place in places(GOOD)[1:]:
        try:
            check(parse(json.dumps(changed(list(place), value))), ModelShapes())
        except Invalid as error:
            assert error.message.startswith("Unable to parse pipeline definition")


@pytest.mark.parametrize("step_type", [kind for kind in TYPES if TYPES[kind].name_member or kind == "RegisterModel"])
def test_what_the_walk_fills_in_is_not_asked_for_and_not_unknown(step_type: str) -> None:
    """A role, a name: AWS's model requires some of them, and does not know others."""
    problems = dict(ModelShapes().argument_problems(step_type, {}))
    assert set(problems.values()) <= {"is required"}
    assert not {name for name in problems if name.endswith(("JobName", "RoleArn", "ModelName"))} - {"ModelName"}
