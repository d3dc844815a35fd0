"""Tags of functions, and how many calls may be under way at once."""

from sqlalchemy import Connection

from selfmaker.aws.arn import parse
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import Invalid
from selfmaker.lambda_ import faults
from selfmaker.lambda_.function import KIND, find
from selfmaker.lambda_.naming import named
from selfmaker.store import tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Change, Resources
from selfmaker.store.tags import Tags

_MOST = 50


@operation("lambda", "TagResource")
def tag_resource(call: Call, request: Request) -> Output:
    arn = _function(call, request["Resource"])

    def work(connection: Connection) -> None:
        if len(tags.add(connection, arn, request["Tags"])) > _MOST:
            raise faults.invalid(f"Tags: a function can have no more than {_MOST} tags.")

    call.use(Database).write(work)
    return None


@operation("lambda", "UntagResource")
def untag_resource(call: Call, request: Request) -> Output:
    call.use(Tags).remove(_function(call, request["Resource"]), request["TagKeys"])
    return None


@operation("lambda", "ListTags")
def list_tags(call: Call, request: Request) -> Output:
    return {"Tags": call.use(Tags).of(_function(call, request["Resource"]))}


@operation("lambda", "PutFunctionConcurrency")
def put_function_concurrency(call: Call, request: Request) -> Output:
    function = find(call, named(call, request["FunctionName"]).name)
    most = request["ReservedConcurrentExecutions"]
    call.use(Resources).update(KIND, call.region, function.name, Change(state={"most": most}))
    return {"ReservedConcurrentExecutions": most}


@operation("lambda", "GetFunctionConcurrency")
def get_function_concurrency(call: Call, request: Request) -> Output:
    most = find(call, named(call, request["FunctionName"]).name).state.get("most")
    return {"ReservedConcurrentExecutions": most} if most is not None else {}


@operation("lambda", "DeleteFunctionConcurrency")
def delete_function_concurrency(call: Call, request: Request) -> Output:
    function = find(call, named(call, request["FunctionName"]).name)
    call.use(Resources).update(KIND, call.region, function.name, Change(state={"most": None}))
    return None


def _function(call: Call, arn: str) -> str:
    try:
        resource = parse(arn).resource
    except Invalid:
        raise faults.invalid(f"Resource {arn[:256]!r} is no ARN of a function.") from None
    return find(call, named(call, resource).name).arn
