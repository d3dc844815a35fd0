import pytest

from selfmaker.errors import Invalid
from selfmaker.events.pattern import check, matches

EVENT = {
    "source": "aws.sagemaker",
    "n": 5,
    "none": None,
    "flag": True,
    "ip": "10.0.0.7",
    "tags": ["a", "b"],
    "empty": [],
    "detail": {"Name": "Job-1", "nested": {"x": 1}, "list": [{"k": 1}, {"k": 2}]},
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["x", "aws.sagemaker"]}, True),
        ({"source": ["aws.s3"]}, False),
        ({"missing": ["x"]}, False),
        ({"n": [5.0]}, True),
        ({"n": ["5"]}, False),
        ({"flag": [True]}, True),
        ({"flag": [1]}, False),
        ({"none": [None]}, True),
        ({"missing": [None]}, False),
        ({"tags": ["b"]}, True),
        ({"detail": {"nested": {"x": [1]}}}, True),
        ({"detail": {"list": {"k": [2]}}}, True),
        ({"detail": {"list": {"k": [3]}}}, False),
        ({"source": [{"prefix": "aws."}]}, True),
        ({"source": [{"prefix": {"equals-ignore-case": "AWS."}}]}, True),
        ({"source": [{"suffix": "maker"}]}, True),
        ({"detail": {"Name": [{"equals-ignore-case": "job-1"}]}}, True),
        ({"detail": {"Name": [{"wildcard": "J*-?"}]}}, False),
        ({"detail": {"Name": [{"wildcard": "J*1"}]}}, True),
        ({"detail": {"Name": [{"wildcard": "*ob*"}]}}, True),
        ({"detail": {"Name": [{"wildcard": "*b*o*"}]}}, False),
        ({"detail": {"Name": [{"wildcard": "Job-1*Job-1"}]}}, False),
        ({"detail": {"Name": [{"wildcard": "Job-1"}]}}, True),
        ({"detail": {"Name": [{"wildcard": "Job-1\\\\*"}]}}, False),
        ({"source": [{"anything-but": "aws.s3"}]}, True),
        ({"source": [{"anything-but": ["aws.sagemaker", "x"]}]}, False),
        ({"source": [{"anything-but": {"prefix": "aws"}}]}, False),
        ({"missing": [{"anything-but": "x"}]}, False),
        ({"n": [{"anything-but": [4, 6]}]}, True),
        ({"n": [{"numeric": [">", 0, "<=", 5]}]}, True),
        ({"n": [{"numeric": ["<", 5]}]}, False),
        ({"source": [{"numeric": ["=", 5]}]}, False),
        ({"ip": [{"cidr": "10.0.0.0/24"}]}, True),
        ({"ip": [{"cidr": "10.0.1.0/24"}]}, False),
        ({"none": [{"exists": True}]}, True),
        ({"missing": [{"exists": True}]}, False),
        ({"missing": [{"exists": False}]}, True),
        ({"detail": {"gone": {"x": [{"exists": False}]}}}, True),
        ({"empty": [{"exists": True}]}, False),
        ({"$or": [{"n": [1]}, {"source": ["aws.sagemaker"]}]}, True),
        ({"$or": [{"n": [1]}, {"source": ["x"]}]}, False),
        ({"n": [5], "$or": [{"n": [1]}, {"detail": {"Name": ["Job-1"]}}]}, True),
    ],
)
def test_patterns(pattern: dict, expected: bool) -> None:
    check(pattern)
    assert matches(pattern, EVENT) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        {}, [], "x", {"a": "b"}, {"a": []}, {"a": {}}, {"a": [["b"]]}, {"a": [{"b": 1}]}, {"a": [{}]},
        {"a": [{"prefix": 1}]}, {"a": [{"exists": "yes"}]}, {"a": [{"numeric": ["~", 1]}]},
        {"a": [{"numeric": [">", 5, "<", 1]}]}, {"a": [{"cidr": "no"}]}, {"a": [{"wildcard": "a**"}]},
        {"a": [{"anything-but": []}]}, {"$or": [{"a": ["b"]}]}, {"a": [{"prefix": "x", "suffix": "y"}]},
    ],
)  # fmt: skip
def test_what_is_no_pattern(pattern: object) -> None:
    with pytest.raises(Invalid):
        check(pattern)


def test_a_wildcard_takes_no_time_whatever_it_says() -> None:
    pattern = {"a": [{"wildcard": "*a" * 40 + "*b"}]}
    check(pattern)
    assert not matches(pattern, {"a": "a" * 100_000})
    assert matches(pattern, {"a": "a" * 100_000 + "b"})
