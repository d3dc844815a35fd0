"""CloudWatch Logs as boto3 sees it, and after a restart."""

import time

import pytest


def now_ms():
    return time.time_ns() // 1_000_000


def test_groups_streams_and_events_outlive_the_server(new_server):
    server = new_server()
    logs = server.client("logs")
    logs.create_log_group(logGroupName="/boto3", tags={"a": "b"})
    logs.create_log_stream(logGroupName="/boto3", logStreamName="s")
    at = now_ms()
    events = [{"timestamp": at + number, "message": f"line {number}\nä"} for number in range(25)]
    logs.put_log_events(logGroupName="/boto3", logStreamName="s", logEvents=events)
    server.kill()
    server.start()
    logs = server.client("logs")
    pages = list(logs.get_paginator("filter_log_events").paginate(
        logGroupName="/boto3", filterPattern='"line 1"', PaginationConfig={"PageSize": 4}))  # fmt: skip
    found = [event["message"] for page in pages for event in page["events"]]
    assert found == [f"line {number}\nä" for number in (1, *range(10, 20))]
    page = logs.get_log_events(logGroupName="/boto3", logStreamName="s", startFromHead=True)
    assert [event["timestamp"] for event in page["events"]] == [at + number for number in range(25)]
    again = logs.get_log_events(
        logGroupName="/boto3", logStreamName="s", startFromHead=True, nextToken=page["nextForwardToken"]
    )
    assert (again["events"], again["nextForwardToken"]) == ([], page["nextForwardToken"])
    described = logs.describe_log_streams(logGroupName="/boto3")
    assert "nextToken" not in described
    assert described["logStreams"][0]["lastEventTimestamp"] == at + 24
    [group] = logs.describe_log_groups(logGroupNamePrefix="/boto3")["logGroups"]
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"a": "b"}


def test_errors_are_modelled(server):
    logs = server.client("logs")
    with pytest.raises(logs.exceptions.ResourceNotFoundException, match="The specified log group does not exist"):
        logs.describe_log_streams(logGroupName="/nothing")
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.filter_log_events(logGroupName="/nothing", logGroupIdentifier="/nothing")
