"""Event buses: the default one, which is always there, and those that users make."""

from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.arn import arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import page_of
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.store import outbox, tags
from selfmaker.store.resources import Resource, Resources

KIND = "EventBus"
DEFAULT = "default"


@operation("events", "CreateEventBus")
def create_event_bus(call: Call, request: Request) -> Output:
    name, now = request["Name"], clock.now()
    if name == DEFAULT or name.startswith("aws."):
        raise AwsError("ResourceAlreadyExistsException", f"Event bus {name} already exists.")
    if "/" in name or "EventSourceName" in request:
        raise AwsError("ValidationException", "Name: there are no partner event sources here; a name has no slash.")
    arn_ = bus_arn(call, name)
    document = {k: v for k, v in request.items() if k not in ("Name", "Tags")}
    labels = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}

    def also(connection: Connection) -> None:
        tags.add(connection, arn_, labels)

    try:
        bus = Resource(KIND, call.region, name, arn_, "Active", now, now, document, {})
        call.use(Resources).create(bus, also)
    except AlreadyExists:
        raise AwsError("ResourceAlreadyExistsException", f"Event bus {name} already exists.") from None
    return {"EventBusArn": arn_, **document}


@operation("events", "DescribeEventBus")
def describe_event_bus(call: Call, request: Request) -> Output:
    name = bus_name(call, request.get("Name"))
    if name == DEFAULT:
        return {"Name": name, "Arn": bus_arn(call, name)}
    return _shown(call.use(Resources).get(KIND, call.region, name))


@operation("events", "ListEventBuses")
def list_event_buses(call: Call, request: Request) -> Output:
    rows: list[dict[str, Any]] = [{"Name": DEFAULT, "Arn": bus_arn(call, DEFAULT)}]
    rows += [_shown(bus) for bus in call.use(Resources).list(KIND, call.region)]
    rows = [row for row in rows if row["Name"].startswith(request.get("NamePrefix", ""))]
    asked = {"NextToken": request.get("NextToken"), "MaxResults": request.get("Limit")}
    page, token = page_of(rows, {k: v for k, v in asked.items() if v is not None})
    return {"EventBuses": page, **({"NextToken": token} if token else {})}


@operation("events", "DeleteEventBus")
def delete_event_bus(call: Call, request: Request) -> Output:
    """Its rules must have gone before; a bus that is not there is no error."""
    name = request["Name"]
    if name == DEFAULT:
        raise AwsError("ValidationException", "Cannot delete event bus default.")
    if any(rule.document["EventBusName"] == name for rule in call.use(Resources).list(outbox.RULE, call.region)):
        raise AwsError("ValidationException", f"Event bus {name} can't be deleted since it has rules.")

    try:
        call.use(Resources).delete(KIND, call.region, name, lambda c: tags.forget(c, bus_arn(call, name)))
    except NotFound:
        return None
    return None


def bus_name(call: Call, given: str | None) -> str:
    """The name of the bus that a request means, by name or ARN. Raises AwsError when there is none."""
    name = (given or DEFAULT).rpartition("event-bus/")[2]
    if name != DEFAULT:
        try:
            call.use(Resources).get(KIND, call.region, name)
        except NotFound:
            raise AwsError("ResourceNotFoundException", f"Event bus {name} does not exist.") from None
    return name


def bus_arn(call: Call, name: str) -> str:
    return arn("events", call.region, call.account, f"event-bus/{name}")


def _shown(bus: Resource) -> dict[str, Any]:
    return {
        "Name": bus.name,
        "Arn": bus.arn,
        "CreationTime": bus.created,
        "LastModifiedTime": bus.modified,
        **bus.document,
    }
