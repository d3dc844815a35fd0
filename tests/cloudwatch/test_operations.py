"""Metrics in and out."""

import pytest
from calls import error

from selfmaker import clock
from selfmaker.cloudwatch import alarm, metric, metric_data, metric_statistics, reading
from selfmaker.store.metrics import Metrics

NS = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def start():
    """A whole minute, not long ago."""
    return float(int(clock.now() - 600) // 60 * 60)


def put(call, **datum):
    return metric_data.put_metric_data(call, {"Namespace": "ns", "MetricData": [{"MetricName": "m", **datum}]})


def statistics(call, start, **changes):
    request = {"Namespace": "ns", "MetricName": "m", "StartTime": start + 5, "EndTime": start + 300, "Period": 60,
               "Statistics": list(reading.SIMPLE)}  # fmt: skip
    return metric_statistics.get_metric_statistics(call, {**request, **changes})["Datapoints"]


def data(call, start, *queries, **changes):
    request = {"MetricDataQueries": list(queries), "StartTime": start, "EndTime": start + 300, **changes}
    return metric_data.get_metric_data(call, request)


def query(name, stat="Average", **changes):
    which = {"Namespace": "ns", "MetricName": "m"}
    return {"Id": name, "MetricStat": {"Metric": which, "Period": 60, "Stat": stat}, **changes}


def test_what_a_job_reports_is_read_by_minutes(call, start):
    points = [(start + 1, 1.0), (start + 59, 3.0), (start + 61, 5.0)]
    call.use(Metrics).put("eu-west-1", NS, "loss", {"TrainingJobName": "j"}, points)
    dimensions = [{"Name": "TrainingJobName", "Value": "j"}]
    found = statistics(call, start, Namespace=NS, MetricName="loss", Dimensions=dimensions)
    assert found[0] == {"Timestamp": start, "Unit": "None", "SampleCount": 2, "Average": 2.0, "Sum": 4.0,
                        "Minimum": 1.0, "Maximum": 3.0}  # fmt: skip
    assert [point["Timestamp"] for point in found] == [start, start + 60]
    assert statistics(call, start, Namespace=NS, MetricName="loss") == []


def test_the_minute_that_is_going_on_is_read_whole(call, start):
    """A client's "until now" is a moment before the server has seen what it counted."""
    put(call, Value=2.0, Timestamp=start + 31)
    assert [point["Sum"] for point in statistics(call, start, EndTime=start + 30)] == [2.0]
    assert statistics(call, start, StartTime=start - 60, EndTime=start) == []


def test_all_ways_to_put(call, start):
    put(call, Value=2.0, Timestamp=start, Unit="Seconds")
    put(call, Values=[1.0, 3.0], Counts=[2.0, 1.0], Timestamp=start, Unit="Seconds")
    values = {"SampleCount": 2.0, "Sum": 20.0, "Minimum": 5.0, "Maximum": 15.0}
    put(call, StatisticValues=values, Timestamp=start + 60, Unit="Seconds")
    first, second = statistics(call, start, ExtendedStatistics=["p50"])
    assert (first["SampleCount"], first["Sum"], first["Unit"]) == (4, 7.0, "Seconds")
    assert first["ExtendedStatistics"] == {"p50": 1.5}
    assert (second["SampleCount"], second["Average"], second["Maximum"]) == (2, 10.0, 15.0)
    assert "ExtendedStatistics" not in second
    assert statistics(call, start, Unit="Bytes") == []


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({}, "MissingParameter"),
        ({"Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination"),
        ({"Value": float("nan")}, "InvalidParameterValue"),
        ({"Value": float("inf")}, "InvalidParameterValue"),
        ({"Value": 1e200}, "InvalidParameterValue"),
        ({"Values": []}, "InvalidParameterValue"),
        ({"Values": [1.0], "Counts": [1.0, 2.0]}, "InvalidParameterValue"),
        ({"Values": [1.0], "Counts": [0.0]}, "InvalidParameterValue"),
        ({"Values": [1.0], "Counts": [float("nan")]}, "InvalidParameterValue"),
        ({"Values": [1.0] * 151}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": 0.0}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": 9e9}, "InvalidParameterValue"),
        ({"Value": 1.0, "Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]},
         "InvalidParameterValue"),
        ({"StatisticValues": {"SampleCount": 0.0, "Sum": 1.0, "Minimum": 1.0, "Maximum": 1.0}},
         "InvalidParameterValue"),
        ({"StatisticValues": {"SampleCount": 1.0, "Sum": 1.0, "Minimum": 2.0, "Maximum": 1.0}},
         "InvalidParameterValue"),
    ],
)  # fmt: skip
def test_bad_data_is_refused_whole(call, datum, code):
    good = {"MetricName": "good", "Value": 1.0}
    request = {"Namespace": "ns", "MetricData": [good, {"MetricName": "m", **datum}]}
    found, message = error(metric_data.put_metric_data, call, request)
    assert (found, "MetricData.member.2" in message) == (code, True)
    assert metric.list_metrics(call, {})["Metrics"] == []


