"""Tags of repositories."""

from sqlalchemy import Connection

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.ecr.repository import KIND, missing
from selfmaker.errors import NotFound
from selfmaker.store import tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Resources
from selfmaker.store.tags import Tags

_MOST = 50


@operation("ecr", "TagResource")
def tag_resource(call: Call, request: Request) -> Output:
    arn = _known(call, request["resourceArn"])
    labels = {tag["Key"]: tag["Value"] for tag in request["tags"]}

    def work(connection: Connection) -> None:
        if len(tags.add(connection, arn, labels)) > _MOST:
            raise AwsError("TooManyTagsException", f"The number of tags exceeds the limit of {_MOST}.")

    call.use(Database).write(work)
    return {}


@operation("ecr", "UntagResource")
def untag_resource(call: Call, request: Request) -> Output:
    call.use(Tags).remove(_known(call, request["resourceArn"]), request["tagKeys"])
    return {}


@operation("ecr", "ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Output:
    found = call.use(Tags).of(_known(call, request["resourceArn"]))
    return {"tags": [{"Key": key, "Value": value} for key, value in found.items()]}


def _known(call: Call, arn: str) -> str:
    """``arn`` if a repository bears it."""
    name = arn.partition(":repository/")[2]
    if not arn.startswith("arn:aws") or not name:
        raise AwsError(
            "InvalidParameterException",
            f"Invalid parameter at 'resourceArn' failed to satisfy constraint: "
            f"'must be the ARN of a repository', got '{arn}'",
        )
    try:
        resource = call.use(Resources).by_arn(arn)
    except NotFound:
        raise missing(call, name) from None
    if resource.kind != KIND:
        raise missing(call, name)
    return arn
