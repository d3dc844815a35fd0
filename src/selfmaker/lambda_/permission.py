"""Who may call a function: kept and shown. Whoever has credentials of the account may call every function here."""

import json
from typing import Any

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.lambda_ import faults
from selfmaker.lambda_.function import KIND, check_revision, find
from selfmaker.lambda_.naming import function_arn, named
from selfmaker.store.resources import Change, Resource, Resources


@operation("lambda", "AddPermission")
def add_permission(call: Call, request: Request) -> Output:
    name = named(call, request["FunctionName"], request.get("Qualifier"))
    function = find(call, name.name)
    statement = _statement(request, function_arn(call, name.name, name.qualifier))

    def with_it(row: Resource) -> Change:
        check_revision(row, request)
        statements = _statements(row)
        if any(known["Sid"] == request["StatementId"] for known in statements):
            raise faults.conflict(
                f"The statement id ({request['StatementId']}) provided already exists. Please provide a new statement "
                "id, or remove the existing statement."
            )
        return Change(state={"policy": [*statements, statement]})

    call.use(Resources).revise(KIND, call.region, function.name, with_it)
    return {"Statement": json.dumps(statement)}


@operation("lambda", "RemovePermission")
def remove_permission(call: Call, request: Request) -> Output:
    function = find(call, named(call, request["FunctionName"], request.get("Qualifier")).name)

    def without_it(row: Resource) -> Change:
        check_revision(row, request)
        statements = _statements(row)
        kept = [statement for statement in statements if statement["Sid"] != request["StatementId"]]
        if len(kept) == len(statements):
            raise faults.missing(f"Statement {request['StatementId']} is not found in resource policy.")
        return Change(state={"policy": kept or None})

    call.use(Resources).revise(KIND, call.region, function.name, without_it)
    return None


@operation("lambda", "GetPolicy")
def get_policy(call: Call, request: Request) -> Output:
    name = named(call, request["FunctionName"], request.get("Qualifier"))
    function = find(call, name.name)
    arn = function_arn(call, name.name, name.qualifier)
    statements = [s for s in _statements(function) if not name.qualifier or s["Resource"] == arn]
    if not statements:
        raise faults.missing("The resource you requested does not exist.")
    policy = {"Version": "2012-10-17", "Id": "default", "Statement": statements}
    return {"Policy": json.dumps(policy), "RevisionId": function.state["revision"]}


def _statements(function: Resource) -> list[dict[str, Any]]:
    return list(function.state.get("policy", []))


def _statement(request: Request, arn: str) -> dict[str, Any]:
    principal = request["Principal"]
    service = principal.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    who: Any = {"Service": principal} if service else "*" if principal == "*" else {"AWS": principal}
    statement: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": who,
        "Action": request["Action"],
        "Resource": arn,
    }
    condition: dict[str, Any] = {}
    if "SourceArn" in request:
        condition["ArnLike"] = {"AWS:SourceArn": request["SourceArn"]}
    if "SourceAccount" in request:
        condition["StringEquals"] = {"AWS:SourceAccount": request["SourceAccount"]}
    return {**statement, **({"Condition": condition} if condition else {})}
