"""The tags of roles."""

from sqlalchemy import Connection

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.iam import entities
from selfmaker.store import tags
from selfmaker.store.database import Database
from selfmaker.store.tags import Tags

_MOST_TAGS = 50


@operation("iam", "TagRole")
def tag_role(call: Call, request: Request) -> Output:
    arn = entities.read_role(call, request["RoleName"]).arn
    labels = {tag["Key"]: tag["Value"] for tag in request["Tags"]}

    def work(connection: Connection) -> None:
        if len(tags.add(connection, arn, labels)) > _MOST_TAGS:
            raise AwsError("LimitExceeded", f"Cannot exceed quota for TagsPerRole: {_MOST_TAGS}", 409)

    call.use(Database).write(work)
    return None


@operation("iam", "UntagRole")
def untag_role(call: Call, request: Request) -> Output:
    call.use(Tags).remove(entities.read_role(call, request["RoleName"]).arn, request["TagKeys"])
    return None


@operation("iam", "ListRoleTags")
def list_role_tags(call: Call, request: Request) -> Output:
    found = call.use(Tags).of(entities.read_role(call, request["RoleName"]).arn)
    shown = [(f"{number:04d}", {"Key": key, "Value": found[key]}) for number, key in enumerate(sorted(found))]
    return entities.page(request, "Tags", shown)
