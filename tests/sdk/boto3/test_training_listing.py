"""Finding jobs again: List with filters and paginators, Search, tags, Update, Delete, waiters."""

import pytest


@pytest.fixture(scope="module")
def crowd(tmp_path_factory, server_process, account_on):
    """A server of its own with six jobs: alpha-1..3 completed, beta-1 failed, beta-2 stopped, gamma running."""
    running = server_process(tmp_path_factory.mktemp("crowd") / "home", slots="2").start()
    account = account_on(running)
    print_loss = "print('loss=0.%d;' % int(__import__('os').environ['SM_HP_RANK']))"
    for rank, name in enumerate(("alpha-1", "alpha-2", "alpha-3"), start=1):
        algorithm = {
            "TrainingImage": account.sklearn,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
        }
        account.succeed(
            print_loss,
            TrainingJobName=name,
            HyperParameters={"rank": str(rank)},
            AlgorithmSpecification=algorithm,
            Tags=[{"Key": "team", "Value": "blue" if rank == 1 else "red"}, {"Key": "rank", "Value": str(rank)}],
        )
    account.train("raise RuntimeError('no')", TrainingJobName="beta-1", HyperParameters={"rank": "4"})
    account.create("import time; time.sleep(600)", TrainingJobName="beta-2", HyperParameters={"rank": "5"})
    account.sagemaker.stop_training_job(TrainingJobName="beta-2")
    account.ended("beta-2")
    account.create("import time; time.sleep(600)", TrainingJobName="gamma", HyperParameters={"rank": "6"})
    account.until("gamma", lambda d: d["SecondaryStatus"] == "Training")
    yield account
    account.sagemaker.stop_training_job(TrainingJobName="gamma")
    account.ended("gamma")
    running.stop()


ALL = ["alpha-1", "alpha-2", "alpha-3", "beta-1", "beta-2", "gamma"]


def names(response):
    return [summary["TrainingJobName"] for summary in response["TrainingJobSummaries"]]


def test_the_newest_come_first_by_default(crowd):
    """As the service does, whatever its reference says: programs take the first for the latest."""
    assert names(crowd.sagemaker.list_training_jobs()) == ALL[::-1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"SortBy": "Name", "SortOrder": "Ascending"}, ALL),
        ({"SortBy": "Name", "SortOrder": "Descending"}, ALL[::-1]),
        ({"SortBy": "CreationTime", "SortOrder": "Ascending"}, ALL),
        ({"NameContains": "lpha-", "SortBy": "Name", "SortOrder": "Ascending"}, ALL[:3]),
        ({"StatusEquals": "Failed"}, ["beta-1"]),
        ({"StatusEquals": "Stopped"}, ["beta-2"]),
        ({"StatusEquals": "InProgress"}, ["gamma"]),
        ({"StatusEquals": "Completed", "NameContains": "2"}, ["alpha-2"]),
    ],
)
def test_filters_and_sorting(crowd, arguments, expected):
    assert names(crowd.sagemaker.list_training_jobs(**arguments)) == expected


def test_filters_by_time(crowd):
    created = crowd.sagemaker.describe_training_job(TrainingJobName="alpha-2")["CreationTime"]
    later = names(crowd.sagemaker.list_training_jobs(CreationTimeAfter=created))
    earlier = names(crowd.sagemaker.list_training_jobs(CreationTimeBefore=created))
    assert set(later) - {"alpha-2"} == set(ALL[2:])
    assert set(earlier) - {"alpha-2"} == {"alpha-1"}


def test_summaries_have_what_the_service_gives(crowd):
    summary = crowd.sagemaker.list_training_jobs(NameContains="alpha-1")["TrainingJobSummaries"][0]
    described = crowd.sagemaker.describe_training_job(TrainingJobName="alpha-1")
    assert summary["TrainingJobArn"] == described["TrainingJobArn"]
    assert summary["TrainingJobStatus"] == "Completed"
    assert summary["CreationTime"] == described["CreationTime"]
    assert summary["TrainingEndTime"] == described["TrainingEndTime"]


