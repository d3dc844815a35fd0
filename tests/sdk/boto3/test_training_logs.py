"""A job's log in CloudWatch Logs, and the metrics that are read from it."""

import datetime

import pytest

GROUP = "/aws/sagemaker/TrainingJobs"


def metrics(account, *pairs):
    return {
        "TrainingImage": account.sklearn,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": name, "Regex": regex} for name, regex in pairs],
    }


def test_lines_come_in_order_and_whole(account):
    source = "import sys\nfor i in range(3000):\n    print('line', i, 'x' * (i % 200))\nprint('end', file=sys.stderr)"
    described = account.succeed(source)
    log = account.log(described["TrainingJobName"])
    own = [line for line in log if line.startswith("line ")]
    assert own == [f"line {i} {'x' * (i % 200)}".rstrip() for i in range(3000)] or own == [
        f"line {i} {'x' * (i % 200)}" for i in range(3000)
    ]
    assert "end" in log


def test_the_stream_is_named_as_the_sdks_expect(account):
    described = account.succeed("print('hello')")
    name = described["TrainingJobName"]
    streams = account.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]
    assert len(streams) == 1
    assert streams[0]["logStreamName"].startswith(f"{name}/algo-1-")
    assert streams[0]["logStreamName"].rsplit("-", 1)[1].isdigit()
    events = account.events(GROUP, streams[0]["logStreamName"])
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    started = described["CreationTime"].timestamp() * 1000 - 1000
    assert all(started <= stamp <= described["TrainingEndTime"].timestamp() * 1000 + 60_000 for stamp in times)


def test_each_host_has_a_stream(account):
    hosts = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    described = account.succeed("import os; print('I am', os.environ['SM_CURRENT_HOST'])", ResourceConfig=hosts)
    name = described["TrainingJobName"]
    streams = account.logs.describe_log_streams(
        logGroupName=GROUP, logStreamNamePrefix=f"{name}/", orderBy="LogStreamName"
    )["logStreams"]
    said = {
        s["logStreamName"].split("/")[1].rsplit("-", 1)[0]: account.events(GROUP, s["logStreamName"]) for s in streams
    }
    assert sorted(said) == ["algo-1", "algo-2"]
    for host, events in said.items():
        assert f"I am {host}" in [event["message"] for event in events]


def test_tokens_give_each_line_once_and_hold_still_at_the_end(account):
    name = account.succeed("for i in range(500): print('line', i)")["TrainingJobName"]
    stream = account.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=name)["logStreams"][0]
    arguments = {"logGroupName": GROUP, "logStreamName": stream["logStreamName"], "limit": 100}
    lines, page = [], account.logs.get_log_events(startFromHead=True, **arguments)
    while page["events"]:
        lines += [event["message"] for event in page["events"]]
        page = account.logs.get_log_events(startFromHead=True, nextToken=page["nextForwardToken"], **arguments)
    assert [line for line in lines if line.startswith("line ")] == [f"line {i}" for i in range(500)]
    again = account.logs.get_log_events(startFromHead=True, nextToken=page["nextForwardToken"], **arguments)
    assert again["nextForwardToken"] == page["nextForwardToken"]
    tail = account.logs.get_log_events(**arguments)
    assert [event["message"] for event in tail["events"]] == lines[-100:]
    before = account.logs.get_log_events(nextToken=tail["nextBackwardToken"], **arguments)
    assert [event["message"] for event in before["events"]] == lines[-200:-100]


def test_lines_are_there_while_the_job_runs(account):
    name = account.create("import time\nprint('early', flush=True)\ntime.sleep(600)")
    account.until_logged(name, "early")
    assert account.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "InProgress"
    account.sagemaker.stop_training_job(TrainingJobName=name)
    account.ended(name)


def test_filter_log_events_searches_a_group(account):
    described = account.succeed("print('needle in a haystack'); print('hay')")
    found = account.logs.filter_log_events(
        logGroupName=GROUP, logStreamNamePrefix=described["TrainingJobName"], filterPattern="needle"
    )["events"]
    assert [event["message"] for event in found] == ["needle in a haystack"]


