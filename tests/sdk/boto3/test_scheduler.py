"""Schedules as a user of boto3 knows them."""

import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/EventRole"
OFF = {"Mode": "OFF"}


@pytest.fixture
def scheduler(server: Any) -> Any:
    return server.client("scheduler")


@pytest.fixture
def queue(server: Any, account: Any) -> Any:
    """A queue's name, and a function that receives one message from it."""
    sqs, name = server.client("sqs"), account.unique("scheduled")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]

    def receive() -> str:
        return str(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"][0]["Body"])

    return name, receive


def test_a_moment_comes_once_and_the_schedule_goes(scheduler, queue) -> None:
    name, receive = queue
    moment = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(seconds=1)
    arn = scheduler.create_schedule(
        Name=name, ScheduleExpression=f"at({moment:%Y-%m-%dT%H:%M:%S})", FlexibleTimeWindow=OFF,
        Target={"Arn": f"arn:aws:sqs:us-east-1:123456789012:{name}", "RoleArn": ROLE,
                "Input": "now <aws.scheduler.scheduled-time>"},
        ActionAfterCompletion="DELETE",
    )["ScheduleArn"]  # fmt: skip
    assert arn.endswith(f":schedule/default/{name}")
    assert receive() == f"now {moment:%Y-%m-%dT%H:%M:%SZ}"
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name=name)


def test_a_schedule_is_changed_listed_and_deleted(scheduler, queue) -> None:
    name, receive = queue
    target = {"Arn": f"arn:aws:sqs:us-east-1:123456789012:{name}", "RoleArn": ROLE}
    request = {"Name": name, "FlexibleTimeWindow": OFF, "Target": target}
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.update_schedule(**request, ScheduleExpression="rate(1 hour)")
    scheduler.create_schedule(**request, ScheduleExpression="rate(1 hour)", State="DISABLED", Description="d")
    with pytest.raises(scheduler.exceptions.ConflictException):
        scheduler.create_schedule(**request, ScheduleExpression="rate(1 hour)")
    scheduler.update_schedule(**request, ScheduleExpression="rate(2 hours)", StartDate=datetime.datetime.now())
    shown = scheduler.get_schedule(Name=name)
    assert shown["State"] == "ENABLED" and shown["ScheduleExpression"] == "rate(2 hours)" and "Description" not in shown
    assert "Scheduled Event" in receive()
    listed = scheduler.list_schedules(NamePrefix=name)["Schedules"]
    assert [row["Name"] for row in listed] == [name]
    scheduler.delete_schedule(Name=name)
    for wrong in ({"ScheduleExpression": "rate(1 week)"}, {"ScheduleExpression": "rate(1 hour)", "Target": {
        "Arn": "arn:aws:sns:us-east-1:123456789012:x", "RoleArn": ROLE}}):  # fmt: skip
        with pytest.raises(ClientError) as caught:
            scheduler.create_schedule(**{**request, **wrong})
        assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_group_takes_its_schedules_with_it(scheduler, queue) -> None:
    name, _ = queue
    scheduler.create_schedule_group(Name=name, Tags=[{"Key": "a", "Value": "b"}])
    target = {"Arn": f"arn:aws:sqs:us-east-1:123456789012:{name}", "RoleArn": ROLE}
    scheduler.create_schedule(
        Name="s", GroupName=name, ScheduleExpression="cron(0 0 1 1 ? 2199)", FlexibleTimeWindow=OFF, Target=target
    )
    arn = scheduler.get_schedule_group(Name=name)["Arn"]
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    scheduler.delete_schedule_group(Name=name)
    assert scheduler.list_schedules(GroupName=name)["Schedules"] == []
