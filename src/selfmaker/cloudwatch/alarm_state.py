"""The state of a metric alarm: its last periods, held against its threshold, as CloudWatch evaluates them."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from selfmaker.cloudwatch import reading
from selfmaker.store.metrics import Metrics, Period

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
COMPARISONS = tuple(_COMPARISONS)


@dataclass(frozen=True)
class Verdict:
    """``value`` is the last period's, None when there is none."""

    state: str
    reason: str
    value: float | None = None


def evaluate(metrics: Metrics, region: str, alarm: Mapping[str, Any], before: str, now: float) -> Verdict:
    """What the alarm's state is now; ``before`` is the state it was in. The period that is going on counts as soon as
    it has data that more data cannot undo."""
    wanted = alarm["EvaluationPeriods"]
    values = _values(metrics, region, alarm, now)
    last = values[-wanted:] if _counts_already(alarm, values[-1]) else values[-wanted - 1 : -1]
    present = [value for value in last if value is not None]
    missing = alarm.get("TreatMissingData", "missing")
    latest = present[-1] if present else None
    if not present and missing == "missing":
        return Verdict(INSUFFICIENT, f"Insufficient Data: {wanted} datapoints were unknown.")
    if len(present) < len(last) and missing == "ignore":
        return Verdict(before, "Unchanged: datapoints are missing.", latest)
    breaches = _COMPARISONS[alarm["ComparisonOperator"]]
    threshold, needed = alarm["Threshold"], alarm.get("DatapointsToAlarm", wanted)
    breaching = sum(breaches(value, threshold) for value in present)
    if missing == "breaching":
        breaching += len(last) - len(present)
    shown = ", ".join(f"{value:g}" for value in present[:5]) or "none"
    words = f"{breaching} out of the last {wanted} datapoints [{shown}] breached the threshold ({threshold:g})"
    if breaching >= needed:
        return Verdict(ALARM, f"Threshold Crossed: {words} (minimum {needed} for OK -> ALARM transition).", latest)
    return Verdict(OK, f"Threshold not crossed: {words}.", latest)


def _counts_already(alarm: Mapping[str, Any], value: float | None) -> bool:
    """Whether the value of the period that is going on says something already: a sum still grows."""
    if value is None or alarm.get("Statistic") not in ("Sum", "SampleCount"):
        return value is not None
    comparison = alarm["ComparisonOperator"]
    return comparison.startswith("Greater") and _COMPARISONS[comparison](value, alarm["Threshold"])


def _values(metrics: Metrics, region: str, alarm: Mapping[str, Any], now: float) -> list[float | None]:
    """One more than the alarm looks at, oldest first; None for a period without data."""
    seconds, count = alarm["Period"], alarm["EvaluationPeriods"] + 1
    first = (now // seconds - count + 1) * seconds
    times = Period(first, first + count * seconds, seconds)
    which = reading.metric(region, alarm["Namespace"], alarm["MetricName"], alarm.get("Dimensions", []))
    unit = alarm.get("Unit")
    if "ExtendedStatistic" in alarm:
        name = alarm["ExtendedStatistic"]
        found = {at: by[name] for at, by in reading.percentiles(metrics, which, times, [name], unit).items()}
    else:
        samples = metrics.buckets(which, times, unit)
        found = {sample.at: reading.simple(sample)[alarm["Statistic"]] for sample in samples}
    return [found.get(first + number * seconds) for number in range(count)]
