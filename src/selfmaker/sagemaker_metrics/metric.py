"""Metric values of trial components: put by the ten, got as series along time or along iterations."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from selfmaker import clock
from selfmaker.aws import arn
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import NotFound
from selfmaker.sagemaker import experiment_entity as entity
from selfmaker.sagemaker.experiment_config import TRAINING
from selfmaker.sagemaker.experiment_entity import COMPONENT
from selfmaker.sagemaker.trial_component_view import training_series
from selfmaker.store.jobs import JobTable
from selfmaker.store.resources import Resources
from selfmaker.store.trial_metrics import Point, TrialMetrics

OLDEST, NEWEST = 14 * 86400, 2 * 3600  # seconds before and after now within which a timestamp must be
MOST_VALUES = 10_000  # in one series of an answer
MILLISECONDS = 100_000_000_000  # a Start or End beyond this (the year 5138 in seconds) counts milliseconds

_SECONDS = {"OneMinute": 60, "FiveMinute": 300, "OneHour": 3600}


def _deviation(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Min": min,
    "Max": max,
    "Avg": lambda values: math.fsum(values) / len(values),
    "Count": lambda values: float(len(values)),
    "StdDev": _deviation,
    "Last": lambda values: values[-1],
}


@operation("sagemaker-metrics", "BatchPutMetrics")
def batch_put_metrics(call: Call, request: Request) -> Output:
    component = entity.find(call, COMPONENT, request["TrialComponentName"])
    now = clock.now()
    good, errors = [], []
    for index, item in enumerate(request["MetricData"]):
        if math.isfinite(item["Value"]) and now - OLDEST <= item["Timestamp"] <= now + NEWEST:
            good.append((item["MetricName"], Point(item["Timestamp"], item["Value"], item.get("Step"))))
        else:
            errors.append({"Code": "VALIDATION_ERROR", "MetricIndex": index})
    call.use(TrialMetrics).put(component.arn, good)
    return {"Errors": errors} if errors else {}


@operation("sagemaker-metrics", "BatchGetMetrics")
def batch_get_metrics(call: Call, request: Request) -> Output:
    return {"MetricQueryResults": [_answer(call, query) for query in request["MetricQueries"]]}


def _answer(call: Call, query: Request) -> dict[str, Any]:
    along_steps = query["XAxisType"] == "IterationNumber"
    if along_steps != (query["Period"] == "IterationNumber"):
        return _refused(f"Period {query['Period']} doesn't go with XAxisType {query['XAxisType']}.")
    try:
        points = _points(call, query["ResourceArn"], query["MetricName"])
    except NotFound:
        return _refused(f"The resource {query['ResourceArn']} does not exist.")
    unit = 1 if along_steps else _unit(query)
    found = _buckets(points, query, unit)
    places = sorted(found)[:MOST_VALUES]
    statistic = _STATISTICS[query["MetricStat"]]
    return {
        "Status": "Complete" if len(places) == len(found) else "Truncated",
        "XAxisValues": places,
        "MetricValues": [statistic(found[place]) for place in places],
    }


def _buckets(points: Sequence[Point], query: Request, unit: int) -> dict[int, list[float]]:
    """The values of each place on the x axis, in the order of time: iterations, or the beginnings of periods."""
    seconds = _SECONDS.get(query["Period"], 0)
    start, end = query.get("Start", -math.inf), query.get("End", math.inf)
    found: dict[int, list[float]] = {}
    for point in points:
        where = point.at * unit if seconds else point.step
        if where is not None and start <= where <= end:
            place = int(point.at // seconds) * seconds * unit if seconds else int(where)
            found.setdefault(place, []).append(point.value)
    return found


def _unit(query: Request) -> int:
    """How many units of the x axis make a second: AWS doesn't say whether a time is in seconds or in milliseconds, so
    answers are in the unit in which the query has its Start or End."""
    return 1000 if max(query.get("Start", 0), query.get("End", 0)) > MILLISECONDS else 1


def _points(call: Call, resource: str, name: str) -> list[Point]:
    """The values of a trial component, with those of the training job that it stands for, or of a job. Raises
    NotFound."""
    store, kind = call.use(TrialMetrics), arn.parse(resource).kind
    if kind == "training-job":
        job = call.use(JobTable).by_arn(resource)
        return store.job_points(training_series(call), job.name, name)
    row = call.use(Resources).by_arn(resource.lower())
    points = store.component_points(row.arn, name)
    source = row.state.get("Source", {})
    if source.get("SourceType") == TRAINING:
        points += store.job_points(training_series(call), arn.parse(source["SourceArn"]).name, name)
    return sorted(points, key=lambda point: point.at)


def _refused(message: str) -> dict[str, Any]:
    return {"Status": "ValidationError", "Message": message, "XAxisValues": [], "MetricValues": []}
