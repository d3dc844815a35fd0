"""Metric alarms, whose states are found when somebody asks: DescribeAlarms, an update that may be rolled back, a policy
that scales.

A state that SetAlarmState sets holds for one period; then the metric decides again. Actions are kept and echoed, and
only those that name a scaling policy are taken.
"""

from collections.abc import Iterable
from typing import Any

from selfmaker import clock
from selfmaker.aws.arn import arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.cloudwatch import alarm_state, reading
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.store.metrics import Metrics
from selfmaker.store.resources import Change, Resource, Resources

KIND = "MetricAlarm"

_MISSING = ("breaching", "notBreaching", "ignore", "missing")
_LONGEST = 86_400  # seconds that all periods of an alarm may span
_ECHOED = (
    "AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions",
    "MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit", "EvaluationPeriods",
    "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData", "EvaluateLowSampleCountPercentile",
)  # fmt: skip


@operation("cloudwatch", "PutMetricAlarm")
def put_metric_alarm(call: Call, request: Request) -> Output:
    _check(request)
    keep(call.use(Resources), call.region, call.account, request)
    return None


@operation("cloudwatch", "DescribeAlarms")
def describe_alarms(call: Call, request: Request) -> Output:
    if "AlarmNames" in request and "AlarmNamePrefix" in request:
        raise reading.bad_combination("AlarmNames and AlarmNamePrefix are mutually exclusive.")
    if "MetricAlarm" not in request.get("AlarmTypes", ["MetricAlarm"]):
        return {"MetricAlarms": [], "CompositeAlarms": []}
    names, prefix = request.get("AlarmNames"), request.get("AlarmNamePrefix", "")
    actions = request.get("ActionPrefix", "")
    rows = sorted(call.use(Resources).list(KIND, call.region), key=lambda row: row.name)
    rows = [row for row in rows if (row.name in names if names is not None else row.name.startswith(prefix))]
    rows = [row for row in rows if any(action.startswith(actions) for action in _actions(row))] if actions else rows
    rows = _evaluated(call, rows)
    wanted = request.get("StateValue")
    kept = [row for row in rows if wanted in (None, row.state["StateValue"])]
    shown, token = page_of(kept, {**request, "MaxResults": request.get("MaxRecords")}, 50)
    return {"MetricAlarms": [_shown(row) for row in shown], "CompositeAlarms": [], "NextToken": token}


@operation("cloudwatch", "DescribeAlarmsForMetric")
def describe_alarms_for_metric(call: Call, request: Request) -> Output:
    rows = [row for row in call.use(Resources).list(KIND, call.region) if _is_of(row.document, request)]
    return {"MetricAlarms": [_shown(row) for row in _evaluated(call, rows)]}


@operation("cloudwatch", "DeleteAlarms")
def delete_alarms(call: Call, request: Request) -> Output:
    names = request["AlarmNames"]
    known = {row.name for row in call.use(Resources).list(KIND, call.region)}
    if names and not known & set(names):
        raise AwsError("ResourceNotFound", f"Alarms {', '.join(names)} were not found.", 404)
    remove(call.use(Resources), call.region, [name for name in names if name in known])
    return None


@operation("cloudwatch", "SetAlarmState")
def set_alarm_state(call: Call, request: Request) -> Output:
    now = clock.now()
    state = {"StateValue": request["StateValue"], "StateReason": request["StateReason"], "StateUpdatedTimestamp": now,
             "StateReasonData": request.get("StateReasonData"), "set": now}  # fmt: skip
    try:
        call.use(Resources).update(KIND, call.region, request["AlarmName"], Change(request["StateValue"], state))
    except NotFound:
        raise AwsError("ResourceNotFound", f"Alarm {request['AlarmName']} does not exist.", 404) from None
    return None


@operation("cloudwatch", "EnableAlarmActions")
def enable_alarm_actions(call: Call, request: Request) -> Output:
    _switch(call, request["AlarmNames"], enabled=True)
    return None


@operation("cloudwatch", "DisableAlarmActions")
def disable_alarm_actions(call: Call, request: Request) -> Output:
    _switch(call, request["AlarmNames"], enabled=False)
    return None


def keep(resources: Resources, region: str, account: str, document: dict[str, Any]) -> str:
    """Make the alarm, or make it anew, and return its ARN."""
    name, now = document["AlarmName"], clock.now()
    kept = {
        **{k: v for k, v in document.items() if k in _ECHOED},
        "ActionsEnabled": document.get("ActionsEnabled", True),
    }
    state = {"StateValue": alarm_state.INSUFFICIENT, "StateReason": "Unchecked: Initial alarm creation",
             "StateUpdatedTimestamp": now, "configured": now}  # fmt: skip
    address = arn("cloudwatch", region, account, f"alarm:{name}")
    row = Resource(KIND, region, name, address, alarm_state.INSUFFICIENT, now, now, kept, state)
    try:
        resources.create(row)
    except AlreadyExists:
        before = resources.get(KIND, region, name)
        gone = {member: None for member in before.document if member not in kept}
        resources.update(KIND, region, name, Change(None, {"configured": now}, {**gone, **kept}))
    return address


