"""jobs, stop, logs and endpoints: tables for people, JSON for programs, over whatever kinds of job are answered."""

import json
from typing import Any

import pytest

TRAINING = {
    "TrainingJobName": "t1",
    "TrainingJobStatus": "Completed",
    "SecondaryStatus": "Completed",
    "CreationTime": 2.0,
}
NOT_FOUND = {"__type": "ValidationException", "message": "Requested resource not found."}


def test_jobs_of_all_kinds_newest_first(running: Any) -> None:
    processing = {"ProcessingJobName": "p1", "ProcessingJobStatus": "InProgress", "CreationTime": 3.0}
    running.answer(
        ListTrainingJobs={"TrainingJobSummaries": [{**TRAINING, "TrainingEndTime": 4.5}]},
        ListProcessingJobs={"ProcessingJobSummaries": [processing]},
    )
    rows = json.loads(running.run("jobs", "--json").stdout)
    assert [(row["name"], row["kind"], row["status"]) for row in rows] == [
        ("p1", "ProcessingJob", "InProgress"),
        ("t1", "TrainingJob", "Completed"),
    ]
    assert rows[1]["created"] == "1970-01-01T00:00:02.000Z"
    assert (rows[0]["ended"], rows[1]["ended"]) == (None, "1970-01-01T00:00:04.500Z")
    head, first, second = running.run("jobs").stdout.splitlines()
    assert head.split() == ["NAME", "KIND", "STATUS", "STARTED", "TOOK"]
    assert first.split()[:3] == ["p1", "ProcessingJob", "InProgress"]
    assert second.split()[:3] == ["t1", "TrainingJob", "Completed"]
    assert second.rstrip().endswith("2.5 s")


def test_no_jobs(running: Any) -> None:
    assert running.run("jobs").stdout == "no jobs\n"
    assert running.run("jobs", "--json").stdout == "[]\n"


def test_a_long_name_is_whole_in_a_pipe(running: Any) -> None:
    name = "j" * 63
    running.answer(ListTrainingJobs={"TrainingJobSummaries": [{**TRAINING, "TrainingJobName": name}]})
    assert name in running.run("jobs").stdout


def test_stop(running: Any) -> None:
    running.answer(DescribeTrainingJob={"TrainingJobStatus": "InProgress"}, StopTrainingJob={})
    result = running.run("stop", "t1")
    assert (result.returncode, result.stdout) == (0, "stopping t1; follow it with `selfmaker logs t1 -f`\n")
    assert running.asked()[-1] == "StopTrainingJob"


def test_stop_what_has_ended_or_is_not_there(running: Any) -> None:
    running.answer(DescribeTrainingJob={"TrainingJobStatus": "Completed"})
    result = running.run("stop", "t1")
    assert result.returncode == 1
    assert result.stderr == "selfmaker: t1 has ended already: Completed; there is nothing to stop\n"
    running.answer(DescribeTrainingJob=NOT_FOUND, DescribeProcessingJob=NOT_FOUND)
    result = running.run("stop", "t1")
    assert (result.returncode, result.stderr) == (1, "selfmaker: no job is called t1; `selfmaker jobs` lists them\n")


def test_an_error_of_aws_is_one_line(running: Any) -> None:
    running.answer(ListTrainingJobs={"__type": "AccessDeniedException", "message": "not\nyou"})
    result = running.run("jobs")
    assert (result.returncode, result.stderr) == (1, "selfmaker: not you\n")


@pytest.fixture
def logged(running: Any) -> Any:
    """A finished job of one host with two lines. The stand-in gives the same page again: its token ends the reading."""
    events = [{"timestamp": 1000, "message": "one"}, {"timestamp": 2000, "message": "two"}]
    running.answer(
        DescribeTrainingJob={"TrainingJobStatus": "Completed"},
        DescribeEndpoint=NOT_FOUND,
        DescribeLogStreams={"logStreams": [{"logStreamName": "t1/algo-1-99"}]},
        GetLogEvents={"events": events, "nextForwardToken": "f/2", "nextBackwardToken": "b/0"},
    )
    return running


def test_logs_as_lines_and_as_json(logged: Any) -> None:
    lines = logged.run("logs", "t1").stdout.splitlines()
    assert lines[:2] == ["one", "two"]
    first = json.loads(logged.run("logs", "t1", "--json").stdout.splitlines()[0])
    assert first == {"timestamp": "1970-01-01T00:00:01.000Z", "stream": "t1/algo-1-99", "message": "one"}
    assert logged.run("logs", "t1", "-f").stdout.splitlines()[:2] == ["one", "two"]


def test_logs_of_what_is_not_there(running: Any) -> None:
    result = running.run("logs", "t9")
    assert result.returncode == 1
    assert "no job or endpoint is called t9" in result.stderr


def test_endpoints(running: Any) -> None:
    assert running.run("endpoints").stdout == "no endpoints\n"
    summary = {"EndpointName": "e", "EndpointStatus": "Failed", "CreationTime": 1.0, "LastModifiedTime": 1.0}
    running.answer(
        ListEndpoints={"Endpoints": [summary]},
        DescribeEndpoint={"ProductionVariants": [{"VariantName": "AllTraffic"}], "FailureReason": "no model.tar.gz"},
    )
    (row,) = json.loads(running.run("endpoints", "--json").stdout)
    assert (row["name"], row["status"]) == ("e", "Failed")
    assert (row["variants"], row["reason"]) == (["AllTraffic"], "no model.tar.gz")
    assert "AllTraffic" in running.run("endpoints").stdout
