"""Log streams."""

from typing import Any

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.logs import faults, names
from selfmaker.store.log_span import Span
from selfmaker.store.log_streams import LogStream, LogStreams, StreamQuery

_MOST = 50


@operation("logs", "CreateLogStream")
def create_log_stream(call: Call, request: Request) -> Output:
    with faults.in_aws_words():
        call.use(LogStreams).create_stream(call.region, request["logGroupName"], request["logStreamName"])
    return None


@operation("logs", "DescribeLogStreams")
def describe_log_streams(call: Call, request: Request) -> Output:
    """No nextToken unless there is another page: SDK v2 asks again for as long as it sees one."""
    by_last_event = request.get("orderBy") == "LastEventTime"
    if by_last_event and "logStreamNamePrefix" in request:
        raise faults.invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    query = StreamQuery(
        prefix=request.get("logStreamNamePrefix", ""),
        by_last_event=by_last_event,
        descending=request.get("descending", False),
        limit=request.get("limit", _MOST),
        token=request.get("nextToken"),
    )
    with faults.in_aws_words():
        found, token = call.use(LogStreams).streams(call.region, names.group_of(request), query)
    return {"logStreams": [_described(call, stream, span) for stream, span in found], "nextToken": token}


@operation("logs", "DeleteLogStream")
def delete_log_stream(call: Call, request: Request) -> Output:
    with faults.in_aws_words():
        call.use(LogStreams).delete_stream(call.region, request["logGroupName"], request["logStreamName"])
    return None


def _described(call: Call, stream: LogStream, span: Span) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "firstEventTimestamp": span.first_ms,
        "lastEventTimestamp": span.last_ms,
        "lastIngestionTime": span.ingested_ms,
        "arn": f"{names.group_arn(call, stream.group)}:log-stream:{stream.name}",
        "storedBytes": 0,
    }
