"""What all of IAM's nouns share: their rows, which belong to no region, their ids and their errors."""

import secrets
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call
from selfmaker.errors import NotFound
from selfmaker.store import resources
from selfmaker.store.database import Database
from selfmaker.store.resources import Change, Resource

REGION = "global"
ROLE = "Role"
POLICY = "Policy"
MANAGED = "arn:aws:iam::aws:policy/"
"""How the ARNs of the policies begin that AWS itself provides; any of them is taken to exist."""


def new_id(prefix: str) -> str:
    """An id of 21 characters: AROA for roles, ANPA for policies, AIDA for users."""
    return prefix + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(17))


def no_such(message: str) -> AwsError:
    return AwsError("NoSuchEntity", message, 404)


def already_exists(message: str) -> AwsError:
    return AwsError("EntityAlreadyExists", message, 409)


def conflict(message: str) -> AwsError:
    return AwsError("DeleteConflict", message, 409)


def exists(connection: Connection, kind: str, name: str) -> bool:
    try:
        resources.get(connection, kind, REGION, name)
    except NotFound:
        return False
    return True


def role_row(connection: Connection, name: str) -> Resource:
    """Raises NoSuchEntity."""
    try:
        return resources.get(connection, ROLE, REGION, name)
    except NotFound:
        raise no_such(f"The role with name {name} cannot be found.") from None


def read_role(call: Call, name: str) -> Resource:
    """Raises NoSuchEntity."""
    return call.use(Database).read(lambda c: role_row(c, name))


def change_role(call: Call, name: str, change: Callable[[Resource], Change]) -> Resource:
    """Change a role by what it is at that moment. Raises NoSuchEntity, and what ``change`` raises."""

    def work(connection: Connection) -> Resource:
        return resources.modify(connection, ROLE, REGION, name, change(role_row(connection, name)))

    return call.use(Database).write(work)


def policy_key(name: str, arn: str) -> str:
    """What policies are listed by; short enough for a Marker, and distinct even where names are not."""
    return f"{name} {zlib.crc32(arn.encode()):08x}"


def page(request: dict[str, Any], name: str, items: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """One page of (key, item), which are in order of key, as the output member ``name``; a Marker is the last key."""
    after = request.get("Marker")
    if after is not None:
        items = [(key, item) for key, item in items if key > after]
    limit = int(request.get("MaxItems") or 100)
    shown = items[:limit]
    result: dict[str, Any] = {name: [item for _, item in shown], "IsTruncated": len(items) > limit}
    if len(items) > limit:
        result["Marker"] = shown[-1][0]
    return result
