"""Contexts: what other lineage entities belong to together, such as an endpoint or a model package group."""

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.sagemaker import lineage_entity as entity
from selfmaker.sagemaker.lineage_entity import CONTEXT

_REPLACED = ("Description",)


@operation("sagemaker", "CreateContext")
def create_context(call: Call, request: Request) -> Output:
    return entity.create(call, CONTEXT, request)


@operation("sagemaker", "DescribeContext")
def describe_context(call: Call, request: Request) -> Output:
    row = entity.find(call, CONTEXT, request["ContextName"])
    return describe("sagemaker", "DescribeContext", entity.described(row, CONTEXT))


@operation("sagemaker", "ListContexts")
def list_contexts(call: Call, request: Request) -> Output:
    return describe("sagemaker", "ListContexts", entity.listed(call, CONTEXT, request))


@operation("sagemaker", "UpdateContext")
def update_context(call: Call, request: Request) -> Output:
    return entity.update(call, CONTEXT, request, _REPLACED)


@operation("sagemaker", "DeleteContext")
def delete_context(call: Call, request: Request) -> Output:
    return entity.delete(call, CONTEXT, request)
