"""Actions: what was done in the lineage of things, such as a deployment or an approval."""

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.sagemaker import lineage_entity as entity
from selfmaker.sagemaker.lineage_entity import ACTION

_REPLACED = ("Description", "Status")


@operation("sagemaker", "CreateAction")
def create_action(call: Call, request: Request) -> Output:
    return entity.create(call, ACTION, request)


@operation("sagemaker", "DescribeAction")
def describe_action(call: Call, request: Request) -> Output:
    row = entity.find(call, ACTION, request["ActionName"])
    return describe("sagemaker", "DescribeAction", entity.described(row, ACTION))


@operation("sagemaker", "ListActions")
def list_actions(call: Call, request: Request) -> Output:
    return describe("sagemaker", "ListActions", entity.listed(call, ACTION, request))


@operation("sagemaker", "UpdateAction")
def update_action(call: Call, request: Request) -> Output:
    return entity.update(call, ACTION, request, _REPLACED)


@operation("sagemaker", "DeleteAction")
def delete_action(call: Call, request: Request) -> Output:
    return entity.delete(call, ACTION, request)
