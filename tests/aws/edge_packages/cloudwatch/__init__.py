"""A service that speaks rpc-v2-cbor, json and query."""

from typing import Any

from selfmaker.aws.operation import Call, operation

SEEN: list[dict[str, Any]] = []


@operation("cloudwatch", "GetMetricStatistics")
def get_metric_statistics(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    SEEN.append(request)
    point = {"Timestamp": 1700000000.5, "Average": 0.25, "SampleCount": 3.0, "Unit": "None"}
    return {"Label": request["MetricName"], "Datapoints": [point]}
