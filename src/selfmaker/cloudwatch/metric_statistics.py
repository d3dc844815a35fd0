"""Statistics of one metric."""

import math

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.cloudwatch import reading
from selfmaker.store.metrics import Metrics

_MOST_POINTS = 1440


@operation("cloudwatch", "GetMetricStatistics")
def get_metric_statistics(call: Call, request: Request) -> Output:
    plain, extended = request.get("Statistics", []), request.get("ExtendedStatistics", [])
    if not plain and not extended:
        raise reading.bad_combination(
            "At least one of the parameters Statistics and ExtendedStatistics must be specified."
        )
    for name in extended:
        if not reading.is_statistic(name) or name in reading.SIMPLE:
            raise reading.bad_value(f"The value {name} for parameter ExtendedStatistics is not supported.")
    times = reading.period(request["StartTime"], request["EndTime"], request["Period"])
    points = math.ceil((times.end - times.start) / times.seconds)
    if points > _MOST_POINTS:
        raise reading.bad_combination(
            f"You have requested up to {points} datapoints, which exceeds the limit of {_MOST_POINTS}. You may reduce "
            "the datapoints requested by increasing Period, or decreasing the time range."
        )
    metrics, unit = call.use(Metrics), request.get("Unit")
    dimensions = reading.checked_dimensions(request.get("Dimensions", []), "Dimensions")
    which = reading.metric(call.region, request["Namespace"], request["MetricName"], dimensions)
    samples = metrics.buckets(which, times, unit)
    units = {sample.unit for sample in samples} if extended else set()
    ranks = {unit: reading.percentiles(metrics, which, times, extended, unit) for unit in units}
    shown = []
    for sample in samples:
        statistics = reading.simple(sample)
        point = {"Timestamp": sample.at, "Unit": sample.unit, **{name: statistics[name] for name in plain}}
        if sample.at in ranks.get(sample.unit, ()):
            point["ExtendedStatistics"] = ranks[sample.unit][sample.at]
        shown.append(point)
    return {"Label": request["MetricName"], "Datapoints": shown}
