import pytest

from selfmaker.errors import Invalid
from selfmaker.sagemaker.search_filter import admits, check

JOB = {
    "TrainingJobName": "blue-1",
    "TrainingJobStatus": "Completed",
    "CreationTime": 1_700_000_000.0,
    "EnableManagedSpotTraining": False,
    "HyperParameters": {"a.b": "3", "depth": "10"},
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/train"}}},
        {"ChannelName": "test", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/other"}}},
    ],
}


def one(name: str, operator: str, value: str | None = None) -> bool:
    condition = {"Name": name, "Operator": operator} | ({} if value is None else {"Value": value})
    return admits({"Filters": [condition]}, JOB)


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("TrainingJobStatus", "Equals", "Completed", True),
        ("TrainingJobStatus", "Equals", "Failed", False),
        ("TrainingJobStatus", "NotEquals", "Failed", True),
        ("Absent", "NotEquals", "x", True),
        ("TrainingJobName", "Contains", "BLUE", True),
        ("TrainingJobName", "In", "red-1, blue-1", True),
        ("TrainingJobName", "In", "blue", False),
        ("HyperParameters.depth", "GreaterThan", "9", True),
        ("HyperParameters.depth", "LessThan", "9", False),
        ("HyperParameters.a.b", "Equals", "3", True),
        ("CreationTime", "GreaterThanOrEqualTo", "2023-11-14T22:13:20Z", True),
        ("CreationTime", "GreaterThan", "2023-11-14T22:13:20Z", False),
        ("EnableManagedSpotTraining", "Equals", "false", True),
        ("FailureReason", "Exists", None, False),
        ("FailureReason", "NotExists", None, True),
        ("InputDataConfig.ChannelName", "Equals", "test", True),
    ],
)
def test_operators(name: str, operator: str, value: str | None, expected: bool) -> None:
    assert one(name, operator, value) is expected


def test_nested_filters_bind_to_one_element() -> None:
    def nested(channel: str, uri: str) -> dict:
        prefix = "InputDataConfig"
        filters = [
            {"Name": f"{prefix}.ChannelName", "Operator": "Equals", "Value": channel},
            {"Name": f"{prefix}.DataSource.S3DataSource.S3Uri", "Operator": "Contains", "Value": uri},
        ]
        return {"NestedFilters": [{"NestedPropertyName": prefix, "Filters": filters}]}

    assert admits(nested("train", "b/train"), JOB)
    assert not admits(nested("test", "b/train"), JOB)


def test_expressions_combine() -> None:
    yes = {"Filters": [{"Name": "TrainingJobName", "Operator": "Equals", "Value": "blue-1"}]}
    no = {"Filters": [{"Name": "TrainingJobName", "Operator": "Equals", "Value": "red"}]}
    assert admits({"SubExpressions": [yes, no], "Operator": "Or"}, JOB)
    assert not admits({"SubExpressions": [yes, no]}, JOB)
    assert admits({}, JOB)


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ({"Name": "TrainingJobName", "Operator": "Equals"}, "on TrainingJobName: operator Equals needs a Value"),
        (
            {"Name": "CreationTime", "Operator": "LessThan", "Value": "monday"},
            "on CreationTime: 'monday' is not a time",
        ),
    ],
)
def test_a_filter_that_makes_no_sense_is_told_wherever_it_stands(condition: dict, told: str) -> None:
    for expression in (
        {"Filters": [condition]},
        {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": [condition]}]},
        {"SubExpressions": [{"SubExpressions": [{"Filters": [condition]}]}]},
    ):
        with pytest.raises(Invalid, match=told):
            check(expression)


def test_times_are_dates_or_numbers() -> None:
    for value in ("2020-02-27T20:44:32Z", "2020-02-27", "1582836272", "2020-02-27 20:44:32.123456+00:00"):
        check({"Filters": [{"Name": "CreationTime", "Operator": "GreaterThan", "Value": value}]})
