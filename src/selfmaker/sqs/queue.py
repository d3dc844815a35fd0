"""Queues and their attributes."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.arn import arn, parse
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import AlreadyExists, Invalid, NotFound
from selfmaker.sqs import attributes, faults
from selfmaker.store import queues, tags
from selfmaker.store.queues import QueueMessages
from selfmaker.store.resources import Change, Resource, Resources

KIND = "Queue"

_MOST = 1000
_PURGE_SECONDS = 60


@operation("sqs", "CreateQueue")
def create_queue(call: Call, request: Request) -> Output:
    name, given = request["QueueName"], request.get("Attributes", {})
    fifo = given.get("FifoQueue") == "true"
    if given.get("FifoQueue") == "false":
        raise faults.fault("InvalidAttributeValue", "Invalid value for the parameter FifoQueue.")
    attributes.check_name(name, fifo)
    document = {k: v for k, v in attributes.checked(given, fifo).items() if v != ""}
    now, arn_ = clock.now(), queue_arn(call, name)
    _check_dead_letters(call, arn_, document)
    resource = Resource(KIND, call.region, name, arn_, "Active", now, now, document, {})

    def also(connection: Connection) -> None:
        tags.add(connection, arn_, request.get("tags", {}))

    try:
        call.use(Resources).create(resource, also)
    except AlreadyExists:
        _same(call, name, document)
    return {"QueueUrl": queue_url(call, name)}


@operation("sqs", "GetQueueUrl")
def get_queue_url(call: Call, request: Request) -> Output:
    if request.get("QueueOwnerAWSAccountId", call.account) != call.account:
        raise faults.no_queue()
    return {"QueueUrl": queue_url(call, _named(call, request["QueueName"]).name)}


@operation("sqs", "ListQueues")
def list_queues(call: Call, request: Request) -> Output:
    prefix = request.get("QueueNamePrefix", "")
    names = sorted(q.name for q in call.use(Resources).list(KIND, call.region) if q.name.startswith(prefix))
    return _page(call, names, request, "QueueUrls")


@operation("sqs", "ListDeadLetterSourceQueues")
def list_dead_letter_source_queues(call: Call, request: Request) -> Output:
    target = found(call, request["QueueUrl"]).arn
    queues_ = call.use(Resources).list(KIND, call.region)
    names = sorted(q.name for q in queues_ if (attributes.redrive(q.document) or ("", 0))[0] == target)
    return _page(call, names, request, "queueUrls")


@operation("sqs", "DeleteQueue")
def delete_queue(call: Call, request: Request) -> Output:
    queue = found(call, request["QueueUrl"])

    def also(connection: Connection) -> None:
        queues.purge(connection, queue.arn)
        tags.forget(connection, queue.arn)

    try:
        call.use(Resources).delete(KIND, call.region, queue.name, also)
    except NotFound:
        raise faults.no_queue() from None
    call.use(QueueMessages).stir(queue.arn)
    return None


@operation("sqs", "PurgeQueue")
def purge_queue(call: Call, request: Request) -> Output:
    queue, now = found(call, request["QueueUrl"]), clock.now()
    if now - queue.state.get("purged", 0) < _PURGE_SECONDS:
        message = f"Only one PurgeQueue operation on {queue.name} is allowed every {_PURGE_SECONDS} seconds."
        raise faults.fault("PurgeQueueInProgress", message)
    call.use(Resources).update(KIND, call.region, queue.name, Change(state={"purged": now}))
    call.use(QueueMessages).purge(queue.arn)
    return None


@operation("sqs", "GetQueueAttributes")
def get_queue_attributes(call: Call, request: Request) -> Output:
    queue, names = found(call, request["QueueUrl"]), request.get("AttributeNames", [])
    attributes.check_names(names, attributes.ALL)
    known = _shown(call, queue)
    return {"Attributes": {k: v for k, v in known.items() if "All" in names or k in names}}


@operation("sqs", "SetQueueAttributes")
def set_queue_attributes(call: Call, request: Request) -> Output:
    queue, given = found(call, request["QueueUrl"]), request["Attributes"]
    if "FifoQueue" in given:
        raise faults.fault("InvalidAttributeName", "Unknown Attribute FifoQueue.")
    checked = attributes.checked(given, is_fifo(queue))
    _check_dead_letters(call, queue.arn, checked)
    change = Change(document={k: v if v != "" else None for k, v in checked.items()})
    call.use(Resources).update(KIND, call.region, queue.name, change)
    return None


def found(call: Call, url: str) -> Resource:
    """The queue at a URL of ours, or of AWS's: its last two steps are the account and the name."""
    account, _, name = url.partition("?")[0].rstrip("/").rpartition("/")
    if account.rpartition("/")[2] != call.account:
        raise faults.no_queue()
    return _named(call, name)


