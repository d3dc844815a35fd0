"""Scalable targets: between which counts a variant's instances, or a component's copies, may be scaled."""

from typing import Any

from selfmaker import clock, ids
from selfmaker.application_autoscaling import resource, scaling_policy
from selfmaker.aws.arn import arn
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.sagemaker.tag import tag_mapping
from selfmaker.serving.endpoints import Endpoints
from selfmaker.serving.inference_components import InferenceComponents
from selfmaker.serving.spec import DeploymentSpec
from selfmaker.store import tags
from selfmaker.store.resources import Change, Resource, Resources

KIND = "ScalableTarget"

_NONE_SUSPENDED: dict[str, bool] = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


@operation("application-autoscaling", "RegisterScalableTarget")
def register_scalable_target(call: Call, request: Request) -> Output:
    resource.check(request)
    rows, name = call.use(Resources), request["ResourceId"]
    try:
        before = rows.get(KIND, call.region, name)
    except NotFound:
        return {"ScalableTargetARN": _new(call, request)}
    members: dict[str, Any] = {
        member: request[member] for member in ("MinCapacity", "MaxCapacity", "RoleARN") if member in request
    }
    suspended = {**before.document["SuspendedState"], **request.get("SuspendedState", {})}
    document: dict[str, Any] = {**before.document, **members, "SuspendedState": suspended}
    _check_bounds(call, document)
    rows.update(KIND, call.region, name, Change(None, None, document))
    return {"ScalableTargetARN": before.arn}


@operation("application-autoscaling", "DescribeScalableTargets")
def describe_scalable_targets(call: Call, request: Request) -> Output:
    wanted = request.get("ResourceIds")
    found = [
        {**row.document, "CreationTime": row.created, "ScalableTargetARN": row.arn}
        for row in call.use(Resources).list(KIND, call.region)
        if (wanted is None or row.name in wanted)
        and row.document["ServiceNamespace"] == request["ServiceNamespace"]
        and request.get("ScalableDimension") in (None, row.document["ScalableDimension"])
    ]
    shown, token = page_of(found, request, 50)
    return {"ScalableTargets": shown, "NextToken": token}


@operation("application-autoscaling", "DeregisterScalableTarget")
def deregister_scalable_target(call: Call, request: Request) -> Output:
    resource.check(request)
    try:
        row = call.use(Resources).get(KIND, call.region, request["ResourceId"])
    except NotFound:
        raise resource.not_found(f"No scalable target found for {resource.named(call, request)}") from None
    scaling_policy.forget(call, request["ResourceId"])
    call.use(Resources).delete(KIND, call.region, row.name, also=lambda c: tags.forget(c, row.arn))
    return {}


def _new(call: Call, request: Request) -> str:
    for member in ("MinCapacity", "MaxCapacity"):
        if member not in request:
            raise resource.invalid("You must specify both a minimum and a maximum capacity to register a target.")
    _check_there(call, request)
    _check_bounds(call, request)
    now = clock.now()
    address = arn("application-autoscaling", call.region, call.account, f"scalable-target/{ids.unique_id()}")
    role = arn("iam", "", call.account, "role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
               "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")  # fmt: skip
    document: dict[str, Any] = {
        **{k: v for k, v in request.items() if k != "Tags"},
        "RoleARN": request.get("RoleARN", role),
        "SuspendedState": {**_NONE_SUSPENDED, **request.get("SuspendedState", {})},
    }
    given = tag_mapping([{"Key": key, "Value": value} for key, value in request.get("Tags", {}).items()])
    row = Resource(KIND, call.region, request["ResourceId"], address, "Registered", now, now, document, {})
    try:
        call.use(Resources).create(row, also=lambda c: tags.add(c, address, given))
    except AlreadyExists:  # somebody else registered it at the same moment
        return call.use(Resources).get(KIND, call.region, row.name).arn
    return address


def _check_bounds(call: Call, document: dict[str, Any]) -> None:
    low, high = document["MinCapacity"], document["MaxCapacity"]
    if low < 0 or high < low:
        raise resource.invalid("Maximum capacity cannot be less than minimum capacity.")
    if low == 0 and resource.component(document["ResourceId"]) is None and not _asynchronous(call, document):
        raise resource.invalid(
            "MinCapacity: a variant has at least one instance, but for asynchronous endpoints; for none, use a "
            "serverless variant."
        )


def _asynchronous(call: Call, document: dict[str, Any]) -> bool:
    """Whether the target is a variant of an asynchronous endpoint."""
    try:
        row = call.use(Endpoints).get(call.region, resource.endpoint_and_variant(document["ResourceId"])[0])
    except NotFound:
        return False
    spec = row.state.get("serving") or row.state.get("pending")
    return spec is not None and DeploymentSpec.from_json(spec).asynchronous is not None


def _check_there(call: Call, request: Request) -> None:
    resource_id = request["ResourceId"]
    component = resource.component(resource_id)
    if component is not None:
        try:
            call.use(InferenceComponents).get(call.region, component)
        except NotFound:
            raise resource.invalid(f"Could not find inference component {component!r}.") from None
        return
    name, variant = resource.endpoint_and_variant(resource_id)
    try:
        state = call.use(Endpoints).get(call.region, name).state
    except NotFound:
        raise resource.invalid(f"Could not find endpoint {name!r}.") from None
    document = state.get("serving") or state.get("pending")
    spec = DeploymentSpec.from_json(document).variant(variant) if document is not None else None
    if spec is None:
        raise resource.invalid(f"Could not find variant {variant!r} of endpoint {name!r}.")
    wanted = resource.DIMENSION if spec.serverless is None else resource.PROVISIONED_DIMENSION
    if request["ScalableDimension"] != wanted:
        kind = "has instances" if spec.serverless is None else "is serverless"
        raise resource.invalid(f"Variant {variant!r} of endpoint {name!r} {kind}: its dimension is {wanted}.")