def test_odd_output_does_not_break_the_log(account):
    source = r"""
import os, sys
os.write(1, b"\xff\xfe not utf-8\n")
os.write(1, "snowman \u2603\n".encode())
os.write(1, b"no newline at the end of " + b"y" * 300000)
"""
    log = account.log(account.succeed(source)["TrainingJobName"])
    assert any("not utf-8" in line for line in log)
    assert "snowman \u2603" in log
    assert "".join(log).count("y" * 1000) == 300


def test_a_job_without_output_still_ends(account):
    assert account.succeed("pass")["TrainingJobStatus"] == "Completed"


def test_an_unknown_stream_is_resource_not_found(account):
    with pytest.raises(account.logs.exceptions.ResourceNotFoundException):
        account.logs.get_log_events(logGroupName=GROUP, logStreamName="nobody/algo-1-1")


def test_metric_definitions_give_the_last_value_of_each(account):
    source = """
for epoch in range(5):
    print(f"epoch={epoch}; loss={1 / (epoch + 1):.4f}; acc={epoch / 10};")
print("sci=1.5e-3;")
"""
    algorithm = metrics(
        account,
        ("train:loss", "loss=([0-9.]+);"),
        ("acc", r"acc=(.*?);"),
        ("sci", "sci=(.*?);"),
        ("never", "nope=(.*)"),
    )
    described = account.succeed(source, AlgorithmSpecification=algorithm)
    final = {metric["MetricName"]: metric["Value"] for metric in described["FinalMetricDataList"]}
    assert final == pytest.approx({"train:loss": 0.2, "acc": 0.4, "sci": 0.0015})
    assert all(metric["Timestamp"] for metric in described["FinalMetricDataList"])
    assert described["AlgorithmSpecification"]["MetricDefinitions"] == algorithm["MetricDefinitions"]


def test_an_expression_that_takes_for_ever_holds_up_nothing(account):
    source = """
import time
print("x" * 5000, flush=True)
print("loss=0.25", flush=True)
time.sleep(300)
"""
    definitions = [{"Name": "bad", "Regex": "(x+x+)+y"}, {"Name": "loss", "Regex": "loss=([0-9.]+)"}]
    algorithm = account.request("any", "pass")["AlgorithmSpecification"]
    name = account.create(source, AlgorithmSpecification={**algorithm, "MetricDefinitions": definitions})
    account.until_logged(name, "'bad' is looked for no more")
    account.sagemaker.stop_training_job(TrainingJobName=name)
    described = account.ended(name)
    assert described["TrainingJobStatus"] == "Stopped"
    assert [(m["MetricName"], m["Value"]) for m in described["FinalMetricDataList"]] == [("loss", 0.25)]


def test_metrics_are_in_cloudwatch(account):
    algorithm = metrics(account, ("loss", "loss=(.*?);"))
    described = account.succeed("for v in (4, 3, 2): print(f'loss={v};')", AlgorithmSpecification=algorithm)
    name = described["TrainingJobName"]
    cloudwatch = account.server.client("cloudwatch")
    window = {
        "StartTime": described["CreationTime"] - datetime.timedelta(minutes=2),
        "EndTime": described["TrainingEndTime"] + datetime.timedelta(minutes=2),
    }
    points = cloudwatch.get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName="loss",
        Dimensions=[{"Name": "TrainingJobName", "Value": name}],
        Period=300,
        Statistics=["Average", "Minimum", "Maximum", "SampleCount"],
        **window,
    )["Datapoints"]
    assert sum(point["SampleCount"] for point in points) == 3
    assert min(point["Minimum"] for point in points) == 2
    assert max(point["Maximum"] for point in points) == 4
    listed = cloudwatch.list_metrics(
        Namespace="/aws/sagemaker/TrainingJobs", Dimensions=[{"Name": "TrainingJobName", "Value": name}]
    )["Metrics"]
    assert [metric["MetricName"] for metric in listed] == ["loss"]


def test_a_regex_that_does_not_compile_is_refused_or_ignored_but_never_breaks_the_job(account):
    algorithm = metrics(account, ("bad", "loss=(("), ("good", "loss=(.*?);"))
    try:
        described = account.train("print('loss=1;')", AlgorithmSpecification=algorithm)
    except account.sagemaker.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationException"
    else:
        assert described["TrainingJobStatus"] == "Completed"
