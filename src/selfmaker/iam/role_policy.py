"""The policies of a role: those written into it, and those attached to it."""

from sqlalchemy import Connection

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.iam import documents, entities
from selfmaker.iam.policy import attachable
from selfmaker.store import resources
from selfmaker.store.database import Database
from selfmaker.store.resources import Change, Resource


@operation("iam", "PutRolePolicy")
def put_role_policy(call: Call, request: Request) -> Output:
    documents.check_identity_policy(request["PolicyDocument"])
    added = {request["PolicyName"]: request["PolicyDocument"]}
    entities.change_role(
        call, request["RoleName"], lambda role: Change(state={"Policies": {**role.state.get("Policies", {}), **added}})
    )
    return None


@operation("iam", "GetRolePolicy")
def get_role_policy(call: Call, request: Request) -> Output:
    role, name = entities.read_role(call, request["RoleName"]), request["PolicyName"]
    document = role.state.get("Policies", {}).get(name)
    if document is None:
        raise entities.no_such(f"The role policy with name {name} cannot be found.")
    return {"RoleName": role.name, "PolicyName": name, "PolicyDocument": documents.encoded(document)}


@operation("iam", "DeleteRolePolicy")
def delete_role_policy(call: Call, request: Request) -> Output:
    name = request["PolicyName"]

    def change(role: Resource) -> Change:
        policies = dict(role.state.get("Policies", {}))
        if policies.pop(name, None) is None:
            raise entities.no_such(f"The role policy with name {name} cannot be found.")
        return Change(state={"Policies": policies})

    entities.change_role(call, request["RoleName"], change)
    return None


@operation("iam", "ListRolePolicies")
def list_role_policies(call: Call, request: Request) -> Output:
    names = sorted(entities.read_role(call, request["RoleName"]).state.get("Policies", {}))
    return entities.page(request, "PolicyNames", [(name, name) for name in names])


@operation("iam", "AttachRolePolicy")
def attach_role_policy(call: Call, request: Request) -> Output:
    arn = request["PolicyArn"]

    def work(connection: Connection) -> None:
        role = entities.role_row(connection, request["RoleName"])
        attached = {**role.state.get("Attached", {}), arn: attachable(connection, arn)}
        change = Change(state={"Attached": attached})
        resources.modify(connection, entities.ROLE, entities.REGION, role.name, change)

    call.use(Database).write(work)
    return None


@operation("iam", "DetachRolePolicy")
def detach_role_policy(call: Call, request: Request) -> Output:
    arn = request["PolicyArn"]

    def change(role: Resource) -> Change:
        attached = dict(role.state.get("Attached", {}))
        if attached.pop(arn, None) is None:
            raise entities.no_such(f"Policy {arn} was not found.")
        return Change(state={"Attached": attached})

    entities.change_role(call, request["RoleName"], change)
    return None


@operation("iam", "ListAttachedRolePolicies")
def list_attached_role_policies(call: Call, request: Request) -> Output:
    role, prefix = entities.read_role(call, request["RoleName"]), request.get("PathPrefix", "/")
    shown = {
        entities.policy_key(name, arn): {"PolicyName": name, "PolicyArn": arn}
        for arn, name in role.state.get("Attached", {}).items()
        if ("/" + arn.partition(":policy/")[2]).startswith(prefix)
    }
    return entities.page(request, "AttachedPolicies", sorted(shown.items()))
