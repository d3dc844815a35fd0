"""Targets and policies as requests make them, and a scaler that follows them on an endpoint with real workers."""

import time
from dataclasses import replace

import pytest
from tests.serving.conftest import executor, loop, on_loop, plain_environment  # noqa: F401 - fixtures
from tests.serving.world import REGION, World

from selfmaker import clock
from selfmaker.application_autoscaling import scalable_target, scaling_activity, scaling_policy
from selfmaker.application_autoscaling.scaler import Scaler, adjusted
from selfmaker.aws.errors import AwsError
from selfmaker.cloudwatch import alarm
from selfmaker.services import Services
from selfmaker.serving.inference_components import KIND
from selfmaker.serving.spec import AsyncSpec, DeploymentSpec, ServerlessSpec
from selfmaker.settings import Settings, load
from selfmaker.store.metrics import Metric, Sample
from selfmaker.store.resources import Resource

TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/e/variant/v1",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TRACKING = {
    **TARGET,
    "PolicyName": "track",
    "PolicyType": "TargetTrackingScaling",
    "TargetTrackingScalingPolicyConfiguration": {
        "TargetValue": 10.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        "ScaleInCooldown": 60,
        "ScaleOutCooldown": 60,
    },
}
COMPONENT = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "inference-component/c",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
}
STEPS = {
    **TARGET,
    "PolicyName": "steps",
    "PolicyType": "StepScaling",
    "StepScalingPolicyConfiguration": {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 2}],
        "Cooldown": 60,
    },
}


@pytest.fixture(autouse=True)
def early_in_a_minute(monkeypatch):
    """Alarms look at whole minutes: none ends while a test looks."""
    now, seconds = clock.now, clock.now() % 60
    monkeypatch.setattr(clock, "now", lambda: now() - seconds)


@pytest.fixture
def world(tmp_path, loop, executor, plain_environment):  # noqa: F811
    made = World(tmp_path, loop, executor, plain_environment)
    made.endpoints._tools = replace(made.endpoints._tools, cores=8)
    model = replace(made.model(), environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "1"})
    assert made.create(made.spec(model)).status == "InService"
    yield made
    made.close()


@pytest.fixture
def call(world):
    made = world.call("application-autoscaling")
    settings: Settings = load({}, {"HOME": str(world.home)})
    parts = (world.database, world.resources, world.endpoints, world.components, world.metrics, settings)
    return replace(made, services=Services(*parts))


@pytest.fixture
def scaler(world):
    return Scaler(world.resources, world.metrics, world.endpoints, world.components, 60.0)


def register(call, low=1, high=4, **members):
    request = {**TARGET, "MinCapacity": low, "MaxCapacity": high, **members}
    return scalable_target.register_scalable_target(call, request)["ScalableTargetARN"]


def attend(scaler, world):
    for target in world.resources.list(scalable_target.KIND):
        scaler.attend(target)
    row = world.settled()
    return DeploymentSpec.from_json(row.state["serving"]).variant("v1").instances


def invocations(world, *minutes):
    """So many per instance in the last minutes, the oldest first; the minute that is going on is left out."""
    metric = Metric(REGION, "AWS/SageMaker", "InvocationsPerInstance", {"EndpointName": "e", "VariantName": "v1"})
    now = clock.now() // 60 * 60
    samples = [Sample.value(now - 60 * ago + 1, 1.0, count) for ago, count in enumerate(reversed(minutes), 1)]
    world.metrics.put_all([(metric, samples)])


def activities(call):
    return scaling_activity.describe_scaling_activities(call, {"ServiceNamespace": "sagemaker"})["ScalingActivities"]


def refused(function, call, request):
    with pytest.raises(AwsError) as caught:
        function(call, request)
    return caught.value


