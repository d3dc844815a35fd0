"""Tags of rules and event buses."""

from sqlalchemy import Connection

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import NotFound
from selfmaker.events import event_bus
from selfmaker.store import tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Resources
from selfmaker.store.tags import Tags

_MOST = 50


@operation("events", "TagResource")
def tag_resource(call: Call, request: Request) -> Output:
    arn = _known(call, request["ResourceARN"])

    def work(connection: Connection) -> None:
        if len(tags.add(connection, arn, {tag["Key"]: tag["Value"] for tag in request["Tags"]})) > _MOST:
            raise AwsError("LimitExceededException", f"A resource can have no more than {_MOST} tags (Tags).")

    call.use(Database).write(work)
    return None


@operation("events", "UntagResource")
def untag_resource(call: Call, request: Request) -> Output:
    call.use(Tags).remove(_known(call, request["ResourceARN"]), request["TagKeys"])
    return None


@operation("events", "ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Output:
    labels = call.use(Tags).of(_known(call, request["ResourceARN"]))
    return {"Tags": [{"Key": key, "Value": value} for key, value in labels.items()]}


def _known(call: Call, arn: str) -> str:
    """The ARN of a rule or bus that exists."""
    if arn != event_bus.bus_arn(call, event_bus.DEFAULT):
        try:
            call.use(Resources).by_arn(arn)
        except NotFound:
            raise AwsError("ResourceNotFoundException", f"{arn[:256]} does not exist.") from None
    return arn
