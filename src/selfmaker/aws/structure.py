"""Whether all that S3's model requires is there, in S3's words. S3's operations judge everything else themselves."""

from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.model import Plan, Shape


def check(plan: Plan, request: dict[str, Any]) -> None:
    """Raises AwsError for the first member that is missing."""
    shape, sends = plan.input, plan.sends
    if shape is None:
        return
    payload = sends.payload.name if sends.payload is not None else None
    for name in shape.required_members:
        if request.get(name) is not None:
            continue
        if name == payload:
            raise AwsError("MissingRequestBodyError", "Request Body is empty")
        header = next((member.wire for member in sends.headers if member.name == name), None)
        if header is not None:
            raise AwsError("InvalidRequest", f"Missing required header for this request: {header.lower()}")
        raise AwsError("InvalidArgument", f"Missing required parameter for this request: {name}", ArgumentName=name)
    if payload is not None and isinstance(request.get(payload), dict):
        missing = _missing(shape.members[payload], request[payload], payload)
        if missing:
            raise AwsError(
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema: "
                f"{missing} is missing",
            )


def _missing(shape: Shape, value: Any, path: str) -> str | None:
    """The path of the first required member that isn't there."""
    if shape.type_name == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                return f"{path}.{name}"
        found = (_missing(shape.members[name], item, f"{path}.{name}") for name, item in value.items())
        return next(filter(None, found), None)
    if shape.type_name == "list":
        return next(filter(None, (_missing(shape.member, item, path) for item in value)), None)
    return None