def test_a_target_is_registered_changed_and_deregistered(call):
    address = register(call)
    assert address.startswith("arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/")
    assert register(call, high=6) == address
    found = scalable_target.describe_scalable_targets(call, {"ServiceNamespace": "sagemaker"})["ScalableTargets"]
    assert {**TARGET, "MinCapacity": 1, "MaxCapacity": 6, "ScalableTargetARN": address}.items() <= found[0].items()
    assert found[0]["SuspendedState"]["DynamicScalingInSuspended"] is False
    none = {"ServiceNamespace": "sagemaker", "ResourceIds": ["endpoint/x/variant/y"]}
    assert scalable_target.describe_scalable_targets(call, none)["ScalableTargets"] == []
    scaling_policy.put_scaling_policy(call, TRACKING)
    scalable_target.deregister_scalable_target(call, TARGET)
    assert scaling_policy.describe_scaling_policies(call, {"ServiceNamespace": "sagemaker"})["ScalingPolicies"] == []
    assert call.use(scalable_target.Resources).list(alarm.KIND) == []
    assert refused(scalable_target.deregister_scalable_target, call, TARGET).code == "ObjectNotFoundException"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"ServiceNamespace": "ecs"}, "Unsupported service namespace"),
        ({"ScalableDimension": "sagemaker:cluster:DesiredInstanceCount"}, "Unsupported service namespace"),
        ({"ScalableDimension": "sagemaker:inference-component:DesiredCopyCount"}, "has no dimension"),
        ({**COMPONENT, "ResourceId": "inference-component/none"}, "none"),
        ({"ResourceId": "endpoint/e"}, "endpoint/my-endpoint/variant/my-variant"),
        ({"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}, "has instances"),
        ({"ResourceId": "endpoint/none/variant/v1"}, "none"),
        ({"ResourceId": "endpoint/e/variant/v9"}, "v9"),
        ({"MaxCapacity": 0}, "Maximum capacity"),
        ({"MinCapacity": 0}, "MinCapacity"),
    ],
)
def test_what_cannot_be_a_target(call, changes, word):
    request = {**TARGET, "MinCapacity": 1, "MaxCapacity": 2, **changes}
    error = refused(scalable_target.register_scalable_target, call, request)
    assert (error.code, word in error.message) == ("ValidationException", True)


def test_a_policy_needs_a_target_and_makes_sense(call):
    assert refused(scaling_policy.put_scaling_policy, call, TRACKING).code == "ObjectNotFoundException"
    register(call)
    wrong = {**TRACKING, "StepScalingPolicyConfiguration": STEPS["StepScalingPolicyConfiguration"]}
    assert refused(scaling_policy.put_scaling_policy, call, wrong).code == "ValidationException"
    wrong = {**STEPS, "StepScalingPolicyConfiguration": {"AdjustmentType": "ChangeInCapacity"}}
    assert "StepAdjustments" in refused(scaling_policy.put_scaling_policy, call, wrong).message
    assert refused(scaling_policy.delete_scaling_policy, call, TRACKING).code == "ObjectNotFoundException"


def test_a_policy_is_described_with_its_alarms_made_anew_and_deleted(call):
    register(call)
    made = scaling_policy.put_scaling_policy(call, TRACKING)
    assert [a["AlarmName"].split("-Alarm")[1][:4] for a in made["Alarms"]] == ["High", "Low-"]
    changed = {**TRACKING, "TargetTrackingScalingPolicyConfiguration": {
        **TRACKING["TargetTrackingScalingPolicyConfiguration"], "TargetValue": 20.0}}  # fmt: skip
    assert scaling_policy.put_scaling_policy(call, changed) == made
    found = scaling_policy.describe_scaling_policies(call, {"ServiceNamespace": "sagemaker"})["ScalingPolicies"]
    assert found[0]["Alarms"] == made["Alarms"]
    assert found[0]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 20.0
    alarms = alarm.describe_alarms(call, {"AlarmNamePrefix": "TargetTracking-endpoint/e/variant/v1-"})["MetricAlarms"]
    assert [(a["Threshold"], a["EvaluationPeriods"]) for a in alarms] == [(20.0, 3), (18.0, 15)]
    scaling_policy.delete_scaling_policy(call, TRACKING)
    assert alarm.describe_alarms(call, {})["MetricAlarms"] == []


