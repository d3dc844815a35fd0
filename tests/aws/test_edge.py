"""Each protocol through a real socket, with boto3 as the client."""

import pytest
from botocore.exceptions import ClientError
from edge_packages import cloudwatch, iam, sagemaker

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"


def test_json(edge):
    client = edge.client("sagemaker")
    response = client.describe_training_job(TrainingJobName="job")
    assert response["CreationTime"].timestamp() == 1700000000.123
    assert response["FinalMetricDataList"][0]["MetricName"] == "größe"
    assert response["HyperParameters"] == {"a": "1"}
    assert "FailureReason" not in response and "NotInTheModel" not in response
    assert response["ResponseMetadata"]["RequestId"]


def test_json_request_keeps_awss_names_and_the_region_of_the_signature(edge):
    client = edge.client("sagemaker", region="ap-south-1")
    request = {
        "TrainingJobName": "job",
        "RoleArn": ROLE,
        "HyperParameters": {"x": "1"},
        "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://b/o"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "Tags": [],
    }
    assert client.create_training_job(**request)["TrainingJobArn"].startswith("arn:aws:sagemaker:ap-south-1:1234")
    assert sagemaker.SEEN[-1] == request


def test_an_output_that_is_empty_and_an_operation_on_the_loop(edge):
    edge.client("sagemaker").delete_model(ModelName="m")
    assert sagemaker.SEEN[-1] == {"ModelName": "m"}


@pytest.mark.parametrize(
    ("name", "status", "code", "message"),
    [
        ("missing", 400, "ValidationException", "Could not find missing"),
        ("limit", 400, "ResourceLimitExceeded", "too many"),
        ("lacking", 501, "ServiceUnavailable", "no sandbox"),
        ("aws", 400, "ResourceNotFound", "Requested resource not found."),
        ("full", 507, "InsufficientStorage", "No space is left on the server's disk"),
    ],
)
def test_errors_of_the_engine(edge, name, status, code, message):
    with pytest.raises(ClientError) as caught:
        edge.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["Error"]["Message"] == message


def test_a_defect_is_logged_and_tells_the_client_nothing(edge, caplog):
    with pytest.raises(ClientError) as caught:
        edge.client("sagemaker").describe_training_job(TrainingJobName="defect")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert caught.value.response["Error"]["Code"] == "InternalFailure"
    assert "secret" not in str(caught.value)
    assert "a secret that must not leak" in caplog.text
    assert caught.value.response["ResponseMetadata"]["RequestId"] in caplog.text


def test_rest_json_with_blob_and_headers(edge):
    response = edge.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="e", Body=b"\x00abc", Accept="text/csv", TargetVariant="blue", CustomAttributes="x=1"
    )
    assert response["Body"].read() == b"cba\x00"
    assert response["ContentType"] == "text/csv"
    assert response["InvokedProductionVariant"] == "blue"
    assert response["CustomAttributes"] == "x=1"


def test_rest_json_body_larger_than_the_buffer(edge):
    data = bytes(range(256)) * 12000
    assert edge.client("sagemaker-runtime").invoke_endpoint(EndpointName="e", Body=data)["Body"].read() == data[::-1]


def test_modeled_error_has_its_members_and_status(edge):
    client = edge.client("sagemaker-runtime")
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(EndpointName="broken", Body=b"")
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["Error"]["Message"] == "Received server error (500)"
    assert response["OriginalStatusCode"] == 500
    assert response["OriginalMessage"] == "Traceback"
    assert response["LogStreamArn"] == "arn:aws:logs:x"


def test_query(edge):
    identity = edge.client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"
    assert identity["UserId"] == "A&B<C>"
    assert identity["ResponseMetadata"]["RequestId"]


def test_query_with_lists_and_structures(edge):
    client = edge.client("iam")
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    role = client.create_role(RoleName="r", AssumeRolePolicyDocument="{}", Tags=tags)["Role"]
    assert role["Tags"] == tags
    assert role["CreateDate"].timestamp() == 1700000000
    assert iam.SEEN[-1] == {"RoleName": "r", "AssumeRolePolicyDocument": "{}", "Tags": tags}
    results = client.simulate_principal_policy(PolicySourceArn=ROLE, ActionNames=["s3:*"] * 12)["EvaluationResults"]
    assert len(results) == 12 and results[0] == {"EvalActionName": "s3:*", "EvalDecision": "allowed"}


def test_query_error(edge):
    client = edge.client("iam")
    with pytest.raises(client.exceptions.NoSuchEntityException) as caught:
        client.get_role(RoleName="r")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_rpc_v2_cbor(edge):
    response = edge.client("cloudwatch").get_metric_statistics(
        Namespace="N",
        MetricName="loss",
        Dimensions=[{"Name": "d", "Value": "v"}],
        StartTime=1700000000.25,
        EndTime=1700000100,
        Period=60,
        Statistics=["Average"],
    )
    assert response["Label"] == "loss"
    assert response["Datapoints"][0]["Average"] == 0.25
    assert response["Datapoints"][0]["Timestamp"].timestamp() == 1700000000.5
    assert cloudwatch.SEEN[-1]["StartTime"] == 1700000000.25 and cloudwatch.SEEN[-1]["Period"] == 60


def test_what_aws_has_and_we_dont_is_501_and_not_tried_again(edge):
    for service, call, name in [
        ("sagemaker", lambda c: c.list_models(), "ListModels"),
        ("s3", lambda c: c.get_bucket_cors(Bucket="b"), "GetBucketCors"),
        ("iam", lambda c: c.list_users(), "ListUsers"),
        (
            "sagemaker-metrics",
            lambda c: c.batch_put_metrics(
                TrialComponentName="t", MetricData=[{"MetricName": "m", "Timestamp": 1, "Value": 1}]
            ),
            "BatchPutMetrics",
        ),
        ("cloudwatch", lambda c: c.list_metrics(), "ListMetrics"),
        ("sqs", lambda c: c.list_queues(), "ListQueues"),
        ("lambda", lambda c: c.list_functions(), "ListFunctions"),
        ("ec2", lambda c: c.describe_vpcs(), "DescribeVpcs"),
        ("sns", lambda c: c.create_topic(Name="t"), "CreateTopic"),
        ("dynamodb", lambda c: c.list_tables(), "ListTables"),
    ]:
        with pytest.raises(ClientError) as caught:
            call(edge.client(service))
        response = caught.value.response
        assert (service, response["ResponseMetadata"]["HTTPStatusCode"]) == (service, 501)
        assert response["Error"]["Code"] == "NotImplemented"
        assert f"{service} {name}" in response["Error"]["Message"]
        assert "selfmaker operations" in response["Error"]["Message"]


def test_operations_lists_what_is_answered(edge):
    answered = edge.edge.operations()
    assert ("sagemaker", "DescribeTrainingJob") in answered
    assert ("s3", "PostObject") in answered
    assert answered == sorted(answered)
