"""Managed policies and their versions."""

import json
from urllib.parse import unquote

import pytest
from calls import error

from selfmaker.iam import policy, policy_version, role_policy

PERMIT = json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
OTHER = PERMIT.replace("s3", "sqs")
ARN = "arn:aws:iam::123456789012:policy/team/Mine"
P = {"PolicyArn": ARN}
AWS = "arn:aws:iam::aws:policy/service-role/AmazonSageMakerServiceCatalogProductsUseRole"


@pytest.fixture
def mine(call):
    request = {"PolicyName": "Mine", "Path": "/team/", "PolicyDocument": PERMIT, "Description": "d"}
    return policy.create_policy(call, request)["Policy"]


def test_a_policy_comes_back(call, mine):
    found = policy.get_policy(call, P)["Policy"]
    assert (found["Arn"], found["DefaultVersionId"], found["AttachmentCount"]) == (ARN, "v1", 0)
    assert found["Description"] == "d"
    role_policy.attach_role_policy(call, {"RoleName": "SageMakerRole", **P})
    assert policy.get_policy(call, P)["Policy"]["AttachmentCount"] == 1
    assert error(policy.delete_policy, call, P)[0] == "DeleteConflict"
    role_policy.detach_role_policy(call, {"RoleName": "SageMakerRole", **P})
    policy.delete_policy(call, P)
    assert error(policy.get_policy, call, P) == ("NoSuchEntity", f"Policy {ARN} was not found.")


def test_names_are_taken_once(call, mine):
    assert error(policy.create_policy, call, {"PolicyName": "Mine", "PolicyDocument": PERMIT})[0] == (
        "EntityAlreadyExists")  # fmt: skip
    assert error(policy.create_policy, call, {"PolicyName": "Bad", "PolicyDocument": "{}"})[0] == (
        "MalformedPolicyDocument")  # fmt: skip


def test_aws_s_own_policies_exist_but_cannot_be_changed(call):
    found = policy.get_policy(call, {"PolicyArn": AWS})["Policy"]
    assert (found["Path"], found["PolicyName"]) == ("/service-role/", "AmazonSageMakerServiceCatalogProductsUseRole")
    version = policy_version.get_policy_version(call, {"PolicyArn": AWS, "VersionId": "v1"})["PolicyVersion"]
    assert json.loads(unquote(version["Document"]))["Statement"][0]["Effect"] == "Allow"
    for function, request in (
        (policy.delete_policy, {}),
        (policy_version.create_policy_version, {"PolicyDocument": PERMIT}),
        (policy_version.set_default_policy_version, {"VersionId": "v1"}),
    ):
        assert error(function, call, {"PolicyArn": AWS, **request})[0] == "AccessDenied"


def test_lists_by_scope_and_page(call, mine):
    policy.create_policy(call, {"PolicyName": "AmazonSageMakerFullAccess", "PolicyDocument": PERMIT})
    names = lambda **request: [p["PolicyName"] for p in policy.list_policies(call, request)["Policies"]]  # noqa: E731
    assert names() == ["AmazonSageMakerFullAccess", "AmazonSageMakerFullAccess", "Mine"]
    assert names(Scope="Local") == ["AmazonSageMakerFullAccess", "Mine"]
    assert names(Scope="AWS") == ["AmazonSageMakerFullAccess"]
    assert names(OnlyAttached=True) == ["AmazonSageMakerFullAccess"]
    assert names(PathPrefix="/team/") == ["Mine"]
    seen, marker = [], {}
    while True:
        page = policy.list_policies(call, {"MaxItems": 1, **marker})
        seen += [p["Arn"] for p in page["Policies"]]
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert len(set(seen)) == 3


def test_versions(call, mine):
    made = policy_version.create_policy_version(call, {**P, "PolicyDocument": OTHER})["PolicyVersion"]
    assert (made["VersionId"], made["IsDefaultVersion"]) == ("v2", False)
    assert error(policy.delete_policy, call, P)[0] == "DeleteConflict"
    policy_version.set_default_policy_version(call, {**P, "VersionId": "v2"})
    assert error(policy_version.delete_policy_version, call, {**P, "VersionId": "v2"})[0] == "DeleteConflict"
    found = policy_version.get_policy_version(call, {**P, "VersionId": "v2"})["PolicyVersion"]
    assert (unquote(found["Document"]), found["IsDefaultVersion"]) == (OTHER, True)
    policy_version.delete_policy_version(call, {**P, "VersionId": "v1"})
    for function in (policy_version.get_policy_version, policy_version.delete_policy_version,
                     policy_version.set_default_policy_version):  # fmt: skip
        assert error(function, call, {**P, "VersionId": "v1"})[0] == "NoSuchEntity"
    for number in (3, 4, 5, 6):
        made = policy_version.create_policy_version(call, {**P, "PolicyDocument": OTHER})["PolicyVersion"]
        assert made["VersionId"] == f"v{number}"
    assert error(policy_version.create_policy_version, call, {**P, "PolicyDocument": OTHER})[0] == "LimitExceeded"
    assert len(policy_version.list_policy_versions(call, P)["Versions"]) == 5
