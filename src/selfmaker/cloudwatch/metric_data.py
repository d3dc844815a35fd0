"""Metric data: putting it, and reading that of many metrics at once."""

import math
import re
from collections.abc import Iterator
from typing import Any

from selfmaker import clock
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.cloudwatch import reading
from selfmaker.store.metrics import Metric, Metrics, Sample

_MOST_POINTS = 100_800
_MOST_QUERIES = 500
_MOST_METRICS = 1000
_MOST_VALUES = 150
_LARGEST = 2.0**360
_TWO_WEEKS, _TWO_HOURS = 14 * 86_400, 7200
_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_TOKEN = re.compile(r"[0-9]{1,12}")

Series = list[tuple[float, float]]


@operation("cloudwatch", "PutMetricData")
def put_metric_data(call: Call, request: Request) -> Output:
    namespace, now = request["Namespace"], clock.now()
    if namespace.startswith("AWS/"):
        raise reading.bad_value("The value AWS/ for parameter Namespace is invalid.")
    data = [(f"MetricData.member.{n}", datum) for n, datum in enumerate(request.get("MetricData", []), 1)]
    for m, entity in enumerate(request.get("EntityMetricData", []), 1):
        where = f"EntityMetricData.member.{m}.MetricData.member"
        data += [(f"{where}.{n}", datum) for n, datum in enumerate(entity.get("MetricData", []), 1)]
    if not data:
        raise AwsError("MissingParameter", "The parameter MetricData is required.")
    if len(data) > _MOST_METRICS:
        raise reading.bad_value(f"The collection MetricData must not have a size greater than {_MOST_METRICS}.")
    series: list[tuple[Metric, list[Sample]]] = []
    for where, datum in data:
        dimensions = reading.checked_dimensions(datum.get("Dimensions", []), f"{where}.Dimensions")
        which = reading.metric(call.region, namespace, datum["MetricName"], dimensions)
        series.append((which, list(_samples(where, datum, now))))
    call.use(Metrics).put_all(series)
    return None


def _samples(where: str, datum: dict[str, Any], now: float) -> Iterator[Sample]:
    """The samples of one MetricDatum. Raises what AWS raises."""
    at, unit = datum.get("Timestamp", now), datum.get("Unit", "None")
    if at < now - _TWO_WEEKS:
        raise reading.bad_value(f"The parameter {where}.Timestamp must specify a time within the past two weeks.")
    if at > now + _TWO_HOURS:
        raise reading.bad_value(
            f"The parameter {where}.Timestamp must specify a time no more than two hours in the future."
        )
    given = [name for name in ("Value", "StatisticValues", "Values") if name in datum]
    if not given:
        raise AwsError(
            "MissingParameter",
            f"One of the parameters {where}.Value, {where}.StatisticValues and {where}.Values must be specified.",
        )
    if len(given) > 1:
        raise reading.bad_combination(
            f"The parameters {where}.{given[0]} and {where}.{given[1]} are mutually "
            "exclusive and you have specified both."
        )
    if given == ["Value"]:
        yield Sample.value(at, _number(f"{where}.Value", datum["Value"]), unit=unit)
    elif given == ["Values"]:
        yield from _counted(where, datum, at, unit)
    else:
        known = datum["StatisticValues"]
        count, total, minimum, maximum = (
            _number(f"{where}.StatisticValues.{name}", known[name])
            for name in ("SampleCount", "Sum", "Minimum", "Maximum")
        )
        if count <= 0:
            raise reading.bad_value(f"The parameter {where}.StatisticValues.SampleCount must be greater than 0.")
        if minimum > maximum:
            raise reading.bad_value(
                f"The parameter {where}.StatisticValues.Maximum must be greater than or equal to "
                f"{where}.StatisticValues.Minimum."
            )
        yield Sample(at, count, total, minimum, maximum, unit)


