"""Groups of schedules, with their tags. ``default`` is always there."""

from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.arn import arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.events.clockwork import SCHEDULE
from selfmaker.store import resources, tags
from selfmaker.store.resources import Resource, Resources
from selfmaker.store.tags import Tags

KIND = "ScheduleGroup"
DEFAULT = "default"


@operation("scheduler", "CreateScheduleGroup")
def create_schedule_group(call: Call, request: Request) -> Output:
    name, now = request["Name"], clock.now()
    place = _arn(call, name)
    labels = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
    try:
        if name == DEFAULT:
            raise AlreadyExists(name)
        row = Resource(KIND, call.region, name, place, "ACTIVE", now, now, {}, {})
        call.use(Resources).create(row, lambda connection: tags.add(connection, place, labels))
    except AlreadyExists:
        raise AwsError("ConflictException", f"Schedule group {name} already exists.", 409) from None
    return {"ScheduleGroupArn": place}


@operation("scheduler", "GetScheduleGroup")
def get_schedule_group(call: Call, request: Request) -> Output:
    check_group(call, request["Name"])
    return _shown(call, request["Name"])


@operation("scheduler", "ListScheduleGroups")
def list_schedule_groups(call: Call, request: Request) -> Output:
    names = [DEFAULT, *sorted(row.name for row in call.use(Resources).list(KIND, call.region))]
    rows = [_shown(call, name) for name in names if name.startswith(request.get("NamePrefix", ""))]
    page, token = page_of(rows, request)
    return {"ScheduleGroups": page, **({"NextToken": token} if token else {})}


@operation("scheduler", "DeleteScheduleGroup")
def delete_schedule_group(call: Call, request: Request) -> Output:
    """Its schedules go with it."""
    name = request["Name"]
    check_group(call, name)
    if name == DEFAULT:
        raise AwsError("ValidationException", "The default schedule group cannot be deleted.")

    def also(connection: Connection) -> None:
        for row in resources.of_kind(connection, SCHEDULE, call.region):
            if row.name.partition("/")[0] == name:
                resources.remove(connection, SCHEDULE, call.region, row.name)
        tags.forget(connection, _arn(call, name))

    try:
        call.use(Resources).delete(KIND, call.region, name, also)
    except NotFound:
        return {}
    return {}


@operation("scheduler", "TagResource")
def tag_resource(call: Call, request: Request) -> Output:
    name = _named(call, request)
    call.use(Tags).add(_arn(call, name), {tag["Key"]: tag["Value"] for tag in request["Tags"]})
    return {}


@operation("scheduler", "UntagResource")
def untag_resource(call: Call, request: Request) -> Output:
    call.use(Tags).remove(_arn(call, _named(call, request)), request["TagKeys"])
    return {}


@operation("scheduler", "ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Output:
    labels = call.use(Tags).of(_arn(call, _named(call, request)))
    return {"Tags": [{"Key": key, "Value": value} for key, value in labels.items()]}


def check_group(call: Call, name: str) -> None:
    """Raises AwsError when there is no such group."""
    if name != DEFAULT:
        try:
            call.use(Resources).get(KIND, call.region, name)
        except NotFound:
            raise AwsError("ResourceNotFoundException", f"Schedule group {name} does not exist.", 404) from None


def _named(call: Call, request: Request) -> str:
    name: str = request["ResourceArn"].rpartition("/")[2]
    check_group(call, name)
    return name


def _arn(call: Call, name: str) -> str:
    return arn("scheduler", call.region, call.account, f"schedule-group/{name}")


def _shown(call: Call, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"Arn": _arn(call, name), "Name": name, "State": "ACTIVE"}
    if name == DEFAULT:
        return shown
    row = call.use(Resources).get(KIND, call.region, name)
    return {**shown, "CreationDate": row.created, "LastModificationDate": row.modified}
