"""Tasks that move dead letters back to the queues that they came from, or to another queue."""

import base64
import binascii
import json
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock, ids
from selfmaker.aws.arn import parse
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import Invalid, NotFound
from selfmaker.sqs import attributes, faults
from selfmaker.sqs.message_mover import CANCELLED, KIND, RUNNING, MessageMover
from selfmaker.sqs.queue import KIND as QUEUE
from selfmaker.sqs.queue import is_fifo, kept_since
from selfmaker.store import resources
from selfmaker.store.database import Database
from selfmaker.store.queues import QueueMessages
from selfmaker.store.resources import Change, Resource, Resources

_MOST_LISTED = 10
_FASTEST = 500  # messages a second


@operation("sqs", "StartMessageMoveTask")
def start_message_move_task(call: Call, request: Request) -> Output:
    source = _queue(call, "SourceArn", request["SourceArn"])
    if not any(_dead_letters_of(queue) == source.arn for queue in call.use(Resources).list(QUEUE, call.region)):
        raise faults.fault("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
    rate = request.get("MaxNumberOfMessagesPerSecond")
    if rate is not None and not 1 <= rate <= _FASTEST:
        raise faults.invalid("MaxNumberOfMessagesPerSecond", f"Must be between 1 and {_FASTEST}, if provided.")
    document = {"SourceArn": source.arn}
    if "DestinationArn" in request:
        document["DestinationArn"] = _destination(call, source, request["DestinationArn"]).arn
    if rate is not None:
        document["MaxNumberOfMessagesPerSecond"] = rate
    waiting = call.use(QueueMessages).counts(source.arn, kept_since(source)).visible
    task, now = ids.request_id(), clock.now()
    arn = f"{source.arn}/{task}"
    state = {"moved": 0, "to_move": waiting}
    row = Resource(KIND, call.region, task, arn, RUNNING, now, now, document, state)

    def work(connection: Connection) -> None:
        earlier = _tasks(resources.of_kind(connection, KIND, call.region), source.arn)
        if any(one.status == RUNNING for one in earlier):
            raise faults.fault(
                "InvalidParameterValue", "There is already a task running. Only one active task is allowed for a queue."
            )
        for old in earlier[_MOST_LISTED - 1 :]:
            resources.remove(connection, KIND, call.region, old.name)
        resources.create(connection, row)

    call.use(Database).write(work)
    call.use(MessageMover).wake()
    return {"TaskHandle": _handle(row)}


@operation("sqs", "ListMessageMoveTasks")
def list_message_move_tasks(call: Call, request: Request) -> Output:
    """The queue's last ten, newest first; one unless more are asked for."""
    source = _queue(call, "SourceArn", request["SourceArn"])
    most = request.get("MaxResults", 1)
    if not 1 <= most <= _MOST_LISTED:
        raise faults.invalid("MaxResults", f"Must be between 1 and {_MOST_LISTED}, if provided.")
    tasks = _tasks(call.use(Resources).list(KIND, call.region), source.arn)
    return {"Results": [_shown(task) for task in tasks[:most]]}


@operation("sqs", "CancelMessageMoveTask")
def cancel_message_move_task(call: Call, request: Request) -> Output:
    """What has been moved stays moved."""
    name = _read_handle(request["TaskHandle"])

    def work(connection: Connection) -> Resource:
        task = resources.get(connection, KIND, call.region, name)
        if task.status != RUNNING:
            raise faults.fault(
                "UnsupportedOperation", f"The task is {task.status}: only active tasks can be cancelled."
            )
        return resources.modify(connection, KIND, call.region, name, Change(status=CANCELLED))

    try:
        task = call.use(Database).write(work)
    except NotFound:
        raise faults.fault("ResourceNotFoundException", "The task does not exist.") from None
    return {"ApproximateNumberOfMessagesMoved": task.state["moved"]}


def _tasks(rows: list[Resource], source: str) -> list[Resource]:
    """A queue's tasks, newest first."""
    found = [row for row in rows if row.document["SourceArn"] == source]
    return sorted(found, key=lambda row: row.created, reverse=True)


def _shown(task: Resource) -> dict[str, Any]:
    shown = {
        **task.document,
        "Status": task.status,
        "ApproximateNumberOfMessagesMoved": task.state["moved"],
        "ApproximateNumberOfMessagesToMove": task.state["to_move"],
        "StartedTimestamp": int(task.created * 1000),
    }
    if task.status == RUNNING:
        shown["TaskHandle"] = _handle(task)
    if "reason" in task.state:
        shown["FailureReason"] = task.state["reason"]
    return shown


def _queue(call: Call, member: str, text: str) -> Resource:
    try:
        arn = parse(text)
        if (arn.service, arn.region, arn.account) == ("sqs", call.region, call.account):
            return call.use(Resources).get(QUEUE, call.region, arn.resource)
    except Invalid:
        raise faults.invalid(member, f"{text[:256]} is no ARN of a queue.") from None
    except NotFound:
        pass
    raise _missing(f"The resource that you specified for the {member} parameter doesn't exist.")


def _destination(call: Call, source: Resource, text: str) -> Resource:
    destination = _queue(call, "DestinationArn", text)
    if destination.arn == source.arn:
        raise faults.fault("InvalidParameterValue", "Source queue arn and destination queue arn cannot be the same.")
    if is_fifo(destination) != is_fifo(source):
        raise faults.fault("InvalidParameterValue", "DestinationArn: the destination must be of the source's type.")
    return destination


def _missing(message: str) -> AwsError:
    return faults.fault("ResourceNotFoundException", message)


def _dead_letters_of(queue: Resource) -> str | None:
    policy = attributes.redrive(queue.document)
    return policy[0] if policy else None


def _handle(task: Resource) -> str:
    told = {"taskId": task.name, "sourceArn": task.document["SourceArn"]}
    return base64.b64encode(json.dumps(told).encode()).decode()


def _read_handle(handle: str) -> str:
    try:
        return str(json.loads(base64.b64decode(handle, validate=True))["taskId"])
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        raise faults.invalid("TaskHandle", "It is no handle of a message move task.") from None
