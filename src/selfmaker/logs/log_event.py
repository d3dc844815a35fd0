"""Log events: putting them, reading a stream's, searching a group's."""

import itertools
import zlib
from typing import Any

from selfmaker import clock
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.logs import faults, filter_pattern, names
from selfmaker.store.log_file import MAX_TEXT, Event
from selfmaker.store.log_page import PAGE_EVENTS, Window
from selfmaker.store.log_search import Search, search
from selfmaker.store.log_streams import LogStream, LogStreams

_HOUR = 3_600_000
_DAY = 24 * _HOUR
_BATCH_BYTES = 1 << 20
_EVENT_OVERHEAD = 26
_BACKWARDS_SINCE = 1_704_067_200_000  # 2024-01-01: AWS searches backwards no further


@operation("logs", "GetLogEvents")
def get_log_events(call: Call, request: Request) -> Output:
    window = Window(
        start_ms=request.get("startTime", 0),
        end_ms=request.get("endTime"),
        limit=request.get("limit", PAGE_EVENTS),
        token=request.get("nextToken"),
        from_head=request.get("startFromHead", False),
    )
    with faults.in_aws_words():
        page = call.use(LogStreams).read(call.region, names.group_of(request), request["logStreamName"], window)
    return {
        "events": [_shown(event) for event in page.events],
        "nextForwardToken": page.forward,
        "nextBackwardToken": page.backward,
    }


@operation("logs", "FilterLogEvents")
def filter_log_events(call: Call, request: Request) -> Output:
    streams, group = call.use(LogStreams), names.group_of(request)
    newest_first = request.get("startFromHead") is False
    if newest_first and request.get("startTime", 0) < _BACKWARDS_SINCE:
        raise faults.invalid("startFromHead can be false only with a startTime on or after January 1, 2024.")
    with faults.in_aws_words():
        wanted = Search(
            matches=filter_pattern.compiled(request.get("filterPattern", "")),
            start_ms=request.get("startTime", 0),
            end_ms=request.get("endTime"),
            limit=request.get("limit", PAGE_EVENTS),
            token=request.get("nextToken"),
            newest_first=newest_first,
        )
        found = search(streams, _among(streams.all_streams(call.region, group), request), wanted)
    events = [{"logStreamName": name, **_shown(event), "eventId": _id(name, event)} for name, event in found.events]
    return {"events": events, "searchedLogStreams": [], "nextToken": found.token}


@operation("logs", "PutLogEvents")
def put_log_events(call: Call, request: Request) -> Output:
    events = [(event["timestamp"], event["message"]) for event in request["logEvents"]]
    _check_batch(events)
    streams, group, stream = call.use(LogStreams), request["logGroupName"], request["logStreamName"]
    with faults.in_aws_words():
        streams.stream(call.region, group, stream)
        accepted, rejected = _sorted_out(events, streams.groups.get(call.region, group).retention_days)
        if accepted:
            if accepted[-1][0] - accepted[0][0] > _DAY:
                raise faults.invalid(
                    "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
                )
            streams.append(call.region, group, stream, accepted)
    token = f"{clock.now_ms():056d}"
    return {"nextSequenceToken": token, "rejectedLogEventsInfo": rejected or None}


def _check_batch(events: list[tuple[int, str]]) -> None:
    sizes = [len(text.encode("utf-8", "replace")) for _, text in events]
    if max(sizes) > MAX_TEXT:
        raise faults.invalid(f"Log event too large: {max(sizes)} bytes exceeds limit of {MAX_TEXT}")
    total = sum(sizes) + _EVENT_OVERHEAD * len(events)
    if total > _BATCH_BYTES:
        raise faults.invalid(f"Upload too large: {total} bytes exceeds limit of {_BATCH_BYTES}")
    if any(later[0] < earlier[0] for earlier, later in itertools.pairwise(events)):
        raise faults.invalid("Log events in a single PutLogEvents request must be in chronological order.")


def _sorted_out(
    events: list[tuple[int, str]], retention_days: int | None
) -> tuple[list[tuple[int, str]], dict[str, int]]:
    """The events that are accepted, and what to say of the others: only the last 14 days (or what the group retains)
    and the next 2 hours are taken."""
    now = clock.now_ms()
    expired = sum(at < now - retention_days * _DAY for at, _ in events) if retention_days else 0
    old = sum(at < now - 14 * _DAY for at, _ in events)
    good = [event for event in events[max(old, expired) :] if event[0] <= now + 2 * _HOUR]
    first_new = max(old, expired) + len(good)
    rejected = {}
    if first_new < len(events):
        rejected["tooNewLogEventStartIndex"] = first_new
    if old:
        rejected["tooOldLogEventEndIndex"] = old
    if expired:
        rejected["expiredLogEventEndIndex"] = expired
    return good, rejected


def _among(found: list[LogStream], request: Request) -> list[LogStream]:
    chosen, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if chosen is not None and prefix is not None:
        raise AwsError("InvalidParameterException", "logStreamNames and logStreamNamePrefix cannot both be given.")
    if chosen is None:
        return [stream for stream in found if stream.name.startswith(prefix or "")]
    wanted = set(chosen)
    among = [stream for stream in found if stream.name in wanted]
    if len(among) < len(wanted):
        raise faults.missing("log stream")
    return among


def _shown(event: Event) -> dict[str, Any]:
    return {"timestamp": event.timestamp, "message": event.text, "ingestionTime": event.ingested}


def _id(stream: str, event: Event) -> str:
    """56 digits, as AWS's ids have: the time, the stream and the place in it."""
    return f"{event.timestamp:014d}{zlib.crc32(stream.encode()):010d}{event.offset:032d}"
