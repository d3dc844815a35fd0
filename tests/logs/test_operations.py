"""Groups, streams and events through the operations."""

from functools import partial

import pytest
from calls import error

from selfmaker import clock
from selfmaker.logs import log_event, log_group, log_stream, retention_policy, tag
from selfmaker.store.log_streams import LogStreams

G, S = "/app", "one"
ARN = "arn:aws:logs:eu-west-1:123456789012:log-group:/app"


@pytest.fixture
def stream(call):
    log_group.create_log_group(call, {"logGroupName": G, "tags": {"a": "b"}, "kmsKeyId": "k"})
    log_stream.create_log_stream(call, {"logGroupName": G, "logStreamName": S})
    return {"logGroupName": G, "logStreamName": S}


def put(call, stream, *events):
    shaped = [{"timestamp": at, "message": text} for at, text in events]
    return log_event.put_log_events(call, {**stream, "logEvents": shaped})


def put_of(events, call, stream):
    return put(call, stream, *events)


def test_groups_are_described(call, stream):
    retention_policy.put_retention_policy(call, {"logGroupName": G, "retentionInDays": 7})
    put(call, stream, (clock.now_ms(), "hello"))
    result = log_group.describe_log_groups(call, {"logGroupNamePrefix": "/a"})
    [group] = result["logGroups"]
    assert result["nextToken"] is None
    assert group["arn"] == ARN + ":*"
    assert (group["retentionInDays"], group["kmsKeyId"], group["logGroupArn"]) == (7, "k", ARN)
    assert group["storedBytes"] > 0
    retention_policy.delete_retention_policy(call, {"logGroupName": G})
    assert log_group.describe_log_groups(call, {})["logGroups"][0]["retentionInDays"] is None
    assert log_group.describe_log_groups(call, {"logGroupNamePrefix": "app"})["logGroups"] == []
    [named] = log_group.describe_log_groups(call, {"logGroupNamePattern": "pp"})["logGroups"]
    assert set(named) == {"logGroupName", "creationTime", "arn"}


def test_groups_are_paged_by_name(call):
    for name in "cabd":
        log_group.create_log_group(call, {"logGroupName": name})
    first = log_group.describe_log_groups(call, {"limit": 2})
    rest = log_group.describe_log_groups(call, {"limit": 2, "nextToken": first["nextToken"]})
    assert [g["logGroupName"] for g in first["logGroups"] + rest["logGroups"]] == list("abcd")
    assert rest["nextToken"] is None


def test_errors_have_aws_s_words(call, stream):
    missing = ("ResourceNotFoundException", "The specified log group does not exist.")
    taken = ("ResourceAlreadyExistsException", "The specified log group already exists")
    assert error(log_group.create_log_group, call, {"logGroupName": G}) == taken
    for function in (log_group.delete_log_group, log_stream.describe_log_streams, log_event.filter_log_events,
                     tag.list_tags_log_group, retention_policy.delete_retention_policy):  # fmt: skip
        assert error(function, call, {"logGroupName": "nope"}) == missing
    assert error(log_event.get_log_events, call, {**stream, "logStreamName": "nope"}) == (
        "ResourceNotFoundException", "The specified log stream does not exist.")  # fmt: skip
    assert error(log_stream.create_log_stream, call, stream) == (
        "ResourceAlreadyExistsException", "The specified log stream already exists")  # fmt: skip
    code, message = error(log_event.get_log_events, call, {**stream, "nextToken": "x"})
    assert (code, message) == ("InvalidParameterException", "The specified nextToken is invalid.")
    assert error(log_event.get_log_events, call, {"logStreamName": S})[0] == "InvalidParameterException"
    assert error(log_event.filter_log_events, call, {"logGroupName": G, "filterPattern": "{"})[0] == (
        "InvalidParameterException")  # fmt: skip
    assert "retentionInDays" in error(
        retention_policy.put_retention_policy, call, {"logGroupName": G, "retentionInDays": 8})[1]  # fmt: skip


def test_streams_have_no_next_token_unless_there_are_more(call, stream):
    log_stream.create_log_stream(call, {**stream, "logStreamName": "two"})
    result = log_stream.describe_log_streams(call, {"logGroupName": G, "limit": 2})
    assert result["nextToken"] is None
    assert result["logStreams"][0]["arn"] == f"{ARN}:log-stream:one"
    assert result["logStreams"][0]["lastEventTimestamp"] is None
    result = log_stream.describe_log_streams(call, {"logGroupIdentifier": ARN, "limit": 1})
    assert result["nextToken"] is not None
    by_time = {"logGroupName": G, "orderBy": "LastEventTime", "logStreamNamePrefix": "o"}
    code, message = error(log_stream.describe_log_streams, call, by_time)
    assert (code, "LastEventTime" in message) == ("InvalidParameterException", True)


