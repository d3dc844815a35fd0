"""Filter, then sort, then page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import Usual, page, page_of

ROWS = [
    {"JobName": "b-Train", "JobStatus": "Failed", "CreationTime": 10.0, "LastModifiedTime": 40.0},
    {"JobName": "a-train", "JobStatus": "Completed", "CreationTime": 20.0, "LastModifiedTime": 30.0},
    {"JobName": "c-other", "JobStatus": "Completed", "CreationTime": 20.0, "LastModifiedTime": 50.0},
]


def names(request, rows=ROWS, **options):
    output = page(rows, request, "Jobs", name="JobName", status="JobStatus", **options)
    return [row["JobName"] for row in output["Jobs"]]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, ["c-other", "a-train", "b-Train"]),
        ({"SortOrder": "Ascending"}, ["b-Train", "a-train", "c-other"]),
        ({"SortBy": "Name", "SortOrder": "Ascending"}, ["a-train", "b-Train", "c-other"]),
        ({"SortBy": "Status", "SortOrder": "Ascending"}, ["a-train", "c-other", "b-Train"]),
        ({"SortBy": "LastModifiedTime"}, ["c-other", "b-Train", "a-train"]),
        ({"NameContains": "TRAIN"}, ["a-train", "b-Train"]),
        ({"StatusEquals": "Completed"}, ["c-other", "a-train"]),
        ({"StatusEquals": "Stopped"}, []),
        ({"CreationTimeAfter": 10.0}, ["c-other", "a-train"]),
        ({"CreationTimeBefore": 20.0}, ["b-Train"]),
        ({"LastModifiedTimeAfter": 35, "LastModifiedTimeBefore": 45}, ["b-Train"]),
        ({"CreatedAfter": 15.0, "NameContains": "o"}, ["c-other"]),
        ({"MaxResults": 1, "StatusEquals": "Failed"}, ["b-Train"]),
    ],
)
def test_filters_and_orders(request_, expected):
    assert names(request_) == expected


def test_the_operations_defaults():
    assert names({}, usual=Usual(sort="Name")) == ["c-other", "b-Train", "a-train"]
    assert len(names({}, [{"JobName": str(n)} for n in range(30)])) == 10


@given(
    st.lists(st.tuples(st.text(max_size=3), st.integers(0, 3)), unique_by=lambda pair: pair[0]),
    st.integers(1, 5),
    st.sampled_from(["Ascending", "Descending"]),
    st.sampled_from(["Name", "CreationTime"]),
)
def test_pages_together_are_the_whole(pairs, size, order, by):
    rows = [{"JobName": name, "CreationTime": float(created)} for name, created in pairs]
    request = {"SortOrder": order, "SortBy": by}
    whole = page(rows, {**request, "MaxResults": 1000}, "Jobs", name="JobName")
    assert "NextToken" not in whole
    seen, token = [], {}
    while True:
        output = page(rows, {**request, "MaxResults": size, **token}, "Jobs", name="JobName")
        assert len(output["Jobs"]) <= size
        seen += output["Jobs"]
        if "NextToken" not in output:
            break
        token = {"NextToken": output["NextToken"]}
    assert seen == whole["Jobs"]


def test_rows_that_come_and_go_between_pages_move_no_other():
    rows = [{"JobName": f"j{n}", "CreationTime": float(n)} for n in range(10)]
    first = page(rows, {"MaxResults": 4}, "Jobs", name="JobName")
    later = [row for row in rows if row["JobName"] != "j6"] + [{"JobName": "new", "CreationTime": 99.0}]
    rest = page(later, {"MaxResults": 100, "NextToken": first["NextToken"]}, "Jobs", name="JobName")
    assert [row["JobName"] for row in rest["Jobs"]] == ["j5", "j4", "j3", "j2", "j1", "j0"]


def test_a_token_is_good_for_its_own_order_only():
    token = page(ROWS, {"MaxResults": 1}, "Jobs", name="JobName")["NextToken"]
    for request in ({"SortBy": "Name"}, {"SortOrder": "Ascending"}):
        with pytest.raises(AwsError) as caught:
            page(ROWS, {**request, "NextToken": token}, "Jobs", name="JobName")
        assert caught.value.code == "ValidationException" and "NextToken" in caught.value.message


@given(st.text())
def test_a_bad_token_is_the_callers_mistake(token):
    for call in (
        lambda: page(ROWS, {"NextToken": token}, "Jobs", name="JobName"),
        lambda: page_of(ROWS, {"NextToken": token}),
    ):
        with pytest.raises(AwsError) as caught:
            call()
        assert caught.value.status == 400


def test_page_of():
    first, token = page_of([1, 2, 3], {"MaxResults": 2})
    assert first == [1, 2]
    assert page_of([1, 2, 3], {"MaxResults": 2, "NextToken": token}) == ([3], None)
    assert page_of([1, 2], {"MaxResults": 2}) == ([1, 2], None)
