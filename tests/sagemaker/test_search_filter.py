import pytest

from selfmaker.errors import Invalid
from selfmaker.sagemaker.search_filter import admits

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


def test_a_missing_value_is_told() -> None:
    with pytest.raises(Invalid, match="TrainingJobName"):
        one("TrainingJobName", "Equals")
