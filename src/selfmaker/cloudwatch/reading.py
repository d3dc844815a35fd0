"""What GetMetricStatistics and GetMetricData share: periods, statistics, and the errors about them."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from selfmaker import clock
from selfmaker.aws.errors import AwsError
from selfmaker.store.metrics import Metric, Metrics, Period, Sample

SIMPLE = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)", re.ASCII)
_SHORT_PERIODS = (1, 5, 10, 20, 30)
_DAY = 86_400


def bad_value(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def bad_combination(message: str) -> AwsError:
    return AwsError("InvalidParameterCombination", message)


def period(start: float, end: float, seconds: int) -> Period:
    """The period of a request, its start rounded down as AWS does it, and its last data point whole: the one that is
    going on at the end counts what came after that, too. Raises what AWS raises."""
    if seconds not in _SHORT_PERIODS and seconds % 60:
        raise bad_value(f"The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60; it is {seconds}.")
    if start >= end:
        raise bad_combination("The parameter StartTime must be less than the parameter EndTime.")
    age = clock.now() - start
    grain = seconds if seconds < 60 else 60
    if age > 63 * _DAY:
        grain = 3600
    elif age > 15 * _DAY:
        grain = 300
    start -= start % grain
    return Period(start, start + math.ceil((end - start) / seconds) * seconds, seconds)


def metric(region: str, namespace: str, name: str, dimensions: Sequence[Mapping[str, str]]) -> Metric:
    return Metric(region, namespace, name, {dimension["Name"]: dimension["Value"] for dimension in dimensions})


def is_statistic(name: str) -> bool:
    """Whether this is one that is known here: a plain statistic or a percentile."""
    return name in SIMPLE or _PERCENTILE.fullmatch(name) is not None


def simple(sample: Sample) -> dict[str, float]:
    """All plain statistics of a range."""
    average = sample.sum / sample.count if sample.count else 0.0
    return dict(zip(SIMPLE, (sample.count, average, sample.sum, sample.minimum, sample.maximum), strict=True))


def percentiles(metrics: Metrics, which: Metric, times: Period, names: Sequence[str], unit: str | None
                ) -> dict[float, dict[str, float]]:  # fmt: skip
    """The percentiles of each range of which the single values are known, by where the range begins."""
    found = metrics.values(which, times, unit)
    return {at: {name: percentile(values, float(name[1:])) for name in names} for at, values in found.items()}


def percentile(values: Sequence[tuple[float, float]], rank: float) -> float:
    """Of (value, count) pairs in ascending order, by linear interpolation between the two nearest values."""
    total = sum(count for _, count in values)
    place = rank / 100 * max(total - 1, 0.0)
    low, high = _at(values, math.floor(place)), _at(values, math.ceil(place))
    return low + (high - low) * (place - math.floor(place))


def _at(values: Sequence[tuple[float, float]], place: int) -> float:
    seen = 0.0
    for value, count in values:
        seen += count
        if place < seen:
            return value
    return values[-1][0]


def checked_dimensions(dimensions: Sequence[Mapping[str, Any]], where: str) -> Sequence[Mapping[str, Any]]:
    """Raises InvalidParameterValue when a name comes twice."""
    names = [dimension["Name"] for dimension in dimensions]
    if len(set(names)) < len(names):
        raise bad_value(f"The parameter {where} has a dimension name more than once.")
    return dimensions
