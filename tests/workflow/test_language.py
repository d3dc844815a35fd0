"""Expressions, paths, conditions, parameters, durations and retry policies."""

import re
from typing import Any

import pytest

from selfmaker.errors import Invalid, NotFound
from selfmaker.workflow import conditions, durations, parameters, paths, retry
from selfmaker.workflow.definition import parse
from selfmaker.workflow.expressions import Scope, references, resolve
from selfmaker.workflow.steps.base import job_name

OUTPUT = {
    "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"},
    "Outputs": [{"OutputName": "train", "S3Output": {"S3Uri": "s3://b/t"}}, {"OutputName": "0", "S3Output": {}}],
    "Environment": {"a.b": "dotted"},
}


def read(uri: str) -> bytes:
    if uri != "s3://b/e1/r.json":
        raise NotFound(uri)
    return b'{"Result": [1, {"a": 2.5}]}'


SCOPE = Scope(
    parameters={"n": 3, "f": 0.1, "t": "x", "b": True},
    execution={"PipelineExecutionId": "e1"},
    outputs=lambda step: OUTPUT,
    property_file=lambda step, name: '{"m": {"acc": [0.5, 0.75], "with space": 1}}',
    read=read,
    experiment={"TrialName": "trial"},
)


JOINED = {"Std:Join": {"On": "/", "Values": ["s3://b", {"Get": "Execution.PipelineExecutionId"}, "r.json"]}}


def json_get(path: str) -> dict[str, Any]:
    return {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.s.PropertyFiles.pf"}, "Path": path}}


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Get": "Parameters.n"}, 3),
        ({"Get": "Execution.PipelineExecutionId"}, "e1"),
        ({"Get": "PipelineExperimentConfig.TrialName"}, "trial"),
        ({"Get": "Steps.s.ModelArtifacts.S3ModelArtifacts"}, "s3://b/m"),
        ({"Get": "Steps.s.Outputs['train'].S3Output.S3Uri"}, "s3://b/t"),
        ({"Get": 'Steps.s.Outputs["train"].S3Output.S3Uri'}, "s3://b/t"),
        ({"Get": "Steps.s.Outputs[0].S3Output.S3Uri"}, "s3://b/t"),
        ({"Get": "Steps.s.Environment['a.b']"}, "dotted"),
        ({"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Parameters.t"}, {"Get": "Parameters.n"}]}}, "s3://x/3"),
        ({"Std:Join": {"Values": [{"Get": "Parameters.b"}, {"Get": "Parameters.f"}, None]}}, "true0.1null"),
        ({"Std:Join": {"On": ",", "Values": [json_get("m.acc"), {"Std:Join": {"Values": ["a", "b"]}}]}}, "0.5,0.75,ab"),
        (json_get("m.acc[1]"), 0.75),
        (json_get("$.m.acc[-1]"), 0.75),
        (json_get("$['m']['with space']"), 1),
        (
            {
                "Std:JsonGet": {
                    "S3Uri": JOINED,
                    "Path": "Result[1]['a']",
                }
            },
            2.5,
        ),
        ({"a": [{"Get": "Parameters.n"}, {"b": None}], "Get": "kept"}, {"a": [3, {"b": None}], "Get": "kept"}),
    ],
)  # fmt: skip
def test_expressions_become_what_they_stand_for(value: Any, resolved: Any) -> None:
    assert resolve(value, SCOPE) == resolved


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"Get": "Steps.s.ModelArtifacts.Nope"}, "Unable to resolve Steps.s.ModelArtifacts.Nope: there is no ModelArt"),
        ({"Get": "Steps.s.Outputs[7]"}, "there is no Outputs"),
        (json_get("m.nope"), "Unable to resolve JsonGet 'm.nope' in property file pf of step s: there is no m.nope"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/other", "Path": "a"}}, "there is no s3://b/other"),
        ({"Get": "Execution.TrainingJobName"}, "it has no value here"),
    ],
)
def test_what_has_no_value_is_named(value: Any, told: str) -> None:
    with pytest.raises(Invalid, match=re.escape(told)):
        resolve(value, SCOPE)


def test_references_know_their_places() -> None:
    found = list(references({"a": [{"Std:Join": {"Values": [{"Get": "Steps.x-1_.A[0].B"}]}}]}, "Steps[0]"))
    assert [(r.name, r.path, r.place) for r in found] == [("x-1_", "A[0].B", "Steps[0].a[0].Std:Join.Values[0]")]


@pytest.mark.parametrize("text", ["a..b", "a[", "a[b]", "a['b]", "a]"])
def test_no_paths(text: str) -> None:
    with pytest.raises(Invalid):
        paths.parse(text)


def compare(kind: str, left: Any, right: Any) -> bool:
    return conditions.holds({"Type": kind, "LeftValue": left, "RightValue": right})


