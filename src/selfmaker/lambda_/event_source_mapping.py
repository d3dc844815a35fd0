"""Event source mappings: functions that are called with what comes into a queue."""

import json
import uuid
from typing import Any

from selfmaker import clock
from selfmaker.aws.arn import arn, parse
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import Invalid, NotFound
from selfmaker.events import pattern
from selfmaker.lambda_ import configuration, faults
from selfmaker.lambda_.function import find, listed, resolved
from selfmaker.lambda_.naming import function_arn, named
from selfmaker.store.resources import Change, Resource, Resources

KIND = "EventSourceMapping"
ENABLED, DISABLED = "Enabled", "Disabled"

_DEFAULTS = {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0}
_MEMBERS = ("EventSourceArn", "BatchSize", "MaximumBatchingWindowInSeconds", "FilterCriteria", "FunctionResponseTypes")


@operation("lambda", "CreateEventSourceMapping")
def create_event_source_mapping(call: Call, request: Request) -> Output:
    """Queues are the only sources. A batching window is kept without effect: functions are called at once."""
    source = request.get("EventSourceArn")
    if source is None:
        raise faults.invalid("EventSourceArn is required: selfmaker's functions listen to SQS queues.")
    function = _function(call, request["FunctionName"])
    document = {k: v for k, v in request.items() if k in _MEMBERS}
    _check(call, document, request["FunctionName"])
    for row in call.use(Resources).list(KIND, call.region):
        if (row.document["EventSourceArn"], row.document["FunctionArn"]) == (source, function):
            raise faults.conflict(
                f'An event source mapping with SQS arn (" {source} ") and function (" {function} ") already exists. '
                f"Please update or delete the existing mapping with UUID {row.name}"
            )
    document["FunctionArn"] = function
    name, now = str(uuid.uuid4()), clock.now()
    status = ENABLED if request.get("Enabled", True) else DISABLED
    place = arn("lambda", call.region, call.account, f"event-source-mapping:{name}")
    row = Resource(KIND, call.region, name, place, status, now, now, document, {})
    call.use(Resources).create(row)
    return _shown(row)


@operation("lambda", "UpdateEventSourceMapping")
def update_event_source_mapping(call: Call, request: Request) -> Output:
    row = _find(call, request["UUID"])
    document = {k: v for k, v in request.items() if k in _MEMBERS}
    name = str(request.get("FunctionName", row.document["FunctionArn"]))
    document["FunctionArn"] = _function(call, name)
    _check(call, {**row.document, **document}, name)
    status = {True: ENABLED, False: DISABLED}.get(request.get("Enabled"), row.status)  # type: ignore[arg-type]
    return _shown(call.use(Resources).update(KIND, call.region, row.name, Change(status, document=document)))


@operation("lambda", "GetEventSourceMapping")
def get_event_source_mapping(call: Call, request: Request) -> Output:
    return _shown(_find(call, request["UUID"]))


@operation("lambda", "ListEventSourceMappings")
def list_event_source_mappings(call: Call, request: Request) -> Output:
    source = request.get("EventSourceArn")
    function = _function(call, request["FunctionName"]) if "FunctionName" in request else None
    rows = [
        _shown(row)
        for row in call.use(Resources).list(KIND, call.region)
        if source in (None, row.document["EventSourceArn"]) and function in (None, row.document["FunctionArn"])
    ]
    return listed(rows, request, "EventSourceMappings")


@operation("lambda", "DeleteEventSourceMapping")
def delete_event_source_mapping(call: Call, request: Request) -> Output:
    row = _find(call, request["UUID"])
    try:
        call.use(Resources).delete(KIND, call.region, row.name)
    except NotFound:
        raise _missing() from None
    return {**_shown(row), "State": "Deleting"}


def _function(call: Call, text: str) -> str:
    """The ARN of a function that is there, with its qualifier."""
    name = named(call, text)
    resolved(call, name)
    return function_arn(call, name.name, name.qualifier)


def _check(call: Call, document: dict[str, Any], function: str) -> None:
    try:
        source = parse(document["EventSourceArn"])
    except Invalid:
        raise faults.invalid("EventSourceArn is no ARN.") from None
    if source.service != "sqs" or source.account != call.account:
        raise faults.invalid(f"EventSourceArn {source}: selfmaker's functions listen to the account's SQS queues only.")
    try:
        queue = call.use(Resources).get("Queue", source.region, source.resource)
    except NotFound:
        raise faults.invalid(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error "
            f"Message: The queue {source.resource} (EventSourceArn) does not exist."
        ) from None
    hidden = int(queue.document.get("VisibilityTimeout", 30))
    timeout = {**configuration.DEFAULTS, **find(call, named(call, function).name).document}["Timeout"]
    if hidden < timeout:
        raise faults.invalid(
            f"Queue visibility timeout: {hidden} seconds is less than Function timeout: {timeout} seconds"
        )
    for item in document.get("FilterCriteria", {}).get("Filters", []):
        try:
            pattern.check(json.loads(item.get("Pattern", "")))
        except (ValueError, RecursionError, Invalid):
            raise faults.invalid("Invalid filter pattern definition (FilterCriteria).") from None


def _find(call: Call, name: str) -> Resource:
    try:
        return call.use(Resources).get(KIND, call.region, name)
    except NotFound:
        raise _missing() from None


def _missing() -> Exception:
    return faults.missing("The resource you requested does not exist.")


def _shown(row: Resource) -> dict[str, Any]:
    return {
        **_DEFAULTS,
        **row.document,
        "UUID": row.name,
        "EventSourceMappingArn": row.arn,
        "State": row.status,
        "StateTransitionReason": "USER_INITIATED",
        "LastModified": row.modified,
        "LastProcessingResult": row.state.get("result", "No records processed"),
    }