def test_the_paginator_gives_each_job_once(crowd):
    pages = list(
        crowd.sagemaker.get_paginator("list_training_jobs").paginate(
            SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["TrainingJobSummaries"]) for page in pages] == [2, 2, 2]
    assert [name for page in pages for name in names(page)] == ALL


def test_a_token_that_was_never_given_is_refused(crowd):
    with pytest.raises(crowd.sagemaker.exceptions.ClientError) as caught:
        crowd.sagemaker.list_training_jobs(NextToken="made-up")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def search(crowd, expression, **arguments):
    results = crowd.sagemaker.search(Resource="TrainingJob", SearchExpression=expression, **arguments)["Results"]
    return [result["TrainingJob"]["TrainingJobName"] for result in results]


def where(name, operator, value=None):
    return {"Name": name, "Operator": operator, **({} if value is None else {"Value": value})}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"Filters": [where("TrainingJobStatus", "Equals", "Completed")]}, ALL[:3]),
        ({"Filters": [where("Tags.team", "Equals", "red")]}, ALL[1:3]),
        ({"Filters": [where("Tags.team", "Exists")]}, ALL[:3]),
        ({"Filters": [where("Tags.team", "NotExists")]}, ALL[3:]),
        ({"Filters": [where("TrainingJobName", "Contains", "beta")]}, ALL[3:5]),
        ({"Filters": [where("TrainingJobName", "In", "alpha-1,gamma")]}, ["alpha-1", "gamma"]),
        ({"Filters": [where("HyperParameters.rank", "Equals", "3")]}, ["alpha-3"]),
        ({"Filters": [where("Metrics.loss", "LessThan", "0.25")]}, ALL[:2]),
        ({"Filters": [where("Metrics.loss", "GreaterThanOrEqualTo", "0.2")]}, ALL[1:3]),
        (
            {
                "Filters": [where("Tags.team", "Equals", "blue"), where("TrainingJobStatus", "Equals", "Failed")],
                "Operator": "Or",
            },
            ["alpha-1", "beta-1"],
        ),
        (
            {
                "Filters": [where("TrainingJobName", "Contains", "alpha")],
                "SubExpressions": [
                    {
                        "Filters": [where("Tags.rank", "Equals", "1"), where("Tags.rank", "Equals", "3")],
                        "Operator": "Or",
                    }
                ],
                "Operator": "And",
            },
            ["alpha-1", "alpha-3"],
        ),
        (
            {
                "NestedFilters": [
                    {
                        "NestedPropertyName": "InputDataConfig",
                        "Filters": [where("InputDataConfig.ChannelName", "Equals", "train")],
                    }
                ]
            },
            [],
        ),
    ],
)
def test_search(crowd, expression, expected):
    assert search(crowd, expression, SortBy="TrainingJobName", SortOrder="Ascending") == expected


def test_suggestions_name_the_properties_that_there_are(crowd):
    def suggested(hint):
        query = {"PropertyNameQuery": {"PropertyNameHint": hint}}
        given = crowd.sagemaker.get_search_suggestions(Resource="TrainingJob", SuggestionQuery=query)
        return [suggestion["PropertyName"] for suggestion in given["PropertyNameSuggestions"]]

    assert suggested("hyperparameters.ra") == ["HyperParameters.rank"]
    assert suggested("Metrics.l") == ["Metrics.loss"]
    assert "Tags.team" in suggested("Tags.")
    assert "TrainingJobName" in suggested("training")
    assert "ResourceConfig.InstanceType" in suggested("ResourceConfig")
    assert suggested("NoSuchThing") == []
    found = crowd.sagemaker.search(
        Resource="TrainingJob",
        SearchExpression={"Filters": [where(suggested("AlgorithmSpecification.TrainingI")[0], "Exists")]},
    )
    assert found["Results"]


