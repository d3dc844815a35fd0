"""Versions of managed policies: at most five, of which one is the default."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.iam import documents, entities
from selfmaker.iam.entities import MANAGED, POLICY, REGION
from selfmaker.iam.policy import policy_row
from selfmaker.store import resources
from selfmaker.store.database import Database
from selfmaker.store.resources import Change, Document, Resource

_MOST_VERSIONS = 5


def _shown(policy: Resource, version: str, *, document: bool) -> dict[str, Any]:
    kept = policy.state["Versions"].get(version)
    if kept is None:
        raise _missing(policy, version)
    shown = {
        "VersionId": version,
        "IsDefaultVersion": policy.state["Default"] == version,
        "CreateDate": kept["Created"],
    }
    return {**shown, "Document": documents.encoded(kept["Document"])} if document else shown


def _missing(policy: Resource, version: str) -> AwsError:
    return entities.no_such(f"Policy {policy.arn} version {version} does not exist or is not attachable.")


def _change(call: Call, arn: str, change: Callable[[Resource], Document]) -> Resource:
    def work(connection: Connection) -> Resource:
        policy = policy_row(connection, arn)
        if arn.startswith(MANAGED):
            raise AwsError("AccessDenied", f"{arn} is AWS's own and cannot be changed.", 403)
        return resources.modify(connection, POLICY, REGION, policy.name, Change(state=change(policy)))

    return call.use(Database).write(work)


@operation("iam", "CreatePolicyVersion")
def create_policy_version(call: Call, request: Request) -> Output:
    documents.check_identity_policy(request["PolicyDocument"])

    def change(policy: Resource) -> Document:
        state = policy.state
        if len(state["Versions"]) >= _MOST_VERSIONS:
            raise AwsError(
                "LimitExceeded",
                f"A managed policy can have up to {_MOST_VERSIONS} versions. "
                "Before you create a new version, you must delete an existing version.",
                409,
            )
        latest = state["Latest"] + 1
        added = {f"v{latest}": {"Document": request["PolicyDocument"], "Created": clock.now()}}
        default = f"v{latest}" if request.get("SetAsDefault") else state["Default"]
        return {"Versions": {**state["Versions"], **added}, "Latest": latest, "Default": default}

    policy = _change(call, request["PolicyArn"], change)
    return {"PolicyVersion": _shown(policy, f"v{policy.state['Latest']}", document=False)}


@operation("iam", "GetPolicyVersion")
def get_policy_version(call: Call, request: Request) -> Output:
    policy = call.use(Database).read(lambda c: policy_row(c, request["PolicyArn"]))
    return {"PolicyVersion": _shown(policy, request["VersionId"], document=True)}


@operation("iam", "ListPolicyVersions")
def list_policy_versions(call: Call, request: Request) -> Output:
    policy = call.use(Database).read(lambda c: policy_row(c, request["PolicyArn"]))
    versions = sorted(policy.state["Versions"])
    return entities.page(request, "Versions", [(name, _shown(policy, name, document=False)) for name in versions])


@operation("iam", "SetDefaultPolicyVersion")
def set_default_policy_version(call: Call, request: Request) -> Output:
    version = request["VersionId"]

    def change(policy: Resource) -> Document:
        if version not in policy.state["Versions"]:
            raise _missing(policy, version)
        return {"Default": version}

    _change(call, request["PolicyArn"], change)
    return None


@operation("iam", "DeletePolicyVersion")
def delete_policy_version(call: Call, request: Request) -> Output:
    version = request["VersionId"]

    def change(policy: Resource) -> Document:
        if version not in policy.state["Versions"]:
            raise _missing(policy, version)
        if version == policy.state["Default"]:
            raise entities.conflict("Cannot delete the default version of a policy.")
        return {"Versions": {name: kept for name, kept in policy.state["Versions"].items() if name != version}}

    _change(call, request["PolicyArn"], change)
    return None