@pytest.mark.parametrize(
    ("kind", "left", "right", "holds"),
    [
        ("Equals", 1, 1.0, True),
        ("Equals", "1", 1, True),
        ("Equals", "x", 1, False),
        ("Equals", True, 1, False),
        ("Equals", True, "true", True),
        ("Equals", "a", "a", True),
        ("Equals", None, None, True),
        ("Equals", [1], [1], True),
        ("GreaterThan", 2, 1, True),
        ("GreaterThan", "0.9", 0.5, True),
        ("GreaterThanOrEqualTo", 1, 1, True),
        ("LessThan", "a", "b", True),
        ("LessThanOrEqualTo", 2, 1, False),
    ],
)
def test_comparisons(kind: str, left: Any, right: Any, holds: bool) -> None:
    assert compare(kind, left, right) is holds


def test_conditions_of_conditions() -> None:
    one = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
    no = {"Type": "Not", "Condition": one}
    assert conditions.holds({"Type": "Or", "Conditions": [no, one]})
    assert not conditions.holds({"Type": "Or", "Conditions": []})
    assert not conditions.holds({"Type": "Not", "Expression": one})
    assert conditions.holds({"Type": "In", "QueryValue": "a", "Values": ["b", "a"]})
    assert not conditions.all_hold([one, no])


def test_what_cannot_be_compared() -> None:
    with pytest.raises(Invalid, match="'x' and 1 cannot be compared"):
        compare("LessThan", "x", 1)


DECLARED = parse(
    '{"Parameters": [{"Name": "i", "Type": "Integer", "DefaultValue": 1}, {"Name": "f", "Type": "Float", '
    '"DefaultValue": 2}, {"Name": "b", "Type": "Boolean", "DefaultValue": false}, {"Name": "s", "Type": "String", '
    '"EnumValues": ["x", "y"]}]}'
)


def given(**values: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in values.items()]


def test_values_are_typed_and_defaulted() -> None:
    assert parameters.values(DECLARED, given(s="y")) == {"i": 1, "f": 2.0, "b": False, "s": "y"}
    found = parameters.values(DECLARED, given(s="x", i="7", f="1e3", b="True"))
    assert found == {"i": 7, "f": 1000.0, "b": True, "s": "x"}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, r"no value is given for \['s'\]"),
        ({"s": "z"}, "'z' of parameter s is not one of"),
        ({"s": "x", "i": "1.5"}, "'1.5' of parameter i is not of type Integer"),
        ({"s": "x", "f": "much"}, "'much' of parameter f is not of type Float"),
        ({"s": "x", "b": "maybe"}, "'maybe' of parameter b is not of type Boolean"),
        ({"s": "x", "q": "1"}, r"the pipeline has no parameters \['q'\]"),
    ],
)
def test_bad_values(values: dict[str, str], told: str) -> None:
    with pytest.raises(Invalid, match=told):
        parameters.values(DECLARED, given(**values))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("P30D", 2592000),
        ("p30d", 2592000),
        ("30d", 2592000),
        ("PT1H", 3600),
        ("T12H", 43200),
        ("T30m", 1800),
        ("P1DT12H", 129600),
        ("PT0.5S", 0.5),
        ("P1M", 2592000),
        ("P1Y", 31536000),
        ("P2W", 1209600),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "T", "soon", "1H", "P1H", "30"])
def test_no_durations(text: str) -> None:
    with pytest.raises(Invalid):
        durations.seconds(text)


def test_delays_grow_until_the_attempts_or_the_time_are_over() -> None:
    limited = [{"ExceptionType": ["Step.THROTTLING"], "IntervalSeconds": 2, "BackoffRate": 3.0, "MaxAttempts": 2}]
    assert retry.delay(limited, "Step.THROTTLING", [0], 0) == 2
    assert retry.delay(limited, "Step.THROTTLING", [0, 2], 2) == 6
    assert retry.delay(limited, "Step.THROTTLING", [0, 2, 8], 8) is None
    assert retry.delay(limited, "Step.SERVICE_FAULT", [0], 0) is None
    timed = [{"ExceptionType": ["ALL"], "IntervalSeconds": 30, "BackoffRate": 1.0, "ExpireAfterMin": 1}]
    assert retry.delay(timed, None, [0], 20) == 30
    assert retry.delay(timed, None, [0, 50], 40) is None


@pytest.mark.parametrize(
    ("step", "prefix", "start"),
    [
        ("Train", "", "pipelines-abcdefghijkl-Train-"),
        ("my_step--x", "", "pipelines-abcdefghijkl-my-step-x-"),
        ("s" * 64, "", "pipelines-abcdefghijkl-" + "s" * 29 + "-"),
        ("Train", "mine", "mine-abcdefghijkl-"),
        ("Train", "m" * 80, "m" * 39 + "-abcdefghijkl-"),
    ],
)
def test_names_of_jobs(step: str, prefix: str, start: str) -> None:
    name = job_name("abcdefghijkl", step, prefix)
    assert name.startswith(start)
    assert len(name) == len(start) + 10 <= 63
    assert len(job_name("abcdefghijkl", step, prefix, longest=32)) <= 32
