"""Warm pools, Debugger and the profiler: what is configured is kept, and what became of it is told."""

import pytest

RULE = "503895931360.dkr.ecr.us-east-1.amazonaws.com/sagemaker-debugger-rules:latest"


@pytest.fixture(scope="module")
def configured(account):
    place = f"s3://{account.bucket}/debug"
    return {
        "DebugHookConfig": {
            "S3OutputPath": place,
            "HookParameters": {"save_interval": "10"},
            "CollectionConfigurations": [{"CollectionName": "losses", "CollectionParameters": {"x": "1"}}],
        },
        "DebugRuleConfigurations": [
            {
                "RuleConfigurationName": "VanishingGradient",
                "RuleEvaluatorImage": RULE,
                "RuleParameters": {"rule_to_invoke": "VanishingGradient"},
            }
        ],
        "TensorBoardOutputConfig": {"S3OutputPath": f"{place}/tensorboard"},
        "ProfilerConfig": {"S3OutputPath": place},
        "ProfilerRuleConfigurations": [
            {
                "RuleConfigurationName": "ProfilerReport",
                "RuleEvaluatorImage": RULE,
                "RuleParameters": {"rule_to_invoke": "ProfilerReport"},
            }
        ],
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
            "KeepAlivePeriodInSeconds": 600,
        },
        "RemoteDebugConfig": {"EnableRemoteDebug": True},
        "InfraCheckConfig": {"EnableInfraCheck": True},
        "RetryStrategy": {"MaximumRetryAttempts": 2},
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
    }


@pytest.fixture(scope="module")
def described(account, configured):
    return account.succeed("pass", **configured)


def test_all_configurations_are_echoed(described, configured):
    rules = {
        member: [{**rule, "VolumeSizeInGB": 0} for rule in configured[member]]
        for member in ("DebugRuleConfigurations", "ProfilerRuleConfigurations")
    }
    profiler = {"ProfilerConfig": {**configured["ProfilerConfig"], "ProfilingIntervalInMilliseconds": 500}}
    assert {name: described[name] for name in configured} == {**configured, **rules, **profiler}


def test_rules_are_told_to_have_been_left_out(described):
    for member, name in (
        ("DebugRuleEvaluationStatuses", "VanishingGradient"),
        ("ProfilerRuleEvaluationStatuses", "ProfilerReport"),
    ):
        [status] = described[member]
        assert status["RuleConfigurationName"] == name
        assert status["RuleEvaluationStatus"] == "Stopped"
        assert "not evaluated" in status["StatusDetails"]
    assert described["ProfilingStatus"] == "Disabled"


def test_a_job_without_any_is_told_nothing(account):
    plain = account.succeed("pass")
    members = ("DebugRuleEvaluationStatuses", "ProfilerRuleEvaluationStatuses", "ProfilingStatus", "WarmPoolStatus")
    assert not [name for name in members if name in plain]


def test_a_warm_pool_is_not_kept(account, described):
    assert described["WarmPoolStatus"] == {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 0}
    name = described["TrainingJobName"]

    def listed(status):
        found = account.sagemaker.list_training_jobs(WarmPoolStatusEquals=status, NameContains=name)
        return [job["TrainingJobName"] for job in found["TrainingJobSummaries"]]

    assert listed("Terminated") == [name]
    assert listed("Available") == []


def test_a_running_job_uses_its_pool(account, configured):
    name = account.create("import time; time.sleep(600)", **configured)
    running = account.until(name, lambda d: d["SecondaryStatus"] == "Training")
    assert running["WarmPoolStatus"] == {"Status": "InUse"}
    account.sagemaker.update_training_job(TrainingJobName=name, ResourceConfig={"KeepAlivePeriodInSeconds": 60})
    assert account.until(name, lambda d: True)["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 60
    account.sagemaker.stop_training_job(TrainingJobName=name)
    assert account.ended(name)["WarmPoolStatus"]["Status"] == "Terminated"