def _counted(where: str, datum: dict[str, Any], at: float, unit: str) -> Iterator[Sample]:
    values = datum["Values"]
    counts = datum.get("Counts", [1.0] * len(values))
    if len(values) != len(counts):
        raise reading.bad_value(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
    if not values or len(values) > _MOST_VALUES:
        raise reading.bad_value(f"The collection {where}.Values must have a size from 1 to {_MOST_VALUES}.")
    for n, (value, count) in enumerate(zip(values, counts, strict=True), 1):
        if _number(f"{where}.Counts.member.{n}", count) <= 0:
            raise reading.bad_value(f"The parameter {where}.Counts.member.{n} must be greater than 0.")
        yield Sample.value(at, _number(f"{where}.Values.member.{n}", value), count, unit)


def _number(where: str, value: float) -> float:
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise reading.bad_value(f"The value {value} for parameter {where} is invalid.")
    return float(value)


@operation("cloudwatch", "GetMetricData")
def get_metric_data(call: Call, request: Request) -> Output:
    """Metrics only: an Expression is refused."""
    queries = request["MetricDataQueries"]
    limit, skip = request.get("MaxDatapoints", _MOST_POINTS), _skipped(request.get("NextToken"))
    _check(queries)
    if not 1 <= limit <= _MOST_POINTS:
        raise reading.bad_value(f"The parameter MaxDatapoints must be from 1 to {_MOST_POINTS}.")
    results: list[dict[str, Any]] = []
    left, after = limit, False
    for number, query in enumerate(queries, 1):
        if not query.get("ReturnData", True):
            continue
        series = _series(call, request, query, f"MetricDataQueries.member.{number}")
        if request.get("ScanBy") != "TimestampAscending":
            series.reverse()
        shown = series[skip : skip + left]
        rest = len(series) - skip - len(shown)
        skip, left = max(0, skip - len(series)), left - len(shown)
        after = after or rest > 0
        results.append(
            {
                "Id": query["Id"],
                "Label": query.get("Label") or query["MetricStat"]["Metric"]["MetricName"],
                "Timestamps": [at for at, _ in shown],
                "Values": [value for _, value in shown],
                "StatusCode": "PartialData" if rest > 0 else "Complete",
            }
        )
    token = str(_skipped(request.get("NextToken")) + limit) if after else None
    return {"MetricDataResults": results, "Messages": [], "NextToken": token}


def _skipped(token: str | None) -> int:
    """How many data points earlier pages held, counted through all results."""
    if token is not None and not _TOKEN.fullmatch(token):
        raise AwsError("InvalidNextToken", "The NextToken provided is invalid.")
    return int(token or 0)


def _check(queries: list[dict[str, Any]]) -> None:
    if not 1 <= len(queries) <= _MOST_QUERIES:
        raise _invalid(f"The collection MetricDataQueries must have a size from 1 to {_MOST_QUERIES}.")
    seen = set()
    for number, query in enumerate(queries, 1):
        where, name = f"MetricDataQueries.member.{number}", query["Id"]
        if not _ID.fullmatch(name):
            raise _invalid(
                f"The value {name} for parameter {where}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
            )
        if name in seen:
            raise _invalid(f"The values for parameter Id in MetricDataQueries are not unique: {name}.")
        seen.add(name)
        if ("MetricStat" in query) == ("Expression" in query):
            raise _invalid(f"Exactly one of {where}.MetricStat and {where}.Expression must be given.")
        if "Expression" in query:
            raise _invalid(f"{where}.Expression: selfmaker evaluates no metric math; ask for the metrics themselves.")
        which, statistic = query["MetricStat"]["Metric"], query["MetricStat"]["Stat"]
        for member in ("Namespace", "MetricName"):
            if member not in which:
                raise _invalid(f"The parameter {where}.MetricStat.Metric.{member} is required.")
        if not reading.is_statistic(statistic):
            raise _invalid(f"The value {statistic} for parameter {where}.MetricStat.Stat is not supported.")
    if not any(query.get("ReturnData", True) for query in queries):
        raise _invalid("At least one of the MetricDataQueries must have ReturnData true.")


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def _series(call: Call, request: Request, query: dict[str, Any], where: str) -> Series:
    """The (time, value) pairs of one query, oldest first."""
    wanted, metrics = query["MetricStat"], call.use(Metrics)
    named, unit, statistic = wanted["Metric"], wanted.get("Unit"), wanted["Stat"]
    dimensions = reading.checked_dimensions(named.get("Dimensions", []), f"{where}.MetricStat.Metric.Dimensions")
    which = reading.metric(call.region, named["Namespace"], named["MetricName"], dimensions)
    times = reading.period(request["StartTime"], request["EndTime"], wanted["Period"])
    if statistic in reading.SIMPLE:
        return [(sample.at, reading.simple(sample)[statistic]) for sample in metrics.buckets(which, times, unit)]
    ranks = reading.percentiles(metrics, which, times, [statistic], unit)
    return sorted((at, values[statistic]) for at, values in ranks.items())
