"""Events of users' own, and the question whether a pattern fits one."""

import json
from typing import Any

from selfmaker import clock, ids
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.events import pattern
from selfmaker.events.dispatcher import Dispatcher
from selfmaker.events.event_bus import bus_name
from selfmaker.events.form import event as formed
from selfmaker.events.rule import checked_pattern

_LARGEST = 262_144  # bytes of all entries together
_ENVELOPE = ("id", "detail-type", "source", "account", "time", "region", "resources", "detail")


@operation("events", "PutEvents")
def put_events(call: Call, request: Request) -> Output:
    """What is accepted is on disk, with everything that is to happen because of it."""
    if sum(_size(entry) for entry in request["Entries"]) > _LARGEST:
        message = f"Total size of the entries in the request is over the limit of {_LARGEST} bytes."
        raise AwsError("ValidationException", message)
    good, answers = [], []
    for entry in request["Entries"]:
        problem = _problem(entry)
        if problem is not None:
            code, message = problem
            answers.append({"ErrorCode": code, "ErrorMessage": message})
            continue
        event = _event(call, entry)
        answers.append({"EventId": event["id"]})
        try:
            good.append((bus_name(call, entry.get("EventBusName")), event))
        except AwsError:
            continue  # as AWS does: an event for a bus that is not there is accepted and goes nowhere
    call.use(Dispatcher).offer(call.region, good)
    return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}


@operation("events", "TestEventPattern")
def test_event_pattern(call: Call, request: Request) -> Output:
    wanted = checked_pattern(request["EventPattern"])
    try:
        event = json.loads(request["Event"])
    except (ValueError, RecursionError):
        raise AwsError("ValidationException", "Parameter Event is not valid. Reason: it is no JSON.") from None
    missing = [name for name in _ENVELOPE if not isinstance(event, dict) or name not in event]
    if missing:
        raise AwsError("ValidationException", f"Parameter Event is not valid. Reason: it has no {missing[0]!r}.")
    return {"Result": pattern.matches(wanted, event)}


def _event(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    return formed(
        id=ids.request_id(),
        kind=entry["DetailType"],
        source=entry["Source"],
        account=call.account,
        time=entry.get("Time", clock.now()),
        region=call.region,
        resources=entry.get("Resources", []),
        detail=json.loads(entry["Detail"]),
    )


def _problem(entry: dict[str, Any]) -> tuple[str, str] | None:
    for member in ("Source", "DetailType", "Detail"):
        if not entry.get(member):
            return "InvalidArgument", f"Parameter {member} is not valid. Reason: {member} is a required argument."
    if entry["Source"].startswith("aws."):
        return "NotAuthorizedForSourceException", "Not authorized for the source."
    try:
        detail = json.loads(entry["Detail"])
    except (ValueError, RecursionError):
        return "MalformedDetail", "Detail is malformed."
    return None if isinstance(detail, dict) else ("MalformedDetail", "Detail is malformed.")


def _size(entry: dict[str, Any]) -> int:
    texts = [entry.get("Source", ""), entry.get("DetailType", ""), entry.get("Detail", ""), *entry.get("Resources", [])]
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) + (14 if "Time" in entry else 0)
