"""Metric alarms: kept, evaluated, switched."""

import pytest
from calls import error

from selfmaker import clock
from selfmaker.cloudwatch import alarm, metric_data

BASE = {
    "AlarmName": "high",
    "Namespace": "ns",
    "MetricName": "m",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 5.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch):
    """In the midst of a minute, so that none ends while a test looks."""
    at = clock.now() // 60 * 60 + 20
    monkeypatch.setattr(clock, "now", lambda: at)


def put(call, *points, **datum):
    """Values so many minutes ago."""
    now = clock.now() // 60 * 60 + 1
    data = [{"MetricName": "m", "Value": float(v), "Timestamp": now - 60 * ago, **datum} for ago, v in points]
    metric_data.put_metric_data(call, {"Namespace": "ns", "MetricData": data})


def make(call, **changes):
    members = {k: v for k, v in {**BASE, **changes}.items() if v is not None}
    alarm.put_metric_alarm(call, members)


def described(call, **request):
    return alarm.describe_alarms(call, request)["MetricAlarms"]


def state(call):
    return described(call)[0]["StateValue"]


def test_a_new_alarm_knows_nothing_and_echoes_its_request(call):
    make(call, AlarmDescription="d", AlarmActions=["arn:x"], Dimensions=[{"Name": "a", "Value": "b"}])
    found = described(call)[0]
    assert found["StateValue"] == "INSUFFICIENT_DATA"
    assert found["AlarmArn"] == "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:high"
    assert found["ActionsEnabled"] is True
    assert {**BASE, "AlarmDescription": "d"}.items() <= found.items()
    assert "Unchecked" in found["StateReason"]


def test_the_last_period_decides(call):
    make(call)
    put(call, (1, 4.0))
    assert state(call) == "OK"
    put(call, (0, 9.0))
    found = described(call, StateValue="ALARM")[0]
    assert "1 out of the last 1 datapoints [9] breached the threshold (5)" in found["StateReason"]
    assert described(call, StateValue="OK") == []


@pytest.mark.parametrize(
    ("treat", "expected"),
    [(None, "OK"), ("missing", "OK"), ("notBreaching", "OK"), ("breaching", "ALARM"), ("ignore", "INSUFFICIENT_DATA")],
)
def test_missing_periods(call, treat, expected):
    make(call, EvaluationPeriods=3, DatapointsToAlarm=2, TreatMissingData=treat)
    put(call, (2, 9.0))
    assert state(call) == expected


@pytest.mark.parametrize(("treat", "expected"), [("notBreaching", "OK"), ("breaching", "ALARM"), ("missing", None)])
def test_no_data_at_all(call, treat, expected):
    make(call, EvaluationPeriods=2, TreatMissingData=treat)
    assert state(call) == (expected or "INSUFFICIENT_DATA")


def test_so_many_of_so_many(call):
    make(call, EvaluationPeriods=3, DatapointsToAlarm=2)
    put(call, (3, 9.0), (2, 1.0), (1, 9.0))
    assert state(call) == "ALARM"
    put(call, (0, 1.0))
    assert state(call) == "OK"


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        ("GreaterThanOrEqualToThreshold", 5.0, "ALARM"),
        ("GreaterThanThreshold", 5.0, "OK"),
        ("LessThanThreshold", 4.9, "ALARM"),
        ("LessThanOrEqualToThreshold", 5.1, "OK"),
    ],
)
def test_comparisons(call, comparison, value, expected):
    make(call, ComparisonOperator=comparison)
    put(call, (1, value))
    assert state(call) == expected


def test_a_sum_that_still_grows_says_nothing_yet_unless_it_is_too_much(call):
    make(call, Statistic="Sum")
    put(call, (1, 1.0), (0, 2.0))
    assert "[1]" in described(call)[0]["StateReason"]
    put(call, (0, 9.0))
    assert state(call) == "ALARM"


def test_percentiles(call):
    make(call, Statistic=None, ExtendedStatistic="p90")
    put(call, *[(1, v) for v in range(10)])
    assert state(call) == "ALARM"
    make(call, Statistic=None, ExtendedStatistic="p10")
    assert state(call) == "OK"


def test_a_state_that_is_set_holds_for_a_period(call, monkeypatch):
    make(call)
    put(call, (1, 1.0), (0, 1.0))
    alarm.set_alarm_state(call, {"AlarmName": "high", "StateValue": "ALARM", "StateReason": "a test"})
    found = described(call)[0]
    assert (found["StateValue"], found["StateReason"]) == ("ALARM", "a test")
    later = clock.now() + 61
    monkeypatch.setattr(clock, "now", lambda: later)
    assert state(call) == "OK"
    missing = {"AlarmName": "none", "StateValue": "OK", "StateReason": ""}
    assert error(alarm.set_alarm_state, call, missing)[0] == "ResourceNotFound"


def test_names_prefixes_pages_and_metrics(call):
    for name in ("a1", "a2", "b1"):
        make(call, AlarmName=name)
    assert [a["AlarmName"] for a in described(call, AlarmNamePrefix="a")] == ["a1", "a2"]
    assert [a["AlarmName"] for a in described(call, AlarmNames=["b1", "zz"])] == ["b1"]
    first = alarm.describe_alarms(call, {"MaxRecords": 2})
    second = alarm.describe_alarms(call, {"MaxRecords": 2, "NextToken": first["NextToken"]})
    assert [a["AlarmName"] for a in first["MetricAlarms"] + second["MetricAlarms"]] == ["a1", "a2", "b1"]
    assert second["NextToken"] is None
    make(call, AlarmName="c1", Dimensions=[{"Name": "x", "Value": "y"}])
    of_metric = alarm.describe_alarms_for_metric(
        call, {"Namespace": "ns", "MetricName": "m", "Dimensions": [{"Name": "x", "Value": "y"}]}
    )
    assert [a["AlarmName"] for a in of_metric["MetricAlarms"]] == ["c1"]


def test_an_alarm_is_made_anew_switched_and_deleted(call):
    make(call, AlarmDescription="old")
    make(call, Threshold=9.0)
    found = described(call)[0]
    assert (found["Threshold"], "AlarmDescription" in found) == (9.0, False)
    alarm.disable_alarm_actions(call, {"AlarmNames": ["high", "none"]})
    assert described(call)[0]["ActionsEnabled"] is False
    alarm.enable_alarm_actions(call, {"AlarmNames": ["high"]})
    assert described(call)[0]["ActionsEnabled"] is True
    alarm.delete_alarms(call, {"AlarmNames": ["high", "none"]})
    assert described(call) == []
    assert error(alarm.delete_alarms, call, {"AlarmNames": ["high"]})[0] == "ResourceNotFound"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"Metrics": []}, "metric math"),
        ({"Statistic": None}, "Statistic"),
        ({"ExtendedStatistic": "p90"}, "Statistic"),
        ({"Period": 45}, "Period"),
        ({"Period": 3600, "EvaluationPeriods": 30}, "day"),
        ({"DatapointsToAlarm": 2}, "DatapointsToAlarm"),
        ({"Threshold": None}, "Threshold"),
        ({"TreatMissingData": "guess"}, "TreatMissingData"),
        ({"ComparisonOperator": "LessThanLowerThreshold"}, "anomaly"),
        ({"Statistic": None, "ExtendedStatistic": "tm99"}, "ExtendedStatistic"),
    ],
)
def test_what_is_wrong_is_said(call, changes, word):
    members = {k: v for k, v in {**BASE, **changes}.items() if v is not None}
    assert word in error(alarm.put_metric_alarm, call, members)[1]
    assert described(call) == []
