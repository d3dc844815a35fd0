"""Temporary credentials: of a role, or of the caller himself."""

import re
from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import NotFound
from selfmaker.iam.role import DEFAULT_ROLE_ID
from selfmaker.store.resources import Resources
from selfmaker.sts import sessions
from selfmaker.sts.caller import identity
from selfmaker.sts.sessions import Identity

_ROLE = re.compile(r"arn:aws[\w-]*:iam::(\d{12}):role/(?:[!-~]+/)*([\w+=,.@-]+)", re.ASCII)
_HOUR = 3600
_SESSION = 12 * _HOUR


@operation("sts", "AssumeRole")
def assume_role(call: Call, request: Request) -> Output:
    """Any role may be assumed, known to IAM or not."""
    return _assumed(call, request)


@operation("sts", "AssumeRoleWithWebIdentity")
def assume_role_with_web_identity(call: Call, request: Request) -> Output:
    """The request is unsigned and there is no identity provider here that could vouch for the token: credentials are
    given only to those who signed it all the same."""
    if not call.access_key:
        raise AwsError("InvalidIdentityToken", "No OpenIDConnect provider found in your account", 400)
    shown = {"SubjectFromWebIdentityToken": request["RoleSessionName"], "Provider": request.get("ProviderId")}
    return {**_assumed(call, request), **shown}


@operation("sts", "GetSessionToken")
def get_session_token(call: Call, request: Request) -> Output:
    return {"Credentials": sessions.begin(call, identity(call), request.get("DurationSeconds", _SESSION))}


def _assumed(call: Call, request: Request) -> dict[str, Any]:
    arn, session = request["RoleArn"], request["RoleSessionName"]
    found = _ROLE.fullmatch(arn)
    if found is None:
        raise AwsError("ValidationError", f"{arn} is invalid", 400)
    account, name = found.groups()
    who = Identity(f"arn:aws:sts::{account}:assumed-role/{name}/{session}", f"{_role_id(call, arn)}:{session}")
    result = {
        "Credentials": sessions.begin(call, who, request.get("DurationSeconds", _HOUR)),
        "AssumedRoleUser": {"AssumedRoleId": who.user_id, "Arn": who.arn},
    }
    return {**result, "SourceIdentity": request["SourceIdentity"]} if "SourceIdentity" in request else result


def _role_id(call: Call, arn: str) -> str:
    try:
        return str(call.use(Resources).by_arn(arn).state["RoleId"])
    except NotFound:
        return DEFAULT_ROLE_ID
