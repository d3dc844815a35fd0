"""Scaling policies. Target tracking makes two alarms of its own; step scaling is moved by alarms that name its ARN."""

from typing import Any

from selfmaker import clock, ids
from selfmaker.application_autoscaling import resource
from selfmaker.aws.arn import arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.cloudwatch import alarm
from selfmaker.errors import NotFound
from selfmaker.serving.endpoint_metrics import (
    COMPONENT,
    NAMESPACE,
    PER_COPY,
    PER_COPY_AT_ONCE,
    PER_INSTANCE,
    PER_MODEL_AT_ONCE,
    PROVISIONED_USE,
)
from selfmaker.settings import Settings
from selfmaker.store.resources import Change, Resource, Resources

KIND = "ScalingPolicy"
TRACKING, STEPS = "TargetTrackingScaling", "StepScaling"

_TARGETS = "ScalableTarget"
_PREDEFINED: dict[str, dict[str, tuple[str, str]]] = {  # by dimension, then by type: the metric and its statistic
    resource.DIMENSION: {
        "SageMakerVariantInvocationsPerInstance": (PER_INSTANCE, "Sum"),
        "SageMakerVariantConcurrentRequestsPerModelHighResolution": (PER_MODEL_AT_ONCE, "Average"),
    },
    resource.PROVISIONED_DIMENSION: {
        "SageMakerVariantProvisionedConcurrencyUtilization": (PROVISIONED_USE, "Average"),
    },
    resource.COMPONENT_DIMENSION: {
        "SageMakerInferenceComponentInvocationsPerCopy": (PER_COPY, "Sum"),
        "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": (PER_COPY_AT_ONCE, "Average"),
    },
}
_MINUTE = 60.0
_OUT_PERIODS, IN_PERIODS = 3, 15  # how long AWS looks at a metric before it scales out, and in
_SLACK = 0.9  # of the target: below that, fewer will do
_ECHOED = (
    "PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension", "PolicyType",
    "StepScalingPolicyConfiguration", "TargetTrackingScalingPolicyConfiguration",
)  # fmt: skip


@operation("application-autoscaling", "PutScalingPolicy")
def put_scaling_policy(call: Call, request: Request) -> Output:
    resource.check(request)
    rows, name = call.use(Resources), key_of(request["ResourceId"], request["PolicyName"])
    try:
        rows.get(_TARGETS, call.region, request["ResourceId"])
    except NotFound:
        raise resource.not_found(f"No scalable target registered for {resource.named(call, request)}") from None
    try:
        before: Resource | None = rows.get(KIND, call.region, name)
    except NotFound:
        before = None
    document = {k: v for k, v in request.items() if k in _ECHOED}
    document.setdefault("PolicyType", before.document["PolicyType"] if before else STEPS)
    _check(document)
    alarms = _alarms(call, document, before) if document["PolicyType"] == TRACKING else []
    now = clock.now()
    if before is not None:
        gone = {member: None for member in before.document if member not in document}
        rows.update(KIND, call.region, name, Change(None, {"Alarms": alarms}, {**gone, **document}))
        return {"PolicyARN": before.arn, "Alarms": alarms}
    place = f"resource/{request['ServiceNamespace']}/{request['ResourceId']}:policyName/{request['PolicyName']}"
    address = arn("autoscaling", call.region, call.account, f"scalingPolicy:{ids.unique_id()}:{place}")
    rows.create(Resource(KIND, call.region, name, address, "Active", now, now, document, {"Alarms": alarms}))
    return {"PolicyARN": address, "Alarms": alarms}


@operation("application-autoscaling", "DescribeScalingPolicies")
def describe_scaling_policies(call: Call, request: Request) -> Output:
    names = request.get("PolicyNames")
    found = [
        {**row.document, "PolicyARN": row.arn, "CreationTime": row.created, "Alarms": _alarms_of(call, row)}
        for row in call.use(Resources).list(KIND, call.region)
        if (not names or row.document["PolicyName"] in names or row.arn in names)
        and all(
            request.get(member) in (None, row.document[member])
            for member in ("ServiceNamespace", "ResourceId", "ScalableDimension")
        )
    ]
    shown, token = page_of(found, request, 50)
    return {"ScalingPolicies": shown, "NextToken": token}


@operation("application-autoscaling", "DeleteScalingPolicy")
def delete_scaling_policy(call: Call, request: Request) -> Output:
    resource.check(request)
    try:
        row = call.use(Resources).get(KIND, call.region, key_of(request["ResourceId"], request["PolicyName"]))
    except NotFound:
        raise resource.not_found(
            f"No scaling policy found for {resource.named(call, request)}, policy name: {request['PolicyName']}"
        ) from None
    _delete(call, row)
    return {}


def key_of(resource_id: str, policy: str) -> str:
    return f"{resource_id}:{policy}"


def forget(call: Call, resource_id: str) -> None:
    """Delete all policies of a target."""
    for row in call.use(Resources).list(KIND, call.region):
        if row.document["ResourceId"] == resource_id:
            _delete(call, row)


