"""Experiments through plain boto3: trials, components, the components of jobs, metrics and Search."""

import time
from datetime import datetime, timezone

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def client(account):
    return account.sagemaker


@pytest.fixture(scope="module")
def metrics(account):
    return account.server.client("sagemaker-metrics")


@pytest.fixture
def trial(account, client):
    """``(experiment, trial)``: the names of two that are new."""
    experiment, name = account.unique("Exp"), account.unique("Trial")
    client.create_experiment(ExperimentName=experiment, Description="all of it")
    client.create_trial(TrialName=name, ExperimentName=experiment)
    return experiment, name


def code(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def searched(client, resource, name, value, **request):
    expression = {"Filters": [{"Name": name, "Operator": "Equals", "Value": value}]}
    return client.search(Resource=resource, SearchExpression=expression, **request)["Results"]


def test_an_experiment_s_life(account, client):
    name = account.unique("Life")
    arn = client.create_experiment(ExperimentName=name, Tags=[{"Key": "team", "Value": "a"}])["ExperimentArn"]
    assert arn.endswith(f":experiment/{name.lower()}")
    described = client.describe_experiment(ExperimentName=name.upper())
    assert (described["ExperimentName"], described["DisplayName"], described["ExperimentArn"]) == (name, name, arn)
    client.update_experiment(ExperimentName=name, DisplayName="shown", Description="of what")
    described = client.describe_experiment(ExperimentName=name)
    assert (described["DisplayName"], described["Description"]) == ("shown", "of what")
    assert described["LastModifiedTime"] >= described["CreationTime"]
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    assert name in [e["ExperimentName"] for e in client.list_experiments(MaxResults=100)["ExperimentSummaries"]]
    [found] = searched(client, "Experiment", "Tags.team", "a")
    assert found["Experiment"]["ExperimentName"] == name
    client.delete_experiment(ExperimentName=name)
    assert code(client.describe_experiment, ExperimentName=name)[0] == "ResourceNotFound"


def test_names_are_taken_whatever_their_case(client, trial):
    experiment, name = trial
    for call, request in (
        (client.create_experiment, {"ExperimentName": experiment.upper()}),
        (client.create_trial, {"ExperimentName": experiment, "TrialName": name.lower()}),
    ):
        error, message = code(call, **request)
        assert error == "ValidationException"
        assert "already exists" in message


def test_what_is_not_there(client, trial):
    _, name = trial
    nobody = {"ExperimentName": "nobody"}
    for call, request in (
        (client.describe_experiment, nobody),
        (client.update_experiment, nobody),
        (client.delete_experiment, nobody),
        (client.create_trial, {"TrialName": "t", **nobody}),
        (client.list_trials, nobody),
        (client.list_trial_components, nobody),
        (client.describe_trial, {"TrialName": "nobody"}),
        (client.describe_trial_component, {"TrialComponentName": "nobody"}),
        (client.update_trial_component, {"TrialComponentName": "nobody"}),
        (client.associate_trial_component, {"TrialComponentName": "nobody", "TrialName": name}),
    ):
        error, message = code(call, **request)
        assert error == "ResourceNotFound"
        assert "nobody" in message
    assert code(client.list_trial_components, TrialName=name, **nobody)[0] == "ValidationException"


def test_a_parent_outlives_its_children(account, client, trial):
    experiment, name = trial
    component = account.unique("part")
    arn = client.create_trial_component(TrialComponentName=component)["TrialComponentArn"]
    client.associate_trial_component(TrialComponentName=component, TrialName=name)
    client.associate_trial_component(TrialComponentName=component, TrialName=name)
    assert [t["TrialName"] for t in client.list_trials(TrialComponentName=component)["TrialSummaries"]] == [name]
    assert [t["TrialName"] for t in client.list_trials(ExperimentName=experiment)["TrialSummaries"]] == [name]
    for members in ({"TrialName": name}, {"ExperimentName": experiment}):
        listed = client.list_trial_components(**members)["TrialComponentSummaries"]
        assert [c["TrialComponentArn"] for c in listed] == [arn]
    assert code(client.delete_experiment, ExperimentName=experiment)[0] == "ValidationException"
    assert code(client.delete_trial, TrialName=name)[0] == "ValidationException"
    assert code(client.delete_trial_component, TrialComponentName=component)[0] == "ValidationException"
    [found] = searched(client, "ExperimentTrial", "TrialName", name)
    assert [c["TrialComponentName"] for c in found["Trial"]["TrialComponentSummaries"]] == [component]
    client.disassociate_trial_component(TrialComponentName=component, TrialName=name)
    client.delete_trial_component(TrialComponentName=component)
    client.delete_trial(TrialName=name)
    client.delete_experiment(ExperimentName=experiment)


def test_a_component_is_updated_in_parts(account, client):
    name = account.unique("parts")
    start = datetime(2024, 5, 1, tzinfo=timezone.utc)
    arn = client.create_trial_component(
        TrialComponentName=name,
        DisplayName="shown",
        StartTime=start,
        Status={"PrimaryStatus": "InProgress", "Message": "m"},
        Parameters={"a": {"NumberValue": 1}, "b": {"StringValue": "x"}},
        InputArtifacts={"in": {"Value": "s3://b/in", "MediaType": "text/csv"}},
    )["TrialComponentArn"]
    client.update_trial_component(
        TrialComponentName=name,
        Status={"PrimaryStatus": "Completed"},
        Parameters={"b": {"StringValue": "y"}, "c": {"NumberValue": 2.5}},
        ParametersToRemove=["a"],
        InputArtifactsToRemove=["in"],
        OutputArtifacts={"out": {"Value": "s3://b/out"}},
    )
    described = client.describe_trial_component(TrialComponentName=arn)
    assert described["Parameters"] == {"b": {"StringValue": "y"}, "c": {"NumberValue": 2.5}}
    assert described["Status"] == {"PrimaryStatus": "Completed"}
    assert (described["StartTime"], described["DisplayName"]) == (start, "shown")
    assert described["InputArtifacts"] == {}
    assert described["OutputArtifacts"] == {"out": {"Value": "s3://b/out"}}
    both = {"p": {"StringValue": "x", "NumberValue": 1}}
    assert code(client.update_trial_component, TrialComponentName=name, Parameters=both)[0] == "ValidationException"
    many = {str(n): {"NumberValue": n} for n in range(299)}
    error, _ = code(client.update_trial_component, TrialComponentName=name, Parameters=many)
    assert error == "ResourceLimitExceeded"
    assert len(client.describe_trial_component(TrialComponentName=name)["Parameters"]) == 2


def test_lists_are_paged(account, client, trial):
    experiment, _ = trial
    for _ in range(3):
        client.create_trial(TrialName=account.unique("more"), ExperimentName=experiment)
    pages = client.get_paginator("list_trials").paginate(ExperimentName=experiment, MaxResults=2, SortBy="Name")
    assert [len(page["TrialSummaries"]) for page in pages] == [2, 2]


def test_metrics_are_summarised_and_got(account, client, metrics):
    name, now = account.unique("metrics"), int(time.time()) // 3600 * 3600 - 7200
    arn = client.create_trial_component(TrialComponentName=name)["TrialComponentArn"]
    data = [
        {"MetricName": "loss", "Timestamp": str(now + 30 * n), "Step": n // 2, "Value": v}
        for n, v in enumerate((4, 2, 3, 1))
    ]
    assert "Errors" not in metrics.batch_put_metrics(TrialComponentName=name, MetricData=data[2:])
    old = {"MetricName": "loss", "Timestamp": now - 30 * 86400, "Value": 9}
    answer = metrics.batch_put_metrics(TrialComponentName=name, MetricData=[*data[:2], old])
    assert answer["Errors"] == [{"Code": "VALIDATION_ERROR", "MetricIndex": 2}]
    [summary] = client.describe_trial_component(TrialComponentName=name)["Metrics"]
    assert summary.pop("TimeStamp").timestamp() == now + 90
    assert summary.pop("StdDev") == pytest.approx(1.25**0.5)
    assert summary == {
        "MetricName": "loss", "SourceArn": arn, "Max": 4, "Min": 1, "Last": 1, "Count": 4, "Avg": 2.5,
    }  # fmt: skip

    def got(statistic, axis, period, **members):
        query = {"MetricName": "loss", "ResourceArn": arn, "MetricStat": statistic, "XAxisType": axis}
        [result] = metrics.batch_get_metrics(MetricQueries=[{**query, "Period": period, **members}])[
            "MetricQueryResults"
        ]
        return result["Status"], result["XAxisValues"], result["MetricValues"]

    assert got("Avg", "IterationNumber", "IterationNumber") == ("Complete", [0, 1], [3.0, 2.0])
    assert got("Last", "Timestamp", "OneMinute") == ("Complete", [now, now + 60], [2.0, 1.0])
    assert got("Count", "Timestamp", "OneHour") == ("Complete", [now], [4.0])
    assert got("StdDev", "Timestamp", "FiveMinute")[2] == [pytest.approx(1.25**0.5)]
    assert got("Min", "IterationNumber", "IterationNumber", Start=1)[1:] == ([1], [1.0])
    late = (now + 60) * 1000
    assert got("Max", "Timestamp", "OneMinute", Start=late) == ("Complete", [late], [3.0])
    assert got("Max", "Timestamp", "IterationNumber")[0] == "ValidationError"
    assert got("Max", "Timestamp", "OneHour", ResourceArn=arn + "x")[0] == "ValidationError"
    request = {"TrialComponentName": "nobody", "MetricData": data[:1]}
    assert code(metrics.batch_put_metrics, **request)[0] == "ResourceNotFound"
    client.delete_trial_component(TrialComponentName=name)
    client.create_trial_component(TrialComponentName=name)
    assert client.describe_trial_component(TrialComponentName=name)["Metrics"] == []


def test_search_filters_and_sorts_components(account, client, metrics, trial):
    experiment, place = trial
    names = [account.unique("found") for _ in range(3)]
    for number, name in enumerate(names):
        client.create_trial_component(TrialComponentName=name, Parameters={"lr": {"NumberValue": number % 2}})
        client.associate_trial_component(TrialComponentName=name, TrialName=place)
        value = {"MetricName": "test:acc", "Timestamp": time.time(), "Value": [5, 40, 10][number]}
        metrics.batch_put_metrics(TrialComponentName=name, MetricData=[value])

    def sort(by, order="Descending"):
        found = searched(
            client, "ExperimentTrialComponent", "Parents.ExperimentName", experiment, SortBy=by, SortOrder=order
        )
        return [result["TrialComponent"]["TrialComponentName"] for result in found]

    assert sort("metrics.test:acc.max") == [names[1], names[2], names[0]]
    assert sort("Metrics.test:acc.Last", "Ascending") == [names[0], names[2], names[1]]
    assert sort("Parameters.lr")[0] == names[1]
    assert sort("CreationTime", "Ascending") == names
    nested = {
        "NestedPropertyName": "Parents",
        "Filters": [
            {"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": experiment},
            {"Name": "Parents.TrialName", "Operator": "Equals", "Value": place},
        ],
    }
    heavy = [{"Name": "Parameters.lr", "Operator": "GreaterThan", "Value": "0.5"}]
    found = client.search(
        Resource="ExperimentTrialComponent", SearchExpression={"NestedFilters": [nested], "Filters": heavy}
    )["Results"]
    assert [r["TrialComponent"]["TrialComponentName"] for r in found] == [names[1]]
    assert found[0]["TrialComponent"]["Parents"] == [{"TrialName": place, "ExperimentName": experiment}]


PRINTS = "for n in (3.5, 1.5): print(f'loss={n};', flush=True)"


def test_a_training_job_is_a_component_of_its_trial(account, client, metrics, trial):
    experiment, place = trial
    run = account.unique("run")
    client.create_trial_component(TrialComponentName=run)
    algorithm = {
        "TrainingImage": account.sklearn,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*);"}],
    }
    config = {"ExperimentName": experiment, "TrialName": place, "TrialComponentDisplayName": "train", "RunName": run}
    described = account.succeed(
        PRINTS,
        HyperParameters={"epochs": "12", "word": '"adam"'},
        AlgorithmSpecification=algorithm,
        ExperimentConfig=config,
        InputDataConfig=[
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": account.put("exp/data.csv", "1,2")}},
            }
        ],
    )
    assert described["ExperimentConfig"] == config
    job, arn = described["TrainingJobName"], described["TrainingJobArn"]
    listed = client.list_trial_components(SourceArn=arn.lower())["TrialComponentSummaries"]
    assert [c["TrialComponentName"] for c in listed] == [f"{job}-aws-training-job"]
    assert listed[0]["TrialComponentSource"]["SourceArn"] == arn
    component = client.describe_trial_component(TrialComponentName=f"{job}-aws-training-job")
    assert component["DisplayName"] == "train"
    assert component["Source"] == {"SourceArn": arn, "SourceType": "SageMakerTrainingJob"}
    assert component["Parameters"]["epochs"] == {"NumberValue": 12}
    assert component["Parameters"]["word"] == {"StringValue": '"adam"'}
    assert component["Parameters"]["SageMaker.InstanceCount"] == {"NumberValue": 1}
    assert component["InputArtifacts"]["train"]["Value"].endswith("exp/data.csv")
    model = described["ModelArtifacts"]["S3ModelArtifacts"]
    assert component["OutputArtifacts"] == {"SageMaker.ModelArtifact": {"Value": model}}
    assert component["Status"]["PrimaryStatus"] == "Completed"
    assert (component["StartTime"], component["EndTime"]) == (
        described["TrainingStartTime"],
        described["TrainingEndTime"],
    )
    [summary] = component["Metrics"]
    assert (summary["SourceArn"], summary["Last"], summary["Max"], summary["Count"]) == (arn, 1.5, 3.5, 2)
    assert client.describe_trial_component(TrialComponentName=run)["Sources"] == [component["Source"]]
    [result] = searched(client, "ExperimentTrialComponent", "Parents.TrialName", place)
    found = result["TrialComponent"]
    assert found["SourceDetail"]["TrainingJob"]["TrainingJobName"] == job
    assert found["Metrics"] == component["Metrics"]
    query = {"MetricName": "loss", "MetricStat": "Min", "XAxisType": "Timestamp", "Period": "OneHour"}
    queries = [{**query, "ResourceArn": resource} for resource in (arn, component["TrialComponentArn"])]
    for answer in metrics.batch_get_metrics(MetricQueries=queries)["MetricQueryResults"]:
        assert min(answer["MetricValues"]) == 1.5
    client.update_trial_component(TrialComponentName=f"{job}-aws-training-job", ParametersToRemove=["word"])
    client.delete_training_job(TrainingJobName=job)
    kept = client.describe_trial_component(TrialComponentName=f"{job}-aws-training-job")
    del component["Parameters"]["word"]
    for member in ("Parameters", "Metrics", "Status", "OutputArtifacts", "InputArtifacts", "StartTime"):
        assert kept[member] == component[member]


