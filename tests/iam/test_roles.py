"""Roles, their policies and tags."""

import json
from urllib.parse import unquote

import pytest
from calls import error

from selfmaker.iam import role, role_policy, role_tag, simulation, user

TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
})  # fmt: skip
PERMIT = json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
R = {"RoleName": "Mine"}


@pytest.fixture
def mine(call):
    request = {**R, "Path": "/team/", "AssumeRolePolicyDocument": TRUST, "Tags": [{"Key": "a", "Value": "b"}]}
    return role.create_role(call, request)["Role"]


def test_the_default_role_trusts_sagemaker_and_is_not_made_twice(call):
    from selfmaker.store.resources import Resources

    found = role.get_role(call, {"RoleName": "SageMakerRole"})["Role"]
    assert found["Arn"] == "arn:aws:iam::123456789012:role/SageMakerRole"
    assert "sagemaker.amazonaws.com" in unquote(found["AssumeRolePolicyDocument"])
    role.update_role(call, {"RoleName": "SageMakerRole", "Description": "changed"})
    role.ensure_default_role(call.use(Resources), "123456789012")
    assert role.get_role(call, {"RoleName": "SageMakerRole"})["Role"]["Description"] == "changed"


def test_a_role_comes_back_as_it_was_made(call, mine):
    found = role.get_role(call, R)["Role"]
    assert found == mine
    assert found["Arn"] == "arn:aws:iam::123456789012:role/team/Mine"
    assert json.loads(unquote(found["AssumeRolePolicyDocument"])) == json.loads(TRUST)
    assert (found["Tags"], found["MaxSessionDuration"]) == ([{"Key": "a", "Value": "b"}], 3600)
    assert found["RoleId"].startswith("AROA")


def test_updates(call, mine):
    role.update_role(call, {**R, "Description": "d", "MaxSessionDuration": 7200})
    other = TRUST.replace("sagemaker", "lambda")
    role.update_assume_role_policy(call, {**R, "PolicyDocument": other})
    found = role.update_role_description(call, {**R, "Description": "e"})["Role"]
    assert (found["Description"], found["MaxSessionDuration"]) == ("e", 7200)
    assert "lambda" in found["AssumeRolePolicyDocument"]


def test_errors(call, mine):
    assert error(role.create_role, call, {**R, "AssumeRolePolicyDocument": TRUST}) == (
        "EntityAlreadyExists", "Role with name Mine already exists.")  # fmt: skip
    gone = ("NoSuchEntity", "The role with name Nobody cannot be found.")
    for function in (role.get_role, role.delete_role, role_tag.list_role_tags, role_policy.list_role_policies):
        assert error(function, call, {"RoleName": "Nobody"}) == gone


@pytest.mark.parametrize(
    "document", ["{", "[]", "{}", '{"Statement": []}', '{"Statement": [1]}', PERMIT, "[" * 9000,
                 '{"Version": "x", "Statement": [{}]}', '{"Version": ["x"], "Statement": [{}]}',
                 '{"Statement": [{"Principal": "*", "Action": "*"}]}', '{"Statement": [{"Effect": ["x"]}]}']
)  # fmt: skip
def test_trust_must_be_a_trust_policy(call, document):
    code, _ = error(role.create_role, call, {**R, "AssumeRolePolicyDocument": document})
    assert code == "MalformedPolicyDocument"
    assert error(role.get_role, call, R)[0] == "NoSuchEntity"


def test_pages_go_on_although_roles_are_deleted_meanwhile(call):
    for name in "dbeca":
        role.create_role(call, {"RoleName": name, "Path": "/x/", "AssumeRolePolicyDocument": TRUST})
    seen, marker = [], {}
    while True:
        page = role.list_roles(call, {"PathPrefix": "/x/", "MaxItems": 2, **marker})
        for found in page["Roles"]:
            role.delete_role(call, {"RoleName": found["RoleName"]})
            seen.append(found["RoleName"])
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert seen == list("abcde")


