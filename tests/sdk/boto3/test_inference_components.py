"""Models that come to an endpoint in service and go, as boto3 users drive them."""

import json
import time
from datetime import datetime, timedelta, timezone

import pytest

MODEL = """
import json, os, pathlib, time
def model_fn(model_dir):
    weights = json.loads(pathlib.Path(model_dir, "weights.json").read_text())
    if "fail" in weights:
        raise ValueError(weights["fail"])
    return weights
def transform_fn(model, body, content_type, accept):
    if body == b"hold":
        time.sleep(0.5)
    return json.dumps({"name": model["name"], "word": os.environ.get("WORD")})
"""


@pytest.fixture(scope="module")
def host(account):
    """An endpoint without models of its own."""
    name = account.unique("host")
    variant = {"VariantName": "AllTraffic", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    account.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ExecutionRoleArn=account.role, ProductionVariants=[variant]
    )
    account.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    assert account.settled(name)["EndpointStatus"] == "InService"
    return name


def model(account, **weights):
    return account.model({"weights.json": json.dumps(weights)}, MODEL)


def component(account, host, specification, copies=1):
    name = account.unique("component")
    created = account.sagemaker.create_inference_component(
        InferenceComponentName=name,
        EndpointName=host,
        VariantName="AllTraffic",
        Specification={"ComputeResourceRequirements": {"MinMemoryRequiredInMb": 128}, **specification},
        RuntimeConfig={"CopyCount": copies},
    )
    assert created["InferenceComponentArn"].endswith(f":inference-component/{name}")
    return name


def settled(account, name):
    deadline = time.monotonic() + 120
    while True:
        described = account.sagemaker.describe_inference_component(InferenceComponentName=name)
        if described["InferenceComponentStatus"] not in ("Creating", "Updating"):
            return described
        assert time.monotonic() < deadline


def ask(account, host, name, body=b"x"):
    answer = account.runtime.invoke_endpoint(EndpointName=host, InferenceComponentName=name, Body=body)
    return json.loads(answer["Body"].read())


def invocations(account, name, metric="Invocations"):
    now = datetime.now(timezone.utc)
    points = account.server.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": "InferenceComponentName", "Value": name}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


def gone(account, name):
    deadline = time.monotonic() + 60
    while True:
        try:
            account.sagemaker.describe_inference_component(InferenceComponentName=name)
        except account.sagemaker.exceptions.ClientError as error:
            assert "Could not find inference component" in str(error)
            return
        assert time.monotonic() < deadline