def test_a_processing_job_is_a_component(account, client, trial):
    experiment, _ = trial
    name = account.unique("processed")
    uri = account.put("exp/in/data.csv", "1")
    arn = client.create_processing_job(
        ProcessingJobName=name,
        RoleArn=account.role,
        AppSpecification={"ImageUri": account.sklearn, "ContainerEntrypoint": ["python3", "-c", "print(1)"]},
        ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
        ProcessingInputs=[
            {
                "InputName": "in",
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": "/opt/ml/processing/in",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
        ],
        ExperimentConfig={"ExperimentName": experiment},
    )["ProcessingJobArn"]
    deadline = time.monotonic() + 120
    while client.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] == "InProgress":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    component = client.describe_trial_component(TrialComponentName=f"{name}-aws-processing-job")
    assert component["Source"] == {"SourceArn": arn, "SourceType": "SageMakerProcessingJob"}
    assert component["Status"]["PrimaryStatus"] == "Completed"
    assert component["InputArtifacts"] == {
        "in": {"Value": uri}, "SageMaker.ImageUri": {"Value": account.sklearn},
    }  # fmt: skip
    trials = client.list_trials(TrialComponentName=f"{name}-aws-processing-job")["TrialSummaries"]
    assert [t["TrialName"] for t in trials] == [f"{name}-aws-trial"]
    [result] = searched(client, "ExperimentTrialComponent", "Source.SourceArn", arn)
    assert result["TrialComponent"]["SourceDetail"]["ProcessingJob"]["ProcessingJobName"] == name


