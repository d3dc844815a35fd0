"""The names and ARNs of groups and streams."""

from selfmaker.aws.operation import Call, Request
from selfmaker.logs import faults


def group_arn(call: Call, name: str) -> str:
    """The ARN by which a group is tagged; in lists it stands with ``:*`` behind it."""
    return f"arn:aws:logs:{call.region}:{call.account}:log-group:{name}"


def group_of(request: Request) -> str:
    """The name of the group that a request means, which gives either its name or an identifier (name or ARN)."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise faults.invalid("Exactly one of logGroupName and logGroupIdentifier must be given.")
    return str(name) if identifier is None else plain(str(identifier))


def plain(identifier: str) -> str:
    """The name in a name or an ARN."""
    return identifier.partition(":log-group:")[2].removesuffix(":*") if identifier.startswith("arn:") else identifier