def remove(resources: Resources, region: str, names: Iterable[str]) -> None:
    for name in names:
        try:
            resources.delete(KIND, region, name)
        except NotFound:
            continue  # somebody else deleted it at the same moment


def state_of(resources: Resources, metrics: Metrics, row: Resource) -> tuple[Resource, alarm_state.Verdict]:
    """The alarm with its state as it is now, which is kept."""
    now, state = clock.now(), row.state
    if now - state.get("set", 0.0) < row.document["Period"]:
        return row, alarm_state.Verdict(state["StateValue"], state["StateReason"])
    verdict = alarm_state.evaluate(metrics, row.region, row.document, state["StateValue"], now)
    if verdict.state == state["StateValue"]:
        return row, verdict
    change = {"StateValue": verdict.state, "StateReason": verdict.reason, "StateUpdatedTimestamp": now,
              "StateReasonData": None, "set": None}  # fmt: skip
    return resources.update(KIND, row.region, row.name, Change(verdict.state, change)), verdict


def in_alarm(resources: Resources, metrics: Metrics, region: str, names: Iterable[str]) -> list[str]:
    """Those of the named alarms that are in ALARM now; there need not be any of the name."""
    rows = [row for row in resources.list(KIND, region) if row.name in set(names)]
    return [row.name for row in rows if state_of(resources, metrics, row)[1].state == alarm_state.ALARM]


def _evaluated(call: Call, rows: list[Resource]) -> list[Resource]:
    resources, metrics = call.use(Resources), call.use(Metrics)
    return [state_of(resources, metrics, row)[0] for row in rows]


def _shown(row: Resource) -> dict[str, Any]:
    state = row.state
    return {
        **row.document,
        "AlarmArn": row.arn,
        "AlarmConfigurationUpdatedTimestamp": state["configured"],
        "StateValue": state["StateValue"],
        "StateReason": state["StateReason"],
        "StateReasonData": state.get("StateReasonData"),
        "StateUpdatedTimestamp": state["StateUpdatedTimestamp"],
        "StateTransitionedTimestamp": state["StateUpdatedTimestamp"],
    }


def _actions(row: Resource) -> list[str]:
    members = ("OKActions", "AlarmActions", "InsufficientDataActions")
    return [action for member in members for action in row.document.get(member, [])]


def _is_of(alarm: dict[str, Any], request: Request) -> bool:
    def sorted_dimensions(holder: dict[str, Any]) -> list[tuple[str, str]]:
        return sorted((dimension["Name"], dimension["Value"]) for dimension in holder.get("Dimensions", []))

    optional = ("Statistic", "ExtendedStatistic", "Period", "Unit")
    return (
        all(alarm[member] == request[member] for member in ("MetricName", "Namespace"))
        and sorted_dimensions(alarm) == sorted_dimensions(request)
        and all(alarm.get(member) == request[member] for member in optional if member in request)
    )


def _switch(call: Call, names: list[str], *, enabled: bool) -> None:
    for name in names:
        try:
            call.use(Resources).update(KIND, call.region, name, Change(None, None, {"ActionsEnabled": enabled}))
        except NotFound:
            continue  # as AWS, which says nothing of names that it does not know


def _check(request: Request) -> None:
    if "Metrics" in request or "ThresholdMetricId" in request:
        raise _invalid("Metrics: selfmaker evaluates no metric math; give MetricName, Namespace and Statistic.")
    for member in ("EvaluationCriteria", "EvaluationWindow"):
        if member in request:
            raise _invalid(f"{member} is not supported here; give MetricName, Namespace and Statistic.")
    for member in ("MetricName", "Namespace", "Period", "Threshold", "EvaluationPeriods", "ComparisonOperator"):
        if member not in request:
            raise AwsError("MissingParameter", f"The parameter {member} is required.")
    if ("Statistic" in request) == ("ExtendedStatistic" in request):
        raise _invalid("Exactly one of Statistic and ExtendedStatistic must be specified.")
    extended = request.get("ExtendedStatistic")
    if extended is not None and (not reading.is_statistic(extended) or extended in reading.SIMPLE):
        raise _invalid(f"The value {extended} for parameter ExtendedStatistic is not supported.")
    if request["ComparisonOperator"] not in alarm_state.COMPARISONS:
        raise _invalid(
            f"ComparisonOperator {request['ComparisonOperator']}: there are no anomaly detection models here."
        )
    if request.get("TreatMissingData", "missing") not in _MISSING:
        raise _invalid(f"The value {request['TreatMissingData']} for parameter TreatMissingData is not supported.")
    period, count = request["Period"], request["EvaluationPeriods"]
    if period not in (10, 20, 30) and (period < 60 or period % 60):
        raise _invalid("Period must be 10, 20, 30 or a multiple of 60.")
    if period * count > max(_LONGEST, period if period <= 7 * _LONGEST else 0):
        raise _invalid(
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400)."
        )
    if request.get("DatapointsToAlarm", 1) > count:
        raise _invalid("DatapointsToAlarm must be at most EvaluationPeriods.")
    reading.checked_dimensions(request.get("Dimensions", []), "Dimensions")


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)
