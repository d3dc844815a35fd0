"""Deployments that are rolled out and back, and variants that scale, as plain boto3 drives them."""

import datetime
import json
import threading
import time
from collections import Counter

import pytest
from botocore.exceptions import ClientError

SCRIPT = """
import json, pathlib
def model_fn(model_dir):
    return json.loads(pathlib.Path(model_dir, "m.json").read_text())
def transform_fn(model, body, content_type, accept):
    if model.get("bad"):
        raise ValueError("a bad day")
    return json.dumps(model)
"""
ONE_WORKER = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
ERRORS = {
    "AlarmName": "errors",
    "Namespace": "AWS/SageMaker",
    "MetricName": "Invocation5XXErrors",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 0.01,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
}
CANARY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "WaitIntervalInSeconds": 60,
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        },
        "MaximumExecutionTimeoutInSeconds": 3600,
    },
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
}


def dimensions(endpoint):
    return [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "variant-1"}]


@pytest.fixture
def account(new_server, account_on):
    return account_on(new_server(deployment_wait_scale="0.05", autoscaling_period_seconds="1", slots="4"))


class Clients:
    """Some, asking until they are left alone: the names that answered, and the errors."""

    def __init__(self, account, endpoint):
        self.names, self.errors = [], []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(account, endpoint)) for _ in range(4)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, account, endpoint):
        while not self._over.is_set():
            try:
                self.names.append(json.loads(account.invoke(endpoint, b"x", "a/b"))["name"])
            except ClientError as error:
                self.errors.append(str(error))


def model(account, name, **members):
    return account.model({"m.json": json.dumps({"name": name, **members})}, SCRIPT, Environment=ONE_WORKER)


def update(account, endpoint, served):
    config = account.config(served)
    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config, DeploymentConfig=CANARY)
    return config


def test_a_canary_comes_in_by_steps_and_a_bad_one_is_taken_back(account):
    endpoint = account.deploy(model(account, "a"))
    alarms = account.server.client("cloudwatch")
    alarms.put_metric_alarm(**ERRORS, Dimensions=dimensions(endpoint))
    with Clients(account, endpoint) as clients:
        config = update(account, endpoint, model(account, "b"))
        while True:
            described = account.sagemaker.describe_endpoint(EndpointName=endpoint)
            pending = described.get("PendingDeploymentSummary", {}).get("ProductionVariants", [{}])[0]
            if pending.get("VariantStatus", [{}])[0].get("Status") == "Baking":
                break
        assert described["EndpointStatus"] == "Updating"
        assert 0 < pending["CurrentWeight"] <= 1.0
        described = account.settled(endpoint)
        assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", config)
        assert described["LastDeploymentConfig"]["BlueGreenUpdatePolicy"] == CANARY["BlueGreenUpdatePolicy"]
        assert clients.errors == []
        update(account, endpoint, model(account, "c", bad=True))
        described = account.settled(endpoint)
        assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", config)
        assert "errors" in described["FailureReason"]
        mark = len(clients.errors)
        time.sleep(0.3)
    assert len(clients.errors) <= mark + 4
    assert all("a bad day" in error for error in clients.errors)
    assert set(clients.names) == {"a", "b"}


def test_the_two_sides_of_an_update_are_counted_apart(account):
    """By the dimension EndpointConfigName, as AWS's notebooks on deployment guardrails plot them."""
    endpoint = account.deploy(model(account, "a"))
    before = account.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    cloudwatch = account.server.client("cloudwatch")
    cloudwatch.put_metric_alarm(**ERRORS, Dimensions=dimensions(endpoint))
    with Clients(account, endpoint) as clients:
        after = update(account, endpoint, model(account, "b"))
        account.settled(endpoint)
    hour, now = datetime.timedelta(hours=1), datetime.datetime.now(datetime.timezone.utc)

    def invocations(*more):
        found = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            Dimensions=[*dimensions(endpoint), *more],
            Statistics=["Sum"],
            Period=60,
            StartTime=now - hour,
            EndTime=now + hour,
        )
        return sum(point["Sum"] for point in found["Datapoints"])

    while invocations() < len(clients.names):  # what is counted is there within a second
        time.sleep(0.1)
    by_config = [invocations({"Name": "EndpointConfigName", "Value": config}) for config in (before, after)]
    assert by_config == [clients.names.count("a"), clients.names.count("b")]


def test_a_deployment_config_that_makes_no_sense_is_refused(account):
    endpoint = account.deploy(model(account, "a"))
    config = account.config(model(account, "b"))
    for change in ({"CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 90}}, {"Type": "LINEAR"}):
        routing = {**CANARY["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"], **change}
        with pytest.raises(ClientError) as caught:
            account.sagemaker.update_endpoint(
                EndpointName=endpoint,
                EndpointConfigName=config,
                DeploymentConfig={"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}},
            )
        assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert account.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"


def test_a_variant_follows_its_invocations(account):
    endpoint = account.deploy(model(account, "a"))
    scaling = account.server.client("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/variant-1",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=3)
    policy = {
        "TargetValue": 60.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        "ScaleInCooldown": 0,
        "ScaleOutCooldown": 0,
    }
    made = scaling.put_scaling_policy(
        **target, PolicyName="p", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=policy
    )
    assert len(made["Alarms"]) == 2

    def count():
        return account.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"][0][
            "CurrentInstanceCount"
        ]

    with Clients(account, endpoint) as clients:
        while count() < 3:
            time.sleep(0.1)
    assert clients.errors == []
    assert Counter(clients.names).keys() == {"a"}

    def first_activity():
        return scaling.describe_scaling_activities(**target)["ScalingActivities"][-1]

    while first_activity()["StatusCode"] == "InProgress":  # the instances are there a moment before it is noted
        time.sleep(0.1)
    assert first_activity()["StatusCode"] == "Successful"
    scaling.register_scalable_target(**target, MaxCapacity=1)
    while count() > 1:
        time.sleep(0.1)
    scaling.deregister_scalable_target(**target)
    assert scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"] == []


def test_metrics_are_read_as_from_cloudwatch(account):
    endpoint = account.deploy(model(account, "a"))
    for _ in range(10):
        account.invoke(endpoint, b"x", "a/b")
    now = datetime.datetime.now(datetime.timezone.utc)
    cloudwatch = account.server.client("cloudwatch")
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {"Namespace": "AWS/SageMaker", "MetricName": name, "Dimensions": dimensions(endpoint)},
                "Period": 300,
                "Stat": statistic,
            },
        }
        for number, (name, statistic) in enumerate(
            [
                ("Invocations", "Sum"),
                ("ModelLatency", "p90"),
                ("OverheadLatency", "Average"),
                ("Invocation5XXErrors", "Sum"),
            ]
        )
    ]
    hour = datetime.timedelta(hours=1)
    found = cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=now - hour, EndTime=now + hour)
    invocations, latency, overhead, errors = (sum(result["Values"]) for result in found["MetricDataResults"])
    assert (invocations, errors) == (10, 0)
    assert 0 < latency < 60e6
    assert overhead > 0
    listed = cloudwatch.list_metrics(Namespace="AWS/SageMaker", Dimensions=dimensions(endpoint)[:1])["Metrics"]
    assert {"Invocations", "ModelLatency"} <= {metric["MetricName"] for metric in listed}