def queue_arn(call: Call, name: str) -> str:
    return arn("sqs", call.region, call.account, name)


def queue_url(call: Call, name: str) -> str:
    return f"{call.endpoint}/{call.account}/{name}"


def is_fifo(queue: Resource) -> bool:
    return queue.document.get("FifoQueue") == "true"


def kept_since(queue: Resource) -> float:
    """When the oldest message that is still kept may have been sent."""
    return clock.now() - attributes.number(queue.document, "MessageRetentionPeriod")


def dead_letters(call: Call, queue: Resource) -> tuple[str, int] | None:
    """The queue that takes what was received too often, while there is one, and how often that is."""
    policy = attributes.redrive(queue.document)
    if policy is None:
        return None
    try:
        call.use(Resources).get(KIND, call.region, parse(policy[0]).resource)
    except (NotFound, Invalid):
        return None
    return policy


def _check_dead_letters(call: Call, source: str, document: Mapping[str, str]) -> None:
    """The queue for what is received too often is there, of the same type, and takes messages of this one."""
    policy = attributes.redrive(document)
    if policy is None:
        return
    text, target = document["RedrivePolicy"], parse(policy[0])
    try:
        if (target.region, target.account) != (call.region, call.account):
            raise NotFound(policy[0])
        queue = call.use(Resources).get(KIND, call.region, target.resource)
    except NotFound:
        raise attributes.redrive_fault(text, "Dead letter target does not exist.") from None
    if is_fifo(queue) != source.endswith(".fifo"):
        raise attributes.redrive_fault(text, "Dead-letter queue must be same type of queue as the source.")
    allowed = json.loads(queue.document.get("RedriveAllowPolicy") or "{}")
    permission = allowed.get("redrivePermission", "allowAll")
    if permission == "denyAll" or (permission == "byQueue" and source not in allowed.get("sourceQueueArns", ())):
        raise attributes.redrive_fault(
            text, "Dead letter target's RedriveAllowPolicy does not allow this source queue."
        )


def _named(call: Call, name: str) -> Resource:
    try:
        return call.use(Resources).get(KIND, call.region, name)
    except NotFound:
        raise faults.no_queue() from None


def _same(call: Call, name: str, document: dict[str, Any]) -> None:
    """An existing queue is as good as a new one, unless it was to be another."""
    existing = _named(call, name)
    settled = {**attributes.defaults(is_fifo(existing)), **existing.document}
    for member, value in document.items():
        if settled.get(member) != value:
            raise faults.fault(
                "QueueNameExists",
                f"A queue already exists with the same name and a different value for attribute {member}",
            )


def _shown(call: Call, queue: Resource) -> dict[str, str]:
    counts = call.use(QueueMessages).counts(queue.arn, kept_since(queue))
    return {
        "QueueArn": queue.arn,
        "CreatedTimestamp": str(int(queue.created)),
        "LastModifiedTimestamp": str(int(queue.modified)),
        "ApproximateNumberOfMessages": str(counts.visible),
        "ApproximateNumberOfMessagesNotVisible": str(counts.in_flight),
        "ApproximateNumberOfMessagesDelayed": str(counts.delayed),
        **attributes.defaults(is_fifo(queue)),
        **queue.document,
    }


def _page(call: Call, names: list[str], request: Request, member: str) -> dict[str, Any]:
    """A page of queue URLs. Without MaxResults there are no pages, and the first thousand are all."""
    most, after = request.get("MaxResults"), request.get("NextToken", "")
    if most is not None and not 1 <= most <= _MOST:
        raise faults.invalid("MaxResults", f"Must be between 1 and {_MOST}, if provided.")
    left = [name for name in names if name > after][: (most or _MOST) + 1]
    page = left[: most or _MOST]
    output: dict[str, Any] = {member: [queue_url(call, name) for name in page]}
    if most is not None and len(left) > most:
        output["NextToken"] = page[-1]
    return output
