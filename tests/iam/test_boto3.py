"""IAM as boto3 sees it."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"},
                        "Action": "sts:AssumeRole"}]}  # fmt: skip


def test_documents_come_back_as_documents_in_every_region(server):
    name = f"boto3-{uuid.uuid4().hex}"
    server.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam = server.client("iam", region_name="eu-central-1")
    assert iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"] == TRUST
    policy = {"Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::ä+b %/*"}]}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy, ensure_ascii=False))
    assert iam.get_role_policy(RoleName=name, PolicyName="p")["PolicyDocument"] == policy
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_role(RoleName=name)
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)
    with pytest.raises(iam.exceptions.NoSuchEntityException) as caught:
        iam.get_role(RoleName=name)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_waiters_and_paginators(server):
    iam = server.client("iam")
    prefix = f"/{uuid.uuid4().hex}/"
    names = [f"page-{i}-{prefix[1:9]}" for i in range(5)]
    for name in names:
        iam.create_role(RoleName=name, Path=prefix, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.get_waiter("role_exists").wait(RoleName=names[0])
    pages = list(iam.get_paginator("list_roles").paginate(PathPrefix=prefix, PaginationConfig={"PageSize": 2}))
    assert [len(page["Roles"]) for page in pages] == [2, 2, 1]
    assert [role["RoleName"] for page in pages for role in page["Roles"]] == names
    role = pages[0]["Roles"][0]
    assert role["AssumeRolePolicyDocument"] == TRUST


def test_simulations_allow(server):
    iam = server.client("iam")
    arn = iam.get_role(RoleName="SageMakerRole")["Role"]["Arn"]
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=arn, ActionNames=["sagemaker:CreateTrainingJob", "iam:PassRole"]
    )
    results = [result for page in pages for result in page["EvaluationResults"]]
    assert {result["EvalDecision"] for result in results} == {"allowed"}
    assert len(results) == 2


def test_a_malformed_policy_is_named(server):
    iam = server.client("iam")
    with pytest.raises(ClientError, match="MalformedPolicyDocument"):
        iam.create_role(RoleName="never", AssumeRolePolicyDocument="{}")
