"""Log groups."""

from itertools import islice
from typing import Any

from sqlalchemy import Connection

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.logs import faults, names
from selfmaker.store import tags
from selfmaker.store.log_groups import LogGroup
from selfmaker.store.log_streams import LogStreams

_MOST = 50


@operation("logs", "CreateLogGroup")
def create_log_group(call: Call, request: Request) -> Output:
    name = request["logGroupName"]
    document = {key: value for key, value in request.items() if key not in ("logGroupName", "tags")}

    def also(connection: Connection) -> None:
        tags.add(connection, names.group_arn(call, name), request.get("tags", {}))

    with faults.in_aws_words():
        call.use(LogStreams).groups.create(call.region, name, document, also)
    return None


@operation("logs", "DescribeLogGroups")
def describe_log_groups(call: Call, request: Request) -> Output:
    streams = call.use(LogStreams)
    prefix, pattern = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
    if prefix is not None and pattern is not None:
        raise faults.invalid("logGroupNamePrefix and logGroupNamePattern are mutually exclusive parameters.")
    limit = int(request.get("limit") or _MOST)
    found = streams.groups.list(
        call.region, prefix=prefix or "", containing=pattern or "", after=request.get("nextToken", "")
    )
    wanted = {names.plain(identifier) for identifier in request.get("logGroupIdentifiers", ())}
    kind = request.get("logGroupClass")
    page = list(islice((g for g in found if (not wanted or g.name in wanted) and kind in (None, _kind(g))), limit + 1))
    if pattern is not None:
        shown = [_named(call, group) for group in page[:limit]]
    else:
        shown = [{**_named(call, group), **_described(call, streams, group)} for group in page[:limit]]
    return {"logGroups": shown, "nextToken": page[limit - 1].name if len(page) > limit else None}


@operation("logs", "DeleteLogGroup")
def delete_log_group(call: Call, request: Request) -> Output:
    name, streams = request["logGroupName"], call.use(LogStreams)
    with faults.in_aws_words():
        if streams.groups.get(call.region, name).document.get("deletionProtectionEnabled"):
            raise faults.invalid("The log group has deletion protection enabled and cannot be deleted.")
        streams.delete_group(call.region, name, lambda c: tags.forget(c, names.group_arn(call, name)))
    return None


@operation("logs", "PutLogGroupDeletionProtection")
def put_log_group_deletion_protection(call: Call, request: Request) -> Output:
    name = names.plain(request["logGroupIdentifier"])
    wanted = {"deletionProtectionEnabled": request["deletionProtectionEnabled"]}
    with faults.in_aws_words():
        call.use(LogStreams).groups.add_to_document(call.region, name, wanted)
    return None


def _kind(group: LogGroup) -> str:
    return str(group.document.get("logGroupClass", "STANDARD"))


def _named(call: Call, group: LogGroup) -> dict[str, Any]:
    arn = names.group_arn(call, group.name)
    return {"logGroupName": group.name, "creationTime": group.created_ms, "arn": f"{arn}:*"}


def _described(call: Call, streams: LogStreams, group: LogGroup) -> dict[str, Any]:
    return {
        "retentionInDays": group.retention_days,
        "metricFilterCount": 0,
        "storedBytes": streams.stored_bytes(call.region, group.name),
        "kmsKeyId": group.document.get("kmsKeyId"),
        "logGroupClass": _kind(group),
        "logGroupArn": names.group_arn(call, group.name),
        "deletionProtectionEnabled": bool(group.document.get("deletionProtectionEnabled")),
    }
