"""Who one is, and temporary credentials."""

import asyncio
from dataclasses import replace

import pytest
from calls import error

from selfmaker import clock
from selfmaker.iam.role import get_role
from selfmaker.store.credentials import Credentials
from selfmaker.sts import caller, credentials, sessions

ARN = "arn:aws:iam::123456789012:role/path/Mine"


def identity(call):
    return asyncio.run(caller.get_caller_identity(call, {}))


def test_the_caller_is_in_the_default_role(call):
    role_id = get_role(call, {"RoleName": "SageMakerRole"})["Role"]["RoleId"]
    assert identity(call) == {
        "UserId": f"{role_id}:selfmaker",
        "Account": "123456789012",
        "Arn": "arn:aws:sts::123456789012:assumed-role/SageMakerRole/selfmaker",
    }


def test_an_assumed_role_is_told_by_its_key(call):
    result = credentials.assume_role(call, {"RoleArn": ARN, "RoleSessionName": "me", "SourceIdentity": "x"})
    arn = "arn:aws:sts::123456789012:assumed-role/Mine/me"
    given = result["Credentials"]
    assert (result["AssumedRoleUser"]["Arn"], result["SourceIdentity"]) == (arn, "x")
    assert call.use(Credentials).secret(given["AccessKeyId"]) == given["SecretAccessKey"]
    as_role = replace(call, access_key=given["AccessKeyId"])
    assert identity(as_role)["Arn"] == arn
    again = credentials.get_session_token(as_role, {})["Credentials"]
    assert identity(replace(call, access_key=again["AccessKeyId"]))["Arn"] == arn


def test_temporary_keys_expire_and_are_cleared(call, monkeypatch):
    start = clock.now()
    given = credentials.get_session_token(call, {"DurationSeconds": 900})["Credentials"]
    key = given["AccessKeyId"]
    assert (key[:4], len(key)) == ("ASIA", 20)
    assert start + 899 <= given["Expiration"] <= start + 901
    assert not sessions.expired(key)
    secret_of = sessions.secret_while_good(call.use(Credentials))
    assert secret_of(key) == given["SecretAccessKey"]
    monkeypatch.setattr(clock, "now", lambda: start + 901)
    assert sessions.expired(key)
    assert secret_of(key) is None
    assert not sessions.expired("AKIATESTTESTTESTTEST")
    assert not sessions.expired("ASIAX")
    credentials.get_session_token(call, {})
    assert call.use(Credentials).secret(key) is None
    assert sessions.of(call, key) is None


def test_only_a_role_can_be_assumed(call):
    for arn in ("arn:aws:iam::123456789012:user/x", "x" * 20, "arn:aws:iam::1:role/x"):
        assert error(credentials.assume_role, call, {"RoleArn": arn, "RoleSessionName": "me"})[0] == "ValidationError"


def test_an_unsigned_caller_gets_nothing(call):
    request = {"RoleArn": ARN, "RoleSessionName": "me", "WebIdentityToken": "t"}
    assert error(credentials.assume_role_with_web_identity, replace(call, access_key=""), request)[0] == (
        "InvalidIdentityToken")  # fmt: skip
    assert credentials.assume_role_with_web_identity(call, request)["Credentials"]["AccessKeyId"]


@pytest.mark.parametrize(("key", "known"), [("AKIAIOSFODNN7EXAMPLE", True), ("XXXXXXXXXXXXXXXXXXXX", False)])
def test_access_key_info(call, key, known):
    if known:
        assert caller.get_access_key_info(call, {"AccessKeyId": key}) == {"Account": "123456789012"}
    else:
        assert error(caller.get_access_key_info, call, {"AccessKeyId": key})[0] == "ValidationError"
