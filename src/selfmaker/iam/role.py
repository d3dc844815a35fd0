"""Roles."""

from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import AlreadyExists
from selfmaker.iam import documents, entities
from selfmaker.iam.entities import REGION, ROLE
from selfmaker.store import resources, tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Change, Resource, Resources

DEFAULT_ROLE = "SageMakerRole"
DEFAULT_ROLE_ID = "AROASELFMAKERROLE2345"
_FULL_ACCESS = entities.MANAGED + "AmazonSageMakerFullAccess"
_TRUST_SAGEMAKER = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", '
    '"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
)


def ensure_default_role(store: Resources, account: str) -> None:
    """See to it that SageMakerRole exists; one that the user has changed stays as it is."""
    request = {
        "RoleName": DEFAULT_ROLE,
        "AssumeRolePolicyDocument": _TRUST_SAGEMAKER,
        "Description": "The role that selfmaker gives to jobs and callers.",
    }
    state = {"RoleId": DEFAULT_ROLE_ID, "Attached": {_FULL_ACCESS: _FULL_ACCESS.rpartition("/")[2]}}
    try:
        store.create(_new(request, account, state))
    except AlreadyExists:
        return


def described(role: Resource) -> dict[str, Any]:
    """A role as the lists show it."""
    document = role.document
    result: dict[str, Any] = {"Description": document["Description"]} if "Description" in document else {}
    if "PermissionsBoundary" in document:
        boundary = {"PermissionsBoundaryType": "PermissionsBoundaryPolicy"}
        result["PermissionsBoundary"] = {**boundary, "PermissionsBoundaryArn": document["PermissionsBoundary"]}
    return {
        "Path": document.get("Path", "/"),
        "RoleName": role.name,
        "RoleId": role.state["RoleId"],
        "Arn": role.arn,
        "CreateDate": role.created,
        "AssumeRolePolicyDocument": documents.encoded(document["AssumeRolePolicyDocument"]),
        "MaxSessionDuration": document.get("MaxSessionDuration", 3600),
        **result,
    }


def _new(request: Request, account: str, state: dict[str, Any]) -> Resource:
    now = clock.now()
    name = request["RoleName"]
    arn = f"arn:aws:iam::{account}:role{request.get('Path', '/')}{name}"
    document = {key: value for key, value in request.items() if key != "Tags"}
    return Resource(ROLE, REGION, name, arn, "Active", now, now, document, {"RoleId": entities.new_id("AROA"), **state})


@operation("iam", "CreateRole")
def create_role(call: Call, request: Request) -> Output:
    documents.check_trust_policy(request["AssumeRolePolicyDocument"])
    role = _new(request, call.account, {})
    labels = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}

    def work(connection: Connection) -> None:
        if entities.exists(connection, ROLE, role.name):
            raise entities.already_exists(f"Role with name {role.name} already exists.")
        resources.create(connection, role)
        tags.add(connection, role.arn, labels)

    call.use(Database).write(work)
    return {"Role": {**described(role), **_tag_list(labels)}}


@operation("iam", "GetRole")
def get_role(call: Call, request: Request) -> Output:
    def work(connection: Connection) -> dict[str, Any]:
        role = entities.role_row(connection, request["RoleName"])
        return {**described(role), **_tag_list(tags.of(connection, role.arn))}

    return {"Role": call.use(Database).read(work)}


def _tag_list(labels: dict[str, str]) -> dict[str, Any]:
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(labels.items())]} if labels else {}


@operation("iam", "ListRoles")
def list_roles(call: Call, request: Request) -> Output:
    prefix = request.get("PathPrefix", "/")
    found = sorted(call.use(Resources).list(ROLE, REGION), key=lambda role: role.name)
    shown = [(role.name, described(role)) for role in found if role.document.get("Path", "/").startswith(prefix)]
    return entities.page(request, "Roles", shown)


@operation("iam", "DeleteRole")
def delete_role(call: Call, request: Request) -> Output:
    def work(connection: Connection) -> None:
        role = entities.role_row(connection, request["RoleName"])
        if role.state.get("Attached"):
            raise entities.conflict("Cannot delete entity, must detach all policies first.")
        if role.state.get("Policies"):
            raise entities.conflict("Cannot delete entity, must delete policies first.")
        resources.remove(connection, ROLE, REGION, role.name)
        tags.forget(connection, role.arn)

    call.use(Database).write(work)
    return None


@operation("iam", "UpdateRole")
def update_role(call: Call, request: Request) -> Output:
    wanted: dict[str, Any] = {name: request[name] for name in ("Description", "MaxSessionDuration") if name in request}
    entities.change_role(call, request["RoleName"], lambda role: Change(document=wanted))
    return {}


@operation("iam", "UpdateRoleDescription")
def update_role_description(call: Call, request: Request) -> Output:
    wanted = {"Description": request["Description"]}
    role = entities.change_role(call, request["RoleName"], lambda role: Change(document=wanted))
    return {"Role": described(role)}


@operation("iam", "UpdateAssumeRolePolicy")
def update_assume_role_policy(call: Call, request: Request) -> Output:
    documents.check_trust_policy(request["PolicyDocument"])
    wanted = {"AssumeRolePolicyDocument": request["PolicyDocument"]}
    entities.change_role(call, request["RoleName"], lambda role: Change(document=wanted))
    return None
