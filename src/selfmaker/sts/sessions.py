"""Temporary credentials: an access key that says itself when it expires, and a row that says whom it stands for."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from selfmaker import clock, ids
from selfmaker.aws.operation import Call
from selfmaker.errors import NotFound
from selfmaker.iam.role import DEFAULT_ROLE, DEFAULT_ROLE_ID
from selfmaker.store.credentials import Credentials
from selfmaker.store.resources import Resource, Resources

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PREFIX = "ASIA"
_TIME_DIGITS = 7
_LENGTH = 20
_OWNER = "sts"
_KIND = "Session"
_REGION = "global"


@dataclass(frozen=True)
class Identity:
    """A principal as GetCallerIdentity tells it."""

    arn: str
    user_id: str


def everybody(account: str) -> Identity:
    """Whom a key stands for that no session was made for."""
    return Identity(f"arn:aws:sts::{account}:assumed-role/{DEFAULT_ROLE}/selfmaker", f"{DEFAULT_ROLE_ID}:selfmaker")


def is_temporary(access_key: str) -> bool:
    return access_key.startswith(_PREFIX)


def expired(access_key: str) -> bool:
    """Whether this is a temporary access key whose time is over. Looks at nothing but the key."""
    if not is_temporary(access_key) or len(access_key) != _LENGTH:
        return False
    seconds = 0
    for digit in access_key[len(_PREFIX) : len(_PREFIX) + _TIME_DIGITS]:
        seconds = seconds * 32 + _DIGITS.find(digit)
    return seconds <= clock.now()


def secret_while_good(credentials: Credentials) -> Callable[[str], str | None]:
    """For the edge: an access key's secret, None once its time is over."""
    return lambda access_key: None if expired(access_key) else credentials.secret(access_key)


def begin(call: Call, who: Identity, seconds: int) -> dict[str, Any]:
    """Credentials good for ``seconds``, as STS's output shape has them. Expired ones are cleared away."""
    _clear(call)
    expires = int(clock.now()) + seconds
    access_key, secret = _access_key(expires), ids.secret_access_key()
    document = {"Arn": who.arn, "UserId": who.user_id}
    now = clock.now()
    row = Resource(_KIND, _REGION, access_key, f"{who.arn}#{access_key}", "Active", now, now, document, {})
    call.use(Resources).create(row)
    call.use(Credentials).put(access_key, secret, _OWNER)
    return {
        "AccessKeyId": access_key,
        "SecretAccessKey": secret,
        "SessionToken": secrets.token_urlsafe(180),
        "Expiration": float(expires),
    }


def of(call: Call, access_key: str) -> Identity | None:
    """Whom a session's key stands for; None when it is no session's."""
    try:
        document = call.use(Resources).get(_KIND, _REGION, access_key).document
    except NotFound:
        return None
    return Identity(document["Arn"], document["UserId"])


def _clear(call: Call) -> None:
    for access_key, _ in call.use(Credentials).owned(_OWNER):
        if expired(access_key):
            call.use(Credentials).delete(access_key)
            try:
                call.use(Resources).delete(_KIND, _REGION, access_key)
            except NotFound:
                continue  # somebody else clears at the same moment


def _access_key(expires: int) -> str:
    digits = ""
    for _ in range(_TIME_DIGITS):
        digits = _DIGITS[expires % 32] + digits
        expires //= 32
    rest = _LENGTH - len(_PREFIX) - _TIME_DIGITS
    return _PREFIX + digits + "".join(secrets.choice(_DIGITS) for _ in range(rest))