def test_namespaces_of_aws_and_empty_requests_are_refused(call):
    assert error(metric_data.put_metric_data, call, {"Namespace": "AWS/EC2", "MetricData": []})[0] == (
        "InvalidParameterValue")  # fmt: skip
    assert error(metric_data.put_metric_data, call, {"Namespace": "ns"})[0] == "MissingParameter"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Period": 7}, "InvalidParameterValue"),
        ({"EndTime": 1.0}, "InvalidParameterCombination"),
        ({"Statistics": []}, "InvalidParameterCombination"),
        ({"ExtendedStatistics": ["p101"]}, "InvalidParameterValue"),
        ({"ExtendedStatistics": ["Sum"]}, "InvalidParameterValue"),
        ({"StartTime": 0.0}, "InvalidParameterCombination"),
        ({"Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]}, "InvalidParameterValue"),
    ],
)
def test_statistics_that_make_no_sense(call, start, changes, code):
    request = {"Namespace": "ns", "MetricName": "m", "StartTime": start, "EndTime": start + 60, "Period": 60,
               "Statistics": ["Sum"], **changes}  # fmt: skip
    assert error(metric_statistics.get_metric_statistics, call, request)[0] == code


def test_start_times_are_rounded_down_by_age():
    now, day = clock.now(), 86_400
    for age, grain in ((day, 60), (20 * day, 300), (70 * day, 3600)):
        assert reading.period(now - age, now, 60).start % grain == 0
    assert reading.period(now - 100, now, 10).start % 10 == 0
    assert now - 100 - reading.period(now - 100, now, 1).start < 1


def test_data_of_several_metrics_newest_first(call, start):
    for minute in range(3):
        put(call, Value=float(minute), Timestamp=start + 60 * minute)
    queries = (query("a"), query("b", "Maximum", Label="l"), query("c", ReturnData=False), query("d", "p50"))
    found = data(call, start, *queries)
    results = {result["Id"]: result for result in found["MetricDataResults"]}
    assert results["a"] == {"Id": "a", "Label": "m", "Timestamps": [start + 120, start + 60, start],
                            "Values": [2.0, 1.0, 0.0], "StatusCode": "Complete"}  # fmt: skip
    assert (results["b"]["Label"], results["d"]["Values"]) == ("l", [2.0, 1.0, 0.0])
    assert set(results) == {"a", "b", "d"}
    assert found["NextToken"] is None
    ascending = data(call, start, query("a"), ScanBy="TimestampAscending")
    assert ascending["MetricDataResults"][0]["Values"] == [0.0, 1.0, 2.0]


def test_data_pages_hold_every_point_once(call, start):
    for minute in range(3):
        put(call, Value=float(minute), Timestamp=start + 60 * minute)
    seen, token = {"a": [], "b": []}, {}
    while True:
        page = data(call, start, query("a"), query("b"), MaxDatapoints=2, **token)
        assert sum(len(result["Values"]) for result in page["MetricDataResults"]) <= 2
        for result in page["MetricDataResults"]:
            seen[result["Id"]] += result["Values"]
        if page["NextToken"] is None:
            break
        token = {"NextToken": page["NextToken"]}
    assert seen == {"a": [2.0, 1.0, 0.0], "b": [2.0, 1.0, 0.0]}


@pytest.mark.parametrize(
    ("queries", "changes"),
    [
        ([], {}),
        ([query("A")], {}),
        ([query("a"), query("a")], {}),
        ([query("a", "Mode")], {}),
        ([query("a", ReturnData=False)], {}),
        ([{"Id": "a", "Expression": "m1 + 1"}], {}),
        ([{"Id": "a"}], {}),
        ([{"Id": "a", "MetricStat": {"Metric": {"Namespace": "ns"}, "Period": 60, "Stat": "Sum"}}], {}),
        ([query("a")], {"NextToken": "x"}),
        ([query("a")], {"MaxDatapoints": 0}),
        ([query("a")], {"EndTime": 1.0}),
    ],
)
def test_queries_that_make_no_sense(call, start, queries, changes):
    request = {"MetricDataQueries": queries, "StartTime": start, "EndTime": start + 60, **changes}
    code, _ = error(metric_data.get_metric_data, call, request)
    assert code in ("ValidationError", "InvalidNextToken", "InvalidParameterValue", "InvalidParameterCombination")


def test_percentiles_interpolate():
    values = [(float(i), 1.0) for i in range(1, 11)]
    assert reading.percentile(values, 0) == 1.0
    assert reading.percentile(values, 50) == 5.5
    assert reading.percentile(values, 100) == 10.0
    assert reading.percentile([(7.0, 5.0)], 99.9) == 7.0


def test_metrics_are_listed_by_name_and_dimension(call, monkeypatch):
    for name, dimensions in (("a", []), ("b", [{"Name": "x", "Value": "1"}]), ("b", [{"Name": "x", "Value": "2"}])):
        datum = {"MetricName": name, "Dimensions": dimensions, "Value": 1.0}
        metric_data.put_metric_data(call, {"Namespace": "ns", "MetricData": [datum]})
    names = lambda **request: [m["MetricName"] for m in metric.list_metrics(call, request)["Metrics"]]  # noqa: E731
    assert names() == ["a", "b", "b"]
    assert names(MetricName="b", Dimensions=[{"Name": "x", "Value": "2"}]) == ["b"]
    assert names(Dimensions=[{"Name": "x"}]) == ["b", "b"]
    assert names(Namespace="other") == []
    assert names(RecentlyActive="PT3H") == ["a", "b", "b"]
    monkeypatch.setattr(metric, "_PAGE", 2)
    first = metric.list_metrics(call, {})
    assert names(NextToken=first["NextToken"]) == ["b"]
    assert error(metric.list_metrics, call, {"NextToken": "x"})[0] == "InvalidParameterValue"


def test_there_are_no_alarms(call):
    assert alarm.describe_alarms(call, {})["MetricAlarms"] == []
