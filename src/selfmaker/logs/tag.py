"""Tags of log groups, by ARN and by name."""

from collections.abc import Mapping

from sqlalchemy import Connection

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.logs import faults, names
from selfmaker.store import tags
from selfmaker.store.database import Database
from selfmaker.store.log_streams import LogStreams
from selfmaker.store.tags import Tags

_MOST = 50


@operation("logs", "TagResource")
def tag_resource(call: Call, request: Request) -> Output:
    _add(call, _known(call, names.plain(request["resourceArn"])), request["tags"])
    return None


@operation("logs", "UntagResource")
def untag_resource(call: Call, request: Request) -> Output:
    call.use(Tags).remove(_known(call, names.plain(request["resourceArn"])), request["tagKeys"])
    return None


@operation("logs", "ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Output:
    return {"tags": call.use(Tags).of(_known(call, names.plain(request["resourceArn"])))}


@operation("logs", "TagLogGroup")
def tag_log_group(call: Call, request: Request) -> Output:
    _add(call, _known(call, request["logGroupName"]), request["tags"])
    return None


@operation("logs", "UntagLogGroup")
def untag_log_group(call: Call, request: Request) -> Output:
    call.use(Tags).remove(_known(call, request["logGroupName"]), request["tags"])
    return None


@operation("logs", "ListTagsLogGroup")
def list_tags_log_group(call: Call, request: Request) -> Output:
    return {"tags": call.use(Tags).of(_known(call, request["logGroupName"]))}


def _known(call: Call, name: str) -> str:
    """The ARN of a group that exists."""
    with faults.in_aws_words():
        call.use(LogStreams).groups.get(call.region, name)
    return names.group_arn(call, name)


def _add(call: Call, arn: str, labels: Mapping[str, str]) -> None:
    def work(connection: Connection) -> None:
        if len(tags.add(connection, arn, labels)) > _MOST:
            raise AwsError("TooManyTagsException", f"A resource can have no more than {_MOST} tags.", resourceName=arn)

    call.use(Database).write(work)