def test_more_invocations_than_wanted_start_workers_and_none_end_them(world, call, scaler):
    register(call)
    scaling_policy.put_scaling_policy(call, TRACKING)
    assert attend(scaler, world) == 1, "nothing is known yet, and there are no fewer than one"
    invocations(world, 25, 25, 25)
    assert attend(scaler, world) == 3
    assert world.endpoints._in_service.get((REGION, "e")).fleet.variants["v1"].ready == 3
    assert attend(scaler, world) == 3, "the cooldown is not over"
    activity = activities(call)[0]
    assert (activity["StatusCode"], activity["ResourceId"]) == ("Successful", TARGET["ResourceId"])
    assert activity["Description"] == "Setting desired instance count to 3."
    assert "AlarmHigh" in activity["Cause"]
    assert activity["EndTime"] >= activity["StartTime"]


def test_copies_of_an_inference_component_follow_its_invocations(world, call, scaler):
    spec = world.spec(world.model("c"))
    spec = replace(spec, config="e", variants=(replace(spec.variants[0], copies=True),))
    document = {"InferenceComponentName": "c", "EndpointName": "e", "VariantName": "v1"}
    row = Resource(KIND, REGION, "c", "arn:c", "Creating", 1.0, 1.0, document, {"pending": spec.to_json()})
    world.components.create(row, {})
    scalable_target.register_scalable_target(call, {**COMPONENT, "MinCapacity": 0, "MaxCapacity": 3})
    tracking = {
        "TargetValue": 10.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"},
    }
    policy = {**TRACKING, **COMPONENT, "TargetTrackingScalingPolicyConfiguration": tracking}
    scaling_policy.put_scaling_policy(call, policy)
    while world.components.get(REGION, "c").status != "InService":
        time.sleep(0.01)
    metric = Metric(REGION, "AWS/SageMaker", "InvocationsPerCopy", {"InferenceComponentName": "c"})
    now = clock.now() // 60 * 60
    world.metrics.put_all([(metric, [Sample.value(now - 60 * ago + 1, 1.0, 18) for ago in (1, 2, 3)])])
    for target in world.resources.list(scalable_target.KIND):
        scaler.attend(target)
    row = world.components.get(REGION, "c")
    assert DeploymentSpec.from_json(row.state["serving"]).variant("v1").instances == 2
    assert world.components._in_service.get((REGION, "c")).fleet.variants["v1"].ready == 2
    wrong = {**policy, "TargetTrackingScalingPolicyConfiguration": {
        **tracking, "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}}  # fmt: skip
    assert "InvocationsPerCopy" in refused(scaling_policy.put_scaling_policy, call, wrong).message


def test_fewer_invocations_end_workers_after_the_cooldown(world, call, scaler, monkeypatch):
    register(call, low=3)
    scaling_policy.put_scaling_policy(call, TRACKING)
    assert attend(scaler, world) == 3
    assert "minimum capacity" in activities(call)[0]["Cause"]
    register(call, low=1)
    invocations(world, *[2] * 15)
    assert attend(scaler, world) == 3, "the cooldown is not over"
    later = clock.now() + 15 * 60 + 1
    monkeypatch.setattr(clock, "now", lambda: later)
    invocations(world, *[2] * 15)
    assert attend(scaler, world) == 1


def test_what_is_suspended_or_disabled_is_not_done(world, call, scaler):
    register(call, SuspendedState={"DynamicScalingOutSuspended": True})
    scaling_policy.put_scaling_policy(call, TRACKING)
    invocations(world, 25, 25, 25)
    assert attend(scaler, world) == 1
    register(call, SuspendedState={"DynamicScalingOutSuspended": False})
    assert attend(scaler, world) == 3


def test_steps_are_taken_when_their_alarm_says_so(world, call, scaler):
    register(call)
    policy = scaling_policy.put_scaling_policy(call, STEPS)["PolicyARN"]
    alarm.put_metric_alarm(call, {
        "AlarmName": "busy", "Namespace": "AWS/SageMaker", "MetricName": "InvocationsPerInstance", "Statistic": "Sum",
        "Dimensions": [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v1"}],
        "Period": 60, "EvaluationPeriods": 1, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold",
        "AlarmActions": [policy],
    })  # fmt: skip
    found = scaling_policy.describe_scaling_policies(call, {"ServiceNamespace": "sagemaker"})["ScalingPolicies"]
    assert [a["AlarmName"] for a in found[0]["Alarms"]] == ["busy"]
    assert attend(scaler, world) == 1
    invocations(world, 9)
    assert attend(scaler, world) == 3


def test_the_provisioned_concurrency_of_a_serverless_variant_follows_its_use(world, call, scaler):
    spec = world.spec(world.model("s"))
    serverless = replace(spec.variants[0], serverless=ServerlessSpec(2048, 4, 1))
    world.create(replace(spec, variants=(serverless,)), "s")
    here = {"ResourceId": "endpoint/s/variant/v1"}
    assert (
        "is serverless"
        in refused(
            scalable_target.register_scalable_target, call, {**TARGET, **here, "MinCapacity": 1, "MaxCapacity": 2}
        ).message
    )
    target = {**TARGET, **here, "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}
    register(call, high=6, **target)
    use = {"PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"}
    config = {"TargetValue": 0.5, "PredefinedMetricSpecification": use, "ScaleOutCooldown": 0}
    scaling_policy.put_scaling_policy(call, {**TRACKING, **target, "TargetTrackingScalingPolicyConfiguration": config})
    where = {"EndpointName": "s", "VariantName": "v1"}
    metric = Metric(REGION, "AWS/SageMaker", "ServerlessProvisionedConcurrencyUtilization", where)
    now = clock.now() // 60 * 60
    world.metrics.put_all([(metric, [Sample.value(now - 60 * ago + 1, 0.9) for ago in (1, 2, 3)])])
    for wanted in (2, 4, 4):  # 0.9 of one is 0.9: two at a half each; and no more than the variant's MaxConcurrency
        for row in world.resources.list(scalable_target.KIND):
            scaler.attend(row)
        serving = DeploymentSpec.from_json(world.settled("s").state["serving"])
        assert serving.variant("v1").serverless.provisioned == wanted
    assert len(activities(call)) == 2


def test_an_asynchronous_endpoint_is_scaled_to_nothing_and_back(world, call, scaler, monkeypatch):
    """By two policies, as AWS's examples do it: the backlog, and whether there is one without an instance."""
    spec = world.spec(replace(world.model("a"), environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}))
    spec = replace(spec, asynchronous=AsyncSpec(output="s3://box/out", failure="", concurrency=1))
    world.create(spec, "a")
    target = {**TARGET, "ResourceId": "endpoint/a/variant/v1"}
    register(call, low=0, **target)
    backlog = {
        "TargetValue": 5.0,
        "CustomizedMetricSpecification": {
            "MetricName": "ApproximateBacklogSizePerInstance",
            "Namespace": "AWS/SageMaker",
            "Dimensions": [{"Name": "EndpointName", "Value": "a"}],
            "Statistic": "Average",
        },
        "ScaleInCooldown": 0,
    }
    tracking = {**TRACKING, **target, "TargetTrackingScalingPolicyConfiguration": backlog}
    scaling_policy.put_scaling_policy(call, tracking)
    steps = {**STEPS["StepScalingPolicyConfiguration"], "Cooldown": 0}
    steps["StepAdjustments"] = [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
    stepping = scaling_policy.put_scaling_policy(call, {**STEPS, **target, "StepScalingPolicyConfiguration": steps})[
        "PolicyARN"
    ]
    alarm.put_metric_alarm(call, {
        "AlarmName": "waiting", "Namespace": "AWS/SageMaker", "MetricName": "HasBacklogWithoutCapacity",
        "Statistic": "Average", "Dimensions": [{"Name": "EndpointName", "Value": "a"}], "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing", "AlarmActions": [stepping],
    })  # fmt: skip

    def count():
        row = world.settled("a")
        return DeploymentSpec.from_json(row.state["serving"]).variant("v1").instances

    def attended():
        for row in world.resources.list(scalable_target.KIND):
            scaler.attend(row)
        return count()

    def observed(name, *values):
        metric, now = Metric(REGION, "AWS/SageMaker", name, {"EndpointName": "a"}), clock.now() // 60 * 60
        samples = [Sample.value(now - 60 * ago + 1, value) for ago, value in enumerate(reversed(values), 1)]
        world.metrics.put_all([(metric, samples)])

    assert attended() == 1, "that nobody asked before there was a policy means nothing"
    soon = clock.now() + 15 * 60
    monkeypatch.setattr(clock, "now", lambda: soon)
    observed("ApproximateBacklogSizePerInstance", *[0.0] * 15)
    assert attended() == 0
    fleet = world.endpoints._in_service.get((REGION, "a")).fleet
    assert fleet.variants["v1"].ready == 0
    world.objects.put("box", "in", b"{}")
    asked = {"OutputLocation": "s3://box/out/1", "InputLocation": "s3://box/in", "InferenceId": "1"}
    world.endpoints.accept(REGION, "a", asked)
    assert attended() == 0, "nobody has seen yet that it waits"
    later = clock.now() + 120
    monkeypatch.setattr(clock, "now", lambda: later)
    observed("HasBacklogWithoutCapacity", 1.0)
    assert attended() == 1
    deadline = time.monotonic() + 60
    while not list(world.objects.list("box", "out/1")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("kind", "step", "count", "breach", "wanted"),
    [
        ("ChangeInCapacity", {"MetricIntervalLowerBound": 0}, 2, 5, 3),
        ("ChangeInCapacity", {"MetricIntervalLowerBound": 10}, 2, 5, None),
        ("ChangeInCapacity", {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 5}, 2, 5, None),
        ("ExactCapacity", {"MetricIntervalLowerBound": 0}, 4, 1, 1),
        ("PercentChangeInCapacity", {"MetricIntervalLowerBound": 0}, 100, 1, 101),
    ],
)
def test_a_step(kind, step, count, breach, wanted):
    config = {"AdjustmentType": kind, "StepAdjustments": [{**step, "ScalingAdjustment": 1}]}
    assert adjusted(config, count, breach) == wanted


def test_the_scaler_runs_by_itself(world, call):
    scaler = Scaler(world.resources, world.metrics, world.endpoints, world.components, 0.05)
    register(call, low=2)
    scaler.start()
    try:
        while True:
            row = world.settled()
            if DeploymentSpec.from_json(row.state["serving"]).variant("v1").instances == 2:
                break
            time.sleep(0.02)
    finally:
        scaler.close()
    assert activities(call)[-1]["StatusCode"] in ("Successful", "InProgress")


def test_an_activity_that_a_stopped_server_left_is_ended(world, call):
    register(call)
    scaling_activity.begin(world.resources, call.region, TARGET, 2, "a policy")
    scaler = Scaler(world.resources, world.metrics, world.endpoints, world.components, 0.05)
    scaler.start()
    try:
        while activities(call)[0]["StatusCode"] == "InProgress":
            time.sleep(0.02)
    finally:
        scaler.close()
    assert activities(call)[0]["StatusCode"] == "Failed"
    assert "stopped before" in activities(call)[0]["StatusMessage"]
