"""Schedules."""

from typing import Any

from selfmaker import clock
from selfmaker.aws.arn import arn, parse
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import AlreadyExists, Invalid, NotFound
from selfmaker.events import paths, target
from selfmaker.events.clockwork import SCHEDULE, next_time
from selfmaker.scheduler.schedule_group import DEFAULT, check_group
from selfmaker.store import outbox
from selfmaker.store.resources import Change, Resource, Resources

_NO_MEMBERS = ("Name", "ClientToken")


@operation("scheduler", "CreateSchedule")
def create_schedule(call: Call, request: Request) -> Output:
    row = _row(call, request)
    try:
        call.use(Resources).create(row)
    except AlreadyExists:
        raise AwsError("ConflictException", f"Schedule {request['Name']} already exists.", 409) from None
    return {"ScheduleArn": row.arn}


@operation("scheduler", "UpdateSchedule")
def update_schedule(call: Call, request: Request) -> Output:
    """All that the request leaves out gets its default."""
    before = _find(call, request["Name"], request.get("GroupName"))
    row = _row(call, request)
    document = {**dict.fromkeys(before.document), **row.document}
    call.use(Resources).update(SCHEDULE, call.region, row.name, Change(row.status, row.state, document))
    return {"ScheduleArn": row.arn}


@operation("scheduler", "GetSchedule")
def get_schedule(call: Call, request: Request) -> Output:
    row = _find(call, request["Name"], request.get("GroupName"))
    return {**row.document, **_summary(row), "Target": row.document["Target"]}


@operation("scheduler", "ListSchedules")
def list_schedules(call: Call, request: Request) -> Output:
    group, prefix, state = (request.get(name) for name in ("GroupName", "NamePrefix", "State"))
    rows = [_summary(row) for row in call.use(Resources).list(SCHEDULE, call.region)]
    kept = [
        row
        for row in sorted(rows, key=lambda row: (row["GroupName"], row["Name"]))
        if group in (None, row["GroupName"]) and row["Name"].startswith(prefix or "") and state in (None, row["State"])
    ]
    page, token = page_of(kept, request)
    return {"Schedules": page, **({"NextToken": token} if token else {})}


@operation("scheduler", "DeleteSchedule")
def delete_schedule(call: Call, request: Request) -> Output:
    row = _find(call, request["Name"], request.get("GroupName"))
    try:
        call.use(Resources).delete(SCHEDULE, call.region, row.name)
    except NotFound:
        return {}
    return {}


def _find(call: Call, name: str, group: str | None) -> Resource:
    try:
        return call.use(Resources).get(SCHEDULE, call.region, f"{group or DEFAULT}/{name}")
    except NotFound:
        raise AwsError("ResourceNotFoundException", f"Schedule {name} does not exist.", 404) from None


def _row(call: Call, request: Request) -> Resource:
    """The schedule that a request describes. Raises AwsError."""
    group = request.get("GroupName", DEFAULT)
    check_group(call, group)
    document = {k: v for k, v in request.items() if k not in _NO_MEMBERS}
    document["GroupName"] = group
    now = clock.now()
    try:
        moment = next_time(document, now, None)
        _check_target(call, document["Target"])
    except Invalid as error:
        raise _invalid(error.message.replace("Parameter ScheduleExpression", "ScheduleExpression")) from None
    start, end = request.get("StartDate"), request.get("EndDate")
    if start is not None and end is not None and end <= start:
        raise _invalid("The EndDate must be after the StartDate.")
    if request["FlexibleTimeWindow"]["Mode"] == "FLEXIBLE" and (
        "MaximumWindowInMinutes" not in request["FlexibleTimeWindow"]
    ):
        raise _invalid("FlexibleTimeWindow needs MaximumWindowInMinutes with the Mode FLEXIBLE.")
    status = request.get("State", outbox.ENABLED)
    name = request["Name"]
    place = arn("scheduler", call.region, call.account, f"schedule/{group}/{name}")
    return Resource(SCHEDULE, call.region, f"{group}/{name}", place, status, now, now, document, {"next": moment})


def _check_target(call: Call, wanted: dict[str, Any]) -> None:
    place = parse(wanted["Arn"])
    if not target.reaches(place) or place.account != call.account:
        raise Invalid(f"Target: {wanted['Arn']} is nothing that selfmaker's schedules can call.")
    if "Input" in wanted and place.service in ("lambda", "events"):
        paths.check({"Id": "schedule", "Input": wanted["Input"]})
    if place.resource.endswith(".fifo") and not wanted.get("SqsParameters", {}).get("MessageGroupId"):
        raise Invalid("Target: a FIFO queue needs SqsParameters with a MessageGroupId.")


def _summary(row: Resource) -> dict[str, Any]:
    group, _, name = row.name.partition("/")
    return {
        "Arn": row.arn,
        "Name": name,
        "GroupName": group,
        "State": row.status,
        "CreationDate": row.created,
        "LastModificationDate": row.modified,
        "Target": {"Arn": row.document["Target"]["Arn"]},
    }


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)
