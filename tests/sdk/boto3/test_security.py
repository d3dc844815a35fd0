"""Who may ask, and what a stranger is told."""

import json
import stat
import urllib.error
import urllib.request

import pytest


def code_of(caught):
    return caught.value.response["Error"]["Code"]


@pytest.mark.parametrize(
    ("service", "operation", "unknown", "mismatch"),
    [
        ("sagemaker", "list_training_jobs", "UnrecognizedClientException", "InvalidSignatureException"),
        ("logs", "describe_log_groups", "UnrecognizedClientException", "InvalidSignatureException"),
        ("sts", "get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("s3", "list_buckets", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    ],
)
def test_wrong_credentials_get_aws_own_error(server, service, operation, unknown, mismatch):
    stranger = server.client(service, aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x" * 40)
    with pytest.raises(stranger.exceptions.ClientError) as caught:
        getattr(stranger, operation)()
    assert code_of(caught) == unknown
    forger = server.client(service, aws_secret_access_key="x" * 40)
    with pytest.raises(forger.exceptions.ClientError) as caught:
        getattr(forger, operation)()
    assert code_of(caught) == mismatch


def test_without_a_signature_nothing_is_told(server):
    for path in ("/", "/sagemaker-us-east-1-123456789012", "/endpoints/x/invocations"):
        request = urllib.request.Request(server.endpoint + path, method="POST" if "endpoints" in path else "GET")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)
        with caught.value as error:
            assert error.code in (400, 401, 403), path


def test_an_operation_that_is_not_there_answers_501_with_its_name(server):
    sagemaker = server.client("sagemaker")
    with pytest.raises(sagemaker.exceptions.ClientError) as caught:
        sagemaker.create_workforce(WorkforceName="w", CognitoConfig={"UserPool": "us-east-1_a", "ClientId": "b"})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "CreateWorkforce" in caught.value.response["Error"]["Message"]


def test_the_credentials_are_for_the_owner_alone(server):
    for name in ("credentials", "server"):
        mode = stat.S_IMODE((server.home / "run" / f"{name}.json").stat().st_mode)
        assert mode & 0o077 == 0, name
    assert stat.S_IMODE(server.home.stat().st_mode) & 0o077 == 0


def test_the_server_listens_on_the_loopback_only(server):
    assert server.document("server")["host"] == "127.0.0.1"


def test_another_accounts_bucket_is_403(account):
    with pytest.raises(account.s3.exceptions.ClientError) as caught:
        account.s3.head_bucket(Bucket=account.bucket, ExpectedBucketOwner="999999999999")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_the_caller_is_the_sagemaker_role(server):
    identity = server.client("sts").get_caller_identity()
    assert identity["Arn"].startswith("arn:aws:sts::123456789012:assumed-role/SageMakerRole/")
    role = server.client("iam").get_role(RoleName="SageMakerRole")["Role"]
    assert role["Arn"] == "arn:aws:iam::123456789012:role/SageMakerRole"
    assert "sagemaker.amazonaws.com" in json.dumps(role["AssumeRolePolicyDocument"])


def test_any_region_is_taken_and_echoed_in_arns(account):
    far = account.server.client("sagemaker", region_name="eu-central-1")
    request = account.request(account.unique("far"), "print('far away')")
    arn = far.create_training_job(**request)["TrainingJobArn"]
    assert arn == f"arn:aws:sagemaker:eu-central-1:123456789012:training-job/{request['TrainingJobName']}"
    far.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName=request["TrainingJobName"], WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
