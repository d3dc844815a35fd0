"""What can be scaled, as requests name it: an endpoint's variant by its instance count or, where it is serverless, by
its provisioned concurrency; an inference component by its copies."""

import re
from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call

NAMESPACE = "sagemaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"

PROVISIONED_DIMENSION = "sagemaker:variant:DesiredProvisionedConcurrency"
COMPONENT_DIMENSION = "sagemaker:inference-component:DesiredCopyCount"
DIMENSIONS = (DIMENSION, PROVISIONED_DIMENSION, COMPONENT_DIMENSION)

_COMPONENT = re.compile(r"inference-component/([^/]+)")
_RESOURCE = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")


def endpoint_and_variant(resource_id: str) -> tuple[str, str]:
    """The names in ``endpoint/NAME/variant/NAME``."""
    found = _RESOURCE.fullmatch(resource_id)
    if found is None:
        raise invalid(f"Resource ID {resource_id} is not of the form endpoint/my-endpoint/variant/my-variant.")
    return found[1], found[2]


def component(resource_id: str) -> str | None:
    """The name in ``inference-component/NAME``; None for what is of another form."""
    found = _COMPONENT.fullmatch(resource_id)
    return found[1] if found is not None else None


def check(request: dict[str, Any]) -> None:
    """Raises AWS's error for what cannot be scaled here. Members that are absent are not looked at."""
    dimension = request.get("ScalableDimension")
    if request.get("ServiceNamespace", NAMESPACE) != NAMESPACE or dimension not in (None, *DIMENSIONS):
        raise invalid(
            "Unsupported service namespace, resource type or scalable dimension: selfmaker scales "
            f"{', '.join(DIMENSIONS)} of {NAMESPACE}."
        )
    if "ResourceId" not in request:
        return
    of_component = component(request["ResourceId"]) is not None
    if not of_component:
        endpoint_and_variant(request["ResourceId"])
    if dimension is not None and (dimension == COMPONENT_DIMENSION) != of_component:
        raise invalid(f"Resource ID {request['ResourceId']} has no dimension {dimension}.")


def named(call: Call, request: dict[str, Any]) -> str:
    """The resource and its dimension as a request names them, for messages."""
    return (
        f"service namespace: {request['ServiceNamespace']}, resource ID: {request['ResourceId']}, "
        f"scalable dimension: {request['ScalableDimension']}"
    )


def invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def not_found(message: str) -> AwsError:
    return AwsError("ObjectNotFoundException", message)