def test_events_come_back(call, stream):
    now = clock.now_ms()
    put(call, stream, (now, "first\nline two"), (now + 1, "ERROR second"))
    result = log_event.get_log_events(call, {"logGroupIdentifier": ARN + ":*", "logStreamName": S})
    assert [(e["timestamp"], e["message"]) for e in result["events"]] == [
        (now, "first\nline two"), (now + 1, "ERROR second")]  # fmt: skip
    found = log_event.filter_log_events(call, {"logGroupName": G, "filterPattern": "ERROR"})
    [event] = found["events"]
    assert (event["logStreamName"], event["message"], len(event["eventId"])) == (S, "ERROR second", 56)
    assert (found["searchedLogStreams"], found["nextToken"]) == ([], None)


def test_filter_chooses_streams(call, stream):
    log_stream.create_log_stream(call, {**stream, "logStreamName": "two"})
    now = clock.now_ms()
    put(call, stream, (now, "a"))
    put(call, {**stream, "logStreamName": "two"}, (now, "b"))

    def texts(**request):
        found = log_event.filter_log_events(call, {"logGroupName": G, **request})
        return [event["message"] for event in found["events"]]

    assert texts() == ["a", "b"]
    assert texts(logStreamNames=["two", "two"]) == ["b"]
    assert texts(logStreamNamePrefix="o") == ["a"]
    assert texts(startTime=now, startFromHead=False) == ["a", "b"]
    both = {"logGroupName": G, "logStreamNames": ["one"], "logStreamNamePrefix": "o"}
    assert error(log_event.filter_log_events, call, both)[0] == "InvalidParameterException"
    absent = {"logGroupName": G, "logStreamNames": ["three"]}
    assert error(log_event.filter_log_events, call, absent)[0] == "ResourceNotFoundException"
    assert error(log_event.filter_log_events, call, {"logGroupName": G, "startFromHead": False})[0] == (
        "InvalidParameterException")  # fmt: skip


def test_old_and_new_events_are_rejected_and_the_rest_kept(call, stream):
    now, day, hour = clock.now_ms(), 86_400_000, 3_600_000
    result = put(call, stream, (now - 15 * day, "old"), (now, "good"), (now + 3 * hour, "new"))
    assert result["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}
    assert len(result["nextSequenceToken"]) == 56
    retention_policy.put_retention_policy(call, {"logGroupName": G, "retentionInDays": 3})
    result = put(call, stream, (now - 4 * day, "expired"), (now, "good too"))
    assert result["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    assert put(call, stream, (now, "x"))["rejectedLogEventsInfo"] is None
    assert [e["message"] for e in log_event.get_log_events(call, stream)["events"]] == ["good", "good too", "x"]


def test_a_batch_is_taken_whole_or_not_at_all(call, stream):
    now = clock.now_ms()
    for events, word in (
        (((now, "a"), (now - 1, "b")), "chronological"),
        (((now - 90_000_000, "a"), (now, "b")), "24 hours"),
        (((now, "x" * 1_048_577),), "Log event too large"),
        (((now, "x" * 600_000), (now, "x" * 600_000)), "Upload too large"),
    ):
        code, message = error(partial(put_of, events), call, stream)
        assert (code, word in message) == ("InvalidParameterException", True)
    assert log_event.get_log_events(call, stream)["events"] == []


def test_tags_by_name_and_arn_and_gone_with_the_group(call, stream):
    tag.tag_resource(call, {"resourceArn": ARN, "tags": {"c": "d"}})
    tag.tag_log_group(call, {"logGroupName": G, "tags": {"e": "f"}})
    tag.untag_resource(call, {"resourceArn": ARN, "tagKeys": ["a"]})
    assert tag.list_tags_for_resource(call, {"resourceArn": ARN})["tags"] == {"c": "d", "e": "f"}
    tag.untag_log_group(call, {"logGroupName": G, "tags": ["e"]})
    many = {f"k{i}": "v" for i in range(50)}
    assert error(tag.tag_resource, call, {"resourceArn": ARN, "tags": many})[0] == "TooManyTagsException"
    assert tag.list_tags_log_group(call, {"logGroupName": G})["tags"] == {"c": "d"}
    log_group.delete_log_group(call, {"logGroupName": G})
    log_group.create_log_group(call, {"logGroupName": G})
    assert tag.list_tags_log_group(call, {"logGroupName": G})["tags"] == {}
    with pytest.raises(Exception, match="log stream"):
        call.use(LogStreams).stream("eu-west-1", G, S)


def test_a_protected_group_stays(call):
    log_group.create_log_group(call, {"logGroupName": G, "deletionProtectionEnabled": True})
    assert error(log_group.delete_log_group, call, {"logGroupName": G})[0] == "InvalidParameterException"
    unprotect = {"logGroupIdentifier": ARN, "deletionProtectionEnabled": False}
    log_group.put_log_group_deletion_protection(call, unprotect)
    log_group.delete_log_group(call, {"logGroupName": G})
    assert error(log_group.put_log_group_deletion_protection, call, unprotect)[0] == "ResourceNotFoundException"
