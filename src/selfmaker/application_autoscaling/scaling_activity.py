"""Scaling activities: what was scaled, when and why."""

from typing import Any

from selfmaker import clock, ids
from selfmaker.application_autoscaling import resource
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import NotFound
from selfmaker.store.resources import Change, Resource, Resources

KIND = "ScalingActivity"

_KEPT = 200  # of each target
_IN_PROGRESS = "InProgress"


@operation("application-autoscaling", "DescribeScalingActivities")
def describe_scaling_activities(call: Call, request: Request) -> Output:
    resource.check({k: v for k, v in request.items() if k != "ServiceNamespace"})
    rows = call.use(Resources).list(KIND, call.region)
    found = [
        row.document
        for row in reversed(rows)
        if all(
            request.get(member) in (None, row.document[member])
            for member in ("ServiceNamespace", "ResourceId", "ScalableDimension")
        )
    ]
    shown, token = page_of(found, request, 50)
    return {"ScalingActivities": shown, "NextToken": token}


def begin(resources: Resources, region: str, target: dict[str, Any], count: int, cause: str) -> str:
    """Note that ``target`` is being scaled to ``count``. The activity's id."""
    number, now = ids.unique_id(), clock.now()
    document = {
        "ActivityId": number,
        "ServiceNamespace": target["ServiceNamespace"],
        "ResourceId": target["ResourceId"],
        "ScalableDimension": target["ScalableDimension"],
        "Description": f"Setting desired instance count to {count}.",
        "Cause": cause,
        "StartTime": now,
        "StatusCode": _IN_PROGRESS,
        "StatusMessage": f"Successfully set desired instance count to {count}. Waiting for change to be fulfilled by "
        "sagemaker.",
    }
    resources.create(Resource(KIND, region, number, f"scaling-activity:{number}", _IN_PROGRESS, now, now, document, {}))
    own = [row for row in resources.list(KIND, region) if row.document["ResourceId"] == target["ResourceId"]]
    for row in own[:-_KEPT]:
        _delete(resources, region, row.name)
    return number


def end(resources: Resources, region: str, number: str, problem: str | None) -> None:
    """Note how it ended: well, or with ``problem``."""
    code = "Successful" if problem is None else "Failed"
    before = resources.get(KIND, region, number).document["Description"].removesuffix(".")
    message = f"{before}. Change successfully fulfilled by sagemaker." if problem is None else problem
    members = {"StatusCode": code, "StatusMessage": message, "EndTime": clock.now()}
    resources.update(KIND, region, number, Change(code, None, members))


def end_interrupted(resources: Resources) -> None:
    """End what an earlier server began and did not live to see fulfilled."""
    for row in resources.list(KIND, status=_IN_PROGRESS):
        end(resources, row.region, row.name, "selfmaker was stopped before the change was fulfilled.")


def _delete(resources: Resources, region: str, name: str) -> None:
    try:
        resources.delete(KIND, region, name)
    except NotFound:
        return