def test_search_finds_a_channel_by_nested_filter(account, channel):
    uri = account.put("nested/data.csv", "1")
    described = account.succeed("pass", InputDataConfig=[channel("lonely-channel", uri)], Environment={"WHO": "nested"})
    inside = "InputDataConfig.DataSource.S3DataSource.S3Uri"
    expression = {
        "NestedFilters": [
            {
                "NestedPropertyName": "InputDataConfig",
                "Filters": [
                    where("InputDataConfig.ChannelName", "Equals", "lonely-channel"),
                    where(inside, "Equals", uri),
                ],
            }
        ]
    }
    assert search(account, expression) == [described["TrainingJobName"]]


def test_search_sorts_by_a_metric_and_pages(crowd):
    expression = {"Filters": [where("Metrics.loss", "Exists")]}
    assert search(crowd, expression, SortBy="Metrics.loss", SortOrder="Descending") == ALL[2::-1]
    pages = crowd.sagemaker.get_paginator("search").paginate(
        Resource="TrainingJob", SearchExpression=expression, SortBy="TrainingJobName", PaginationConfig={"PageSize": 2}
    )
    assert [len(page["Results"]) for page in pages] == [2, 1]


def test_tags_are_listed_added_and_removed(crowd):
    sagemaker = crowd.sagemaker
    arn = sagemaker.describe_training_job(TrainingJobName="beta-1")["TrainingJobArn"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "9"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["b"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "9"}]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])


def test_waiters_return_for_completed_and_stopped_jobs(crowd):
    waiter = crowd.sagemaker.get_waiter("training_job_completed_or_stopped")
    for name in ("alpha-1", "beta-2"):
        waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 1})


def test_the_waiter_raises_for_a_failed_job(crowd):
    from botocore.exceptions import WaiterError

    waiter = crowd.sagemaker.get_waiter("training_job_completed_or_stopped")
    with pytest.raises(WaiterError, match="terminal failure"):
        waiter.wait(TrainingJobName="beta-1", WaiterConfig={"Delay": 1, "MaxAttempts": 1})


def test_update_training_job_changes_what_describe_says(crowd):
    profiler = {"S3OutputPath": f"s3://{crowd.bucket}/profiler", "DisableProfiler": False}
    answer = crowd.sagemaker.update_training_job(
        TrainingJobName="gamma", ProfilerConfig=profiler, RemoteDebugConfig={"EnableRemoteDebug": True}
    )
    described = crowd.sagemaker.describe_training_job(TrainingJobName="gamma")
    assert answer["TrainingJobArn"] == described["TrainingJobArn"]
    assert described["RemoteDebugConfig"] == {"EnableRemoteDebug": True}
    assert described["ProfilerConfig"]["S3OutputPath"] == profiler["S3OutputPath"]


def test_delete_training_job_forgets_it(account):
    if not hasattr(account.sagemaker, "delete_training_job"):
        pytest.skip("this botocore's model has no DeleteTrainingJob")
    described = account.succeed("pass", Tags=[{"Key": "k", "Value": "v"}])
    name = described["TrainingJobName"]
    account.sagemaker.delete_training_job(TrainingJobName=name)
    with pytest.raises(account.sagemaker.exceptions.ClientError, match="not found"):
        account.sagemaker.describe_training_job(TrainingJobName=name)
    assert name not in names(account.sagemaker.list_training_jobs(NameContains=name))


def test_an_unknown_job_is_not_found_as_aws_says_it(account):
    for operation in ("describe_training_job", "stop_training_job"):
        with pytest.raises(account.sagemaker.exceptions.ClientError) as caught:
            getattr(account.sagemaker, operation)(TrainingJobName="nobody")
        error = caught.value.response["Error"]
        assert error["Code"] in ("ValidationException", "ResourceNotFound")
        assert "not found" in error["Message"].lower()
