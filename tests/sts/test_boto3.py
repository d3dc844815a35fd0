"""Temporary credentials as boto3 sees them: they sign, and they name their role."""

import boto3
import pytest
from botocore.exceptions import ClientError


def of(server, service, given, **changes):
    keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    return server.client(service, **{**keys, **changes})


def test_an_assumed_role_signs_everywhere(server):
    account = server.client("sts").get_caller_identity()["Account"]
    given = server.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/SageMakerRole", RoleSessionName="boto3"
    )["Credentials"]
    assert of(server, "sts", given).get_caller_identity()["Arn"].endswith(":assumed-role/SageMakerRole/boto3")
    assert of(server, "s3", given).list_buckets()["Buckets"]
    assert "MetricAlarms" in of(server, "cloudwatch", given).describe_alarms()
    with pytest.raises(ClientError, match=r"SignatureDoesNotMatch|InvalidClientTokenId"):
        of(server, "sts", given, aws_secret_access_key="wrong").get_caller_identity()


def test_a_web_identity_needs_a_signature(server):
    sts = server.client("sts")
    with pytest.raises(ClientError, match="InvalidIdentityToken"):
        sts.assume_role_with_web_identity(
            RoleArn="arn:aws:iam::123456789012:role/SageMakerRole", RoleSessionName="me", WebIdentityToken="token"
        )


def test_the_account_is_told_by_a_plain_session(server):
    given = server.document("credentials")
    session = boto3.session.Session(given["access_key_id"], given["secret_access_key"], region_name="us-west-2")
    identity = session.client("sts", endpoint_url=server.endpoint).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{identity['Account']}:assumed-role/SageMakerRole/selfmaker"