def test_a_job_of_no_experiment_has_a_component_of_no_trial(account, client):
    name = account.create("pass", base="alone")
    component = client.describe_trial_component(TrialComponentName=f"{name}-aws-training-job")
    assert component["DisplayName"] == f"{name}-aws-training-job"
    assert client.list_trials(TrialComponentName=f"{name}-aws-training-job")["TrialSummaries"] == []
    account.ended(name)


def test_a_job_s_experiment_must_be_there(account, client, trial):
    _, place = trial
    other = account.unique("other")
    client.create_experiment(ExperimentName=other)
    for config, expected in (
        ({"ExperimentName": "nobody"}, "ResourceNotFound"),
        ({"TrialName": "nobody"}, "ResourceNotFound"),
        ({"ExperimentName": other, "TrialName": place}, "ValidationException"),
    ):
        name = account.unique("astray")
        request = account.request(name, "pass", ExperimentConfig=config)
        assert code(client.create_training_job, **request)[0] == expected
        assert code(client.describe_training_job, TrainingJobName=name)[0] == "ValidationException"
        error, _ = code(client.describe_trial_component, TrialComponentName=f"{name}-aws-training-job")
        assert error == "ResourceNotFound"


def test_all_of_it_outlives_the_server(account_on, server_process, tmp_path):
    server = server_process(tmp_path / "home").start()
    try:
        account = account_on(server)
        account.sagemaker.create_experiment(ExperimentName="kept")
        account.sagemaker.create_trial(TrialName="kept-trial", ExperimentName="kept")
        account.sagemaker.create_trial_component(TrialComponentName="kept-part")
        account.sagemaker.associate_trial_component(TrialComponentName="kept-part", TrialName="kept-trial")
        value = {"MetricName": "m", "Timestamp": time.time(), "Value": 1.25}
        server.client("sagemaker-metrics").batch_put_metrics(TrialComponentName="kept-part", MetricData=[value])
        server.kill()
        server.start()
        account.connect()
        [result] = searched(account.sagemaker, "ExperimentTrialComponent", "Parents.ExperimentName", "kept")
        assert result["TrialComponent"]["Metrics"][0]["Last"] == 1.25
    finally:
        server.stop()


def test_a_job_leaves_another_s_component_alone(account, client):
    name = account.unique("shared")
    taken = f"{name}-aws-training-job".upper()
    client.create_trial_component(TrialComponentName=taken, Parameters={"mine": {"NumberValue": 1}})
    account.create("pass", TrainingJobName=name)
    assert set(client.describe_trial_component(TrialComponentName=taken)["Parameters"]) == {"mine"}
    arn = account.ended(name)["TrainingJobArn"]
    [summary] = client.list_trial_components(SourceArn=arn)["TrialComponentSummaries"]
    assert summary["TrialComponentName"] == f"{name}-aws-training-job-2"
    client.update_trial_component(TrialComponentName=summary["TrialComponentName"], DisplayName="kept")
    client.delete_training_job(TrainingJobName=name)
    account.create("raise SystemExit(1)", TrainingJobName=name)
    account.ended(name)
    [again] = client.list_trial_components(SourceArn=arn)["TrialComponentSummaries"]
    assert (again["TrialComponentName"], again["DisplayName"]) == (summary["TrialComponentName"], "kept")
    assert again["Status"]["PrimaryStatus"] == "Failed"
