"""Managed policies. Those of the user are rows; of AWS's own every one that is asked for exists."""

from typing import Any

from sqlalchemy import Connection, select

from selfmaker import clock
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.iam import documents, entities
from selfmaker.iam.entities import MANAGED, POLICY, REGION, ROLE
from selfmaker.store import resources, tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Resource

_EVERYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
_LAUNCH = 1424136000.0  # when AWS's own policies came to be


def policy_row(connection: Connection, arn: str) -> Resource:
    """The row of a policy; one made up on the spot for AWS's own. Raises NoSuchEntity."""
    if arn.startswith(MANAGED) and len(arn) > len(MANAGED) and not arn.endswith("/"):
        return _aws_policy(arn)
    for row in _rows(connection, POLICY):
        if row.arn == arn:
            return row
    raise entities.no_such(f"Policy {arn} was not found.")


def attachable(connection: Connection, arn: str) -> str:
    """The name of a policy that exists. Raises NoSuchEntity, InvalidInput."""
    if ":policy/" not in arn:
        raise AwsError("InvalidInput", f"ARN {arn} is not valid.")
    try:
        return policy_row(connection, arn).name
    except AwsError:
        raise entities.no_such(f"Policy {arn} does not exist or is not attachable.") from None


def attachments(connection: Connection) -> dict[str, int]:
    """To how many roles each policy is attached, by ARN."""
    counts: dict[str, int] = {}
    for role in _rows(connection, ROLE):
        for arn in role.state.get("Attached", {}):
            counts[arn] = counts.get(arn, 0) + 1
    return counts


def described(policy: Resource, count: int) -> dict[str, Any]:
    """A policy as IAM shows it."""
    shown = {"Description": policy.document["Description"]} if "Description" in policy.document else {}
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.state["PolicyId"],
        "Arn": policy.arn,
        "Path": policy.document.get("Path", "/"),
        "DefaultVersionId": policy.state["Default"],
        "AttachmentCount": count,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.modified,
        **shown,
    }


def _rows(connection: Connection, kind: str) -> list[Resource]:
    table = resources.resources
    query = select(table).where(table.c.kind == kind, table.c.region == REGION).order_by(table.c.name)
    return [Resource(**row._mapping) for row in connection.execute(query)]


def _aws_policy(arn: str) -> Resource:
    path, _, name = arn[len(MANAGED) - 1 :].rpartition("/")
    state = {
        "PolicyId": "ANPA" + name.upper().encode().hex().upper()[:17].ljust(17, "A"),
        "Default": "v1",
        "Versions": {"v1": {"Document": _EVERYTHING, "Created": _LAUNCH}},
    }
    return Resource(POLICY, REGION, name, arn, "Active", _LAUNCH, _LAUNCH, {"Path": path + "/"}, state)


@operation("iam", "CreatePolicy")
def create_policy(call: Call, request: Request) -> Output:
    documents.check_identity_policy(request["PolicyDocument"])
    name, now = request["PolicyName"], clock.now()
    arn = f"arn:aws:iam::{call.account}:policy{request.get('Path', '/')}{name}"
    labels = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
    state = {
        "PolicyId": entities.new_id("ANPA"),
        "Default": "v1",
        "Latest": 1,
        "Versions": {"v1": {"Document": request["PolicyDocument"], "Created": now}},
    }
    document: dict[str, Any] = {key: request[key] for key in ("PolicyName", "Path", "Description") if key in request}
    policy = Resource(POLICY, REGION, name, arn, "Active", now, now, document, state)

    def work(connection: Connection) -> None:
        if entities.exists(connection, POLICY, name):
            raise entities.already_exists(f"A policy called {name} already exists. Duplicate names are not allowed.")
        resources.create(connection, policy)
        tags.add(connection, arn, labels)

    call.use(Database).write(work)
    return {"Policy": described(policy, 0)}


@operation("iam", "GetPolicy")
def get_policy(call: Call, request: Request) -> Output:
    def work(connection: Connection) -> dict[str, Any]:
        policy = policy_row(connection, request["PolicyArn"])
        labels = [{"Key": key, "Value": value} for key, value in tags.of(connection, policy.arn).items()]
        shown = described(policy, attachments(connection).get(policy.arn, 0))
        return {**shown, "Tags": labels} if labels else shown

    return {"Policy": call.use(Database).read(work)}


@operation("iam", "ListPolicies")
def list_policies(call: Call, request: Request) -> Output:
    """The user's own policies and, of AWS's, those that are attached to something."""
    scope, prefix = request.get("Scope", "All"), request.get("PathPrefix", "/")

    def work(connection: Connection) -> list[dict[str, Any]]:
        counts = attachments(connection)
        found = _rows(connection, POLICY) if scope != "AWS" else []
        if scope != "Local":
            found += [_aws_policy(arn) for arn in counts if arn.startswith(MANAGED)]
        return [described(policy, counts.get(policy.arn, 0)) for policy in found]

    shown = {
        entities.policy_key(policy["PolicyName"], policy["Arn"]): policy
        for policy in call.use(Database).read(work)
        if policy["Path"].startswith(prefix) and (policy["AttachmentCount"] or not request.get("OnlyAttached"))
    }
    return entities.page(request, "Policies", sorted(shown.items()))


@operation("iam", "DeletePolicy")
def delete_policy(call: Call, request: Request) -> Output:
    def work(connection: Connection) -> None:
        policy = policy_row(connection, request["PolicyArn"])
        if policy.arn.startswith(MANAGED):
            raise AwsError("AccessDenied", f"{policy.arn} is AWS's own and cannot be deleted.", 403)
        if attachments(connection).get(policy.arn):
            raise entities.conflict("Cannot delete a policy attached to entities.")
        if len(policy.state["Versions"]) > 1:
            raise entities.conflict(
                "This policy has more than one version. Before you delete a policy, you must "
                "delete the policy's versions. The default version is deleted with the policy."
            )
        resources.remove(connection, POLICY, REGION, policy.name)
        tags.forget(connection, policy.arn)

    call.use(Database).write(work)
    return None