def test_inline_policies(call, mine):
    role_policy.put_role_policy(call, {**R, "PolicyName": "p", "PolicyDocument": PERMIT})
    assert role_policy.list_role_policies(call, R)["PolicyNames"] == ["p"]
    found = role_policy.get_role_policy(call, {**R, "PolicyName": "p"})
    assert unquote(found["PolicyDocument"]) == PERMIT
    assert error(role.delete_role, call, R) == ("DeleteConflict", "Cannot delete entity, must delete policies first.")
    role_policy.delete_role_policy(call, {**R, "PolicyName": "p"})
    for function in (role_policy.get_role_policy, role_policy.delete_role_policy):
        assert error(function, call, {**R, "PolicyName": "p"})[0] == "NoSuchEntity"
    assert error(role_policy.put_role_policy, call, {**R, "PolicyName": "p", "PolicyDocument": TRUST})[0] == (
        "MalformedPolicyDocument")  # fmt: skip
    role.delete_role(call, R)
    assert error(role.get_role, call, R)[0] == "NoSuchEntity"


def test_attached_policies(call, mine):
    ours = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    role_policy.attach_role_policy(call, {**R, "PolicyArn": ours})
    role_policy.attach_role_policy(call, {**R, "PolicyArn": ours})
    assert role_policy.list_attached_role_policies(call, R)["AttachedPolicies"] == [
        {"PolicyName": "AmazonS3FullAccess", "PolicyArn": ours}]  # fmt: skip
    assert error(role.delete_role, call, R)[0] == "DeleteConflict"
    role_policy.detach_role_policy(call, {**R, "PolicyArn": ours})
    assert error(role_policy.detach_role_policy, call, {**R, "PolicyArn": ours})[0] == "NoSuchEntity"
    absent = {**R, "PolicyArn": "arn:aws:iam::123456789012:policy/absent"}
    assert error(role_policy.attach_role_policy, call, absent)[0] == "NoSuchEntity"
    assert error(role_policy.attach_role_policy, call, {**R, "PolicyArn": "x" * 20})[0] == "InvalidInput"


def test_tags(call, mine):
    role_tag.tag_role(call, {**R, "Tags": [{"Key": "c", "Value": ""}]})
    role_tag.untag_role(call, {**R, "TagKeys": ["a"]})
    assert role_tag.list_role_tags(call, R)["Tags"] == [{"Key": "c", "Value": ""}]
    many = [{"Key": f"k{i}", "Value": ""} for i in range(50)]
    assert error(role_tag.tag_role, call, {**R, "Tags": many})[0] == "LimitExceeded"
    role.delete_role(call, R)
    role.create_role(call, {**R, "Path": "/team/", "AssumeRolePolicyDocument": TRUST})
    assert role_tag.list_role_tags(call, R)["Tags"] == []


def test_everything_is_allowed(call):
    arn = "arn:aws:iam::123456789012:role/Any"
    request = {"PolicySourceArn": arn, "ActionNames": ["s3:PutObject", "iam:PassRole"], "ResourceArns": ["a", "b"]}
    result = simulation.simulate_principal_policy(call, request)
    assert [(r["EvalActionName"], r["EvalResourceName"], r["EvalDecision"]) for r in result["EvaluationResults"]] == [
        (action, name, "allowed") for action in request["ActionNames"] for name in "ab"]  # fmt: skip
    first = simulation.simulate_custom_policy(call, {**request, "MaxItems": 3})
    assert (len(first["EvaluationResults"]), first["IsTruncated"]) == (3, True)
    rest = simulation.simulate_custom_policy(call, {**request, "MaxItems": 3, "Marker": first["Marker"]})
    assert [r["EvalResourceName"] for r in rest["EvaluationResults"]] == ["b"]
    assert error(simulation.simulate_principal_policy, call, {**request, "PolicySourceArn": "x" * 20})[0] == (
        "InvalidInput")  # fmt: skip
    assert error(simulation.simulate_custom_policy, call, {"ActionNames": ["PutObject"]})[0] == "InvalidInput"


def test_there_is_one_user(call):
    assert user.get_user(call, {})["User"]["Arn"] == "arn:aws:iam::123456789012:user/selfmaker"
    assert error(user.get_user, call, {"UserName": "x"}) == (
        "NoSuchEntity", "The user with name x cannot be found.")  # fmt: skip