def metric_of(document: dict[str, Any]) -> dict[str, Any]:
    """What a target tracking policy looks at, in the members of a metric alarm."""
    wanted = document["TargetTrackingScalingPolicyConfiguration"]
    if "PredefinedMetricSpecification" in wanted:
        kind = wanted["PredefinedMetricSpecification"]["PredefinedMetricType"]
        metric, statistic = _PREDEFINED[document["ScalableDimension"]][kind]
        dimensions = _dimensions(document["ResourceId"])
        return {"Namespace": NAMESPACE, "MetricName": metric, "Dimensions": dimensions, "Statistic": statistic}
    given = wanted["CustomizedMetricSpecification"]
    return {member: given[member] for member in ("Namespace", "MetricName", "Dimensions", "Statistic", "Unit")
            if member in given}  # fmt: skip


def _dimensions(resource_id: str) -> list[dict[str, str]]:
    component = resource.component(resource_id)
    if component is not None:
        return [{"Name": COMPONENT, "Value": component}]
    endpoint, variant = resource.endpoint_and_variant(resource_id)
    return [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}]


def _delete(call: Call, row: Resource) -> None:
    alarm.remove(call.use(Resources), call.region, [made["AlarmName"] for made in row.state["Alarms"]])
    try:
        call.use(Resources).delete(KIND, call.region, row.name)
    except NotFound:
        return  # somebody else deleted it at the same moment


def _alarms_of(call: Call, row: Resource) -> list[dict[str, str]]:
    """The policy's own alarms, or those that move it."""
    if row.document["PolicyType"] == TRACKING:
        return list(row.state["Alarms"])
    return [
        {"AlarmName": made.name, "AlarmARN": made.arn}
        for made in call.use(Resources).list(alarm.KIND, call.region)
        if row.arn in made.document.get("AlarmActions", [])
    ]


def _alarms(call: Call, document: dict[str, Any], before: Resource | None) -> list[dict[str, str]]:
    """Make the alarms of a target tracking policy, or make them anew: (high, low)."""
    wanted = document["TargetTrackingScalingPolicyConfiguration"]
    seconds = max(1, round(call.use(Settings).autoscaling_period_seconds))
    target, metric = wanted["TargetValue"], metric_of(document)
    if "PredefinedMetricSpecification" in wanted and metric["Statistic"] == "Sum":
        target *= seconds / _MINUTE  # which is told for a minute
    names = [made["AlarmName"] for made in before.state["Alarms"]] if before else []
    if not names:
        mark = ids.unique_id()
        names = [f"TargetTracking-{document['ResourceId']}-Alarm{side}-{mark}" for side in ("High", "Low")]
    kinds = (
        ("GreaterThanThreshold", target, _OUT_PERIODS, "missing"),
        ("LessThanThreshold", target * _SLACK, IN_PERIODS, "breaching"),
    )
    made = []
    for name, (comparison, threshold, periods, missing) in zip(names, kinds, strict=True):
        members = {"AlarmName": name, "AlarmDescription": "DO NOT EDIT OR DELETE. For a target tracking policy.",
                   "Period": seconds, "EvaluationPeriods": periods, "Threshold": threshold,
                   "ComparisonOperator": comparison, "TreatMissingData": missing}  # fmt: skip
        address = alarm.keep(call.use(Resources), call.region, call.account, {**metric, **members})
        made.append({"AlarmName": name, "AlarmARN": address})
    return made


def _check(document: dict[str, Any]) -> None:
    kind = document["PolicyType"]
    tracking = document.get("TargetTrackingScalingPolicyConfiguration")
    steps = document.get("StepScalingPolicyConfiguration")
    if kind == TRACKING and tracking is not None and steps is None:
        _check_tracking(tracking, document["ScalableDimension"])
    elif kind == STEPS and steps is not None and tracking is None:
        _check_steps(steps)
    elif kind in (TRACKING, STEPS):
        raise resource.invalid(f"A policy of type {kind} must have a {kind}PolicyConfiguration, and no other one.")
    else:
        raise resource.invalid(f"PolicyType {kind} is not supported here: use {TRACKING} or {STEPS}.")


def _check_tracking(tracking: dict[str, Any], dimension: str) -> None:
    known = _PREDEFINED[dimension]
    predefined, own = tracking.get("PredefinedMetricSpecification"), tracking.get("CustomizedMetricSpecification")
    if (predefined is None) == (own is None):
        raise resource.invalid("Give exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification.")
    if predefined is not None and predefined["PredefinedMetricType"] not in known:
        raise resource.invalid(
            f"PredefinedMetricType {predefined['PredefinedMetricType']} is not for {dimension}; use "
            f"{', '.join(known)}, or a CustomizedMetricSpecification."
        )
    if own is not None and ("Metrics" in own or not all(m in own for m in ("MetricName", "Namespace", "Statistic"))):
        raise resource.invalid(
            "CustomizedMetricSpecification: give MetricName, Namespace and Statistic; selfmaker evaluates no metric "
            "math."
        )
    if tracking["TargetValue"] <= 0:
        raise resource.invalid("TargetValue must be greater than 0.")


def _check_steps(steps: dict[str, Any]) -> None:
    for member in ("AdjustmentType", "StepAdjustments"):
        if not steps.get(member):
            raise _missing(member)
    for step in steps["StepAdjustments"]:
        low, high = step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound")
        if low is None and high is None and len(steps["StepAdjustments"]) > 1:
            raise resource.invalid("Only a single step adjustment may have neither a lower nor an upper bound.")
        if low is not None and high is not None and low >= high:
            raise resource.invalid("A step adjustment's lower bound must be less than its upper bound.")


def _missing(member: str) -> AwsError:
    return resource.invalid(f"StepScalingPolicyConfiguration.{member} must be specified.")
