"""CloudWatch as boto3 sees it, which speaks CBOR to it and compresses what is big."""

import uuid
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def namespace():
    return f"boto3/{uuid.uuid4().hex}"


def minute_ago(minutes):
    moment = datetime.now(timezone.utc).replace(second=0, microsecond=0)
    return moment - timedelta(minutes=minutes)


def test_metrics_go_in_and_come_out(server, namespace):
    cloudwatch = server.client("cloudwatch")
    start = minute_ago(5)
    dimensions = [{"Name": "Host", "Value": "ä"}]
    datum = {"MetricName": "m", "Dimensions": dimensions, "Timestamp": start + timedelta(seconds=5), "Unit": "Percent"}
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{**datum, "Value": 1.5}, {**datum, "Values": [2.5, 8]}])
    found = cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName="m", Dimensions=dimensions, StartTime=start, EndTime=minute_ago(0), Period=60,
        Statistics=["Average", "SampleCount"], ExtendedStatistics=["p50"],
    )  # fmt: skip
    assert found["Datapoints"] == [
        {"Timestamp": start, "Average": 4.0, "SampleCount": 3.0, "Unit": "Percent", "ExtendedStatistics": {"p50": 2.5}}
    ]
    [metric] = cloudwatch.list_metrics(Namespace=namespace)["Metrics"]
    assert metric == {"Namespace": namespace, "MetricName": "m", "Dimensions": dimensions}
    query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[query], StartTime=start, EndTime=minute_ago(0)
    )
    [result] = [result for page in pages for result in page["MetricDataResults"]]
    assert (result["Timestamps"], result["Values"], result["StatusCode"]) == ([start], [8.0], "Complete")


def test_a_big_request_comes_compressed(server, namespace):
    data = [{"MetricName": f"metric-{number}", "Value": float(number)} for number in range(900)]
    cloudwatch = server.client("cloudwatch")
    sent = []
    cloudwatch.meta.events.register("before-send.cloudwatch.PutMetricData", lambda request, **_: sent.append(request))
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
    assert sent[0].headers["Content-Encoding"] in ("gzip", b"gzip")
    pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace=namespace)
    assert sum(len(page["Metrics"]) for page in pages) == 900


def test_errors_bear_the_codes_that_clients_know(server, namespace):
    cloudwatch = server.client("cloudwatch")
    with pytest.raises(cloudwatch.exceptions.InvalidParameterValueException) as caught:
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", "Value": 2.0**361}])
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"
    with pytest.raises(ClientError, match="StartTime must be less than"):
        cloudwatch.get_metric_statistics(
            Namespace=namespace, MetricName="m", StartTime=minute_ago(0), EndTime=minute_ago(1), Period=60,
            Statistics=["Sum"],
        )  # fmt: skip