def test_two_models_share_an_endpoint_and_requests_name_them(account, host):
    one = component(account, host, {"ModelName": model(account, name="one")})
    described = account.sagemaker.describe_model(ModelName=model(account, name="two"))["PrimaryContainer"]
    container = {
        "Image": described["Image"],
        "ArtifactUrl": described["ModelDataUrl"],
        "Environment": {**described["Environment"], "WORD": "own"},
    }
    two = component(account, host, {"Container": container}, copies=2)
    described = settled(account, two)
    assert described["InferenceComponentStatus"] == "InService", described
    assert described["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    assert described["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == account.sklearn
    assert described["EndpointName"] == host
    assert settled(account, one)["InferenceComponentStatus"] == "InService"
    assert ask(account, host, one)["name"] == "one"
    assert ask(account, host, two) == {"name": "two", "word": "own"}
    assert (invocations(account, one), invocations(account, two)) == (1.0, 1.0)
    assert invocations(account, two, "InvocationsPerCopy") == 0.5
    listed = account.sagemaker.list_inference_components(EndpointNameEquals=host)["InferenceComponents"]
    assert {row["InferenceComponentName"] for row in listed} >= {one, two}
    with pytest.raises(account.sagemaker.exceptions.ClientError, match="with inference components"):
        account.sagemaker.delete_endpoint(EndpointName=host)
    streams = account.logs.describe_log_streams(logGroupName=f"/aws/sagemaker/InferenceComponents/{two}")["logStreams"]
    assert streams[0]["logStreamName"].startswith("AllTraffic/i-")


def test_a_component_changes_its_model_and_its_copies_and_goes(account, host):
    name = component(account, host, {"ModelName": model(account, name="before")})
    assert settled(account, name)["InferenceComponentStatus"] == "InService"
    account.sagemaker.update_inference_component(
        InferenceComponentName=name, Specification={"ModelName": model(account, name="after")}
    )
    assert settled(account, name)["InferenceComponentStatus"] == "InService"
    assert ask(account, host, name)["name"] == "after"
    account.sagemaker.update_inference_component(
        InferenceComponentName=name, Specification={"ModelName": model(account, fail="no luck")}
    )
    described = settled(account, name)
    assert "no luck" in described["FailureReason"]
    assert described["InferenceComponentStatus"] == "InService"
    assert ask(account, host, name)["name"] == "after"
    alarms = account.server.client("cloudwatch")
    alarms.put_metric_alarm(AlarmName=name, Namespace="n", MetricName="m", Statistic="Sum", Period=3600,
                            EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanThreshold")  # fmt: skip
    alarms.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    rolling = {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1},
            "WaitIntervalInSeconds": 0,
            "MaximumExecutionTimeoutInSeconds": 600,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name}]},
    }
    account.sagemaker.update_inference_component(
        InferenceComponentName=name,
        Specification={"ModelName": model(account, name="alarming")},
        DeploymentConfig=rolling,
    )
    described = settled(account, name)
    assert f"alarms transitioned to ALARM state while it was under way: {name}" in described["FailureReason"]
    assert described["LastDeploymentConfig"] == rolling
    assert ask(account, host, name)["name"] == "after"
    for count in (2, 0):
        account.sagemaker.update_inference_component_runtime_config(
            InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": count}
        )
        runtime = settled(account, name)["RuntimeConfig"]
        assert runtime == {"DesiredCopyCount": count, "CurrentCopyCount": count}
    with pytest.raises(account.runtime.exceptions.ValidationError, match="no capacity to process this request"):
        ask(account, host, name)
    assert invocations(account, name, "NoCapacityInvocationFailures") == 1.0
    account.sagemaker.delete_inference_component(InferenceComponentName=name)
    gone(account, name)
    with pytest.raises(account.runtime.exceptions.ValidationError, match=f"Inference component {name} .* not found"):
        ask(account, host, name)


def test_what_makes_no_component(account, host):
    refused = account.sagemaker.exceptions.ClientError
    good = model(account, name="good")
    with pytest.raises(refused, match='VariantName: "other"'):
        account.sagemaker.create_inference_component(
            InferenceComponentName="none",
            EndpointName=host,
            VariantName="other",
            Specification={"ModelName": good},
            RuntimeConfig={"CopyCount": 1},
        )
    with pytest.raises(refused, match="Could not find model"):
        component(account, host, {"ModelName": "nobody"})
    with pytest.raises(refused, match="Could not find endpoint"):
        component(account, "nobody", {"ModelName": good})
    with pytest.raises(refused, match="at most 64 copies"):
        component(account, host, {"ModelName": good}, copies=65)
    with pytest.raises(refused, match="must have a ModelName"):
        component(account, host, {})
    failed = settled(account, component(account, host, {"ModelName": model(account, fail="no luck")}))
    assert failed["InferenceComponentStatus"] == "Failed"
    assert "no luck" in failed["FailureReason"]
    with pytest.raises(account.runtime.exceptions.ValidationError, match="Inference Component Name header is required"):
        account.invoke(host, "x")
    plain = account.deploy(good)
    with pytest.raises(refused, match="has a model of its own"):
        account.sagemaker.create_inference_component(
            InferenceComponentName="none",
            EndpointName=plain,
            VariantName="variant-1",
            Specification={"ModelName": good},
            RuntimeConfig={"CopyCount": 1},
        )
