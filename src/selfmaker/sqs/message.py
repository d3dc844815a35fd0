"""Messages: sent, received, deleted, and hidden for longer."""

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from selfmaker import clock
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.sqs import attributes, digest, faults
from selfmaker.sqs.outgoing import NOT_OF_THIS_TYPE, outgoing, size
from selfmaker.sqs.queue import dead_letters, found, is_fifo, kept_since
from selfmaker.store.queues import Message, QueueMessages, Reception
from selfmaker.store.resources import Resource

_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_LONGEST_BATCH = 1_048_576
_SYSTEM = (
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
)
_LOOK_SECONDS = 0.05  # how often a waiting receiver asks, in memory, whether anything changed


@operation("sqs", "SendMessage")
def send_message(call: Call, request: Request) -> Output:
    queue = found(call, request["QueueUrl"])
    message, key = outgoing(call, queue, request)
    sent = call.use(QueueMessages).send([(message, key)])[0]
    return _told(queue, sent)


@operation("sqs", "SendMessageBatch")
def send_message_batch(call: Call, request: Request) -> Output:
    queue, entries = found(call, request["QueueUrl"]), request["Entries"]
    _check_batch(entries)
    if sum(size(entry) for entry in entries) > _LONGEST_BATCH:
        raise faults.fault(
            "BatchRequestTooLong", f"Batch requests cannot be longer than {_LONGEST_BATCH} bytes. You have sent more."
        )
    good: list[tuple[str, tuple[Message, str | None]]] = []
    failed = []
    for entry in entries:
        try:
            good.append((entry["Id"], outgoing(call, queue, entry)))
        except AwsError as error:
            failed.append(_failure(entry["Id"], error))
    sent = call.use(QueueMessages).send([message for _, message in good])
    told = [{"Id": name, **_told(queue, message)} for (name, _), message in zip(good, sent, strict=True)]
    return _outcome(told, failed)


@operation("sqs", "ReceiveMessage")
async def receive_message(call: Call, request: Request) -> Output:
    queue = await asyncio.to_thread(found, call, request["QueueUrl"])
    attributes.check_names(_wanted(request), (*_SYSTEM, *attributes.ALL))
    how, wait = _reception(call, queue, request)
    messages, loop = call.use(QueueMessages), asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        seen = messages.changes(queue.arn)
        taken = await asyncio.to_thread(messages.receive, queue.arn, how)
        if taken or loop.time() >= deadline:
            return {"Messages": [_received(message, request) for message in taken]} if taken else {}
        due = await asyncio.to_thread(messages.next_visible, queue.arn)
        while messages.changes(queue.arn) == seen and loop.time() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
            if due is not None and clock.now() >= due:
                break


@operation("sqs", "DeleteMessage")
def delete_message(call: Call, request: Request) -> Output:
    queue = found(call, request["QueueUrl"])
    _delete(call, queue, request["ReceiptHandle"])
    return None


@operation("sqs", "DeleteMessageBatch")
def delete_message_batch(call: Call, request: Request) -> Output:
    queue = found(call, request["QueueUrl"])
    return _each(request["Entries"], lambda entry: _delete(call, queue, entry["ReceiptHandle"]))


@operation("sqs", "ChangeMessageVisibility")
def change_message_visibility(call: Call, request: Request) -> Output:
    _hide(call, found(call, request["QueueUrl"]), request)
    return None


@operation("sqs", "ChangeMessageVisibilityBatch")
def change_message_visibility_batch(call: Call, request: Request) -> Output:
    queue = found(call, request["QueueUrl"])
    return _each(request["Entries"], lambda entry: _hide(call, queue, entry))


def _told(queue: Resource, message: Message) -> dict[str, Any]:
    told = {
        "MessageId": message.id,
        "MD5OfMessageBody": digest.of_body(message.body),
        "MD5OfMessageAttributes": digest.of_attributes(_with_bytes(message.attributes)),
        "MD5OfMessageSystemAttributes": digest.of_attributes(_trace(message)),
        "SequenceNumber": _sequence_number(message) if is_fifo(queue) else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _trace(message: Message) -> dict[str, Any]:
    header = message.system.get("AWSTraceHeader")
    return {"AWSTraceHeader": {"DataType": "String", "StringValue": header}} if header else {}


def _sequence_number(message: Message) -> str:
    return f"{message.sequence:020d}"


def _reception(call: Call, queue: Resource, request: Request) -> tuple[Reception, int]:
    """What is to be received, and how long to wait for it, in seconds."""
    most = request.get("MaxNumberOfMessages", 1)
    if not 1 <= most <= 10:
        raise faults.invalid("MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
    wait = request.get("WaitTimeSeconds")
    if wait is not None and not 0 <= wait <= 20:
        raise faults.invalid("WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
    hidden = request.get("VisibilityTimeout")
    if hidden is not None:
        _check_visibility(hidden)
    attempt = request.get("ReceiveRequestAttemptId")
    if attempt is not None and not is_fifo(queue):
        raise faults.invalid("ReceiveRequestAttemptId", NOT_OF_THIS_TYPE)
    document = queue.document
    redrive = dead_letters(call, queue)
    reception = Reception(
        fifo=is_fifo(queue),
        most=most,
        hidden=hidden if hidden is not None else attributes.number(document, "VisibilityTimeout"),
        kept=kept_since(queue),
        tries=redrive[1] if redrive else None,
        rest=redrive[0] if redrive else None,
        attempt=attempt,
    )
    return reception, wait if wait is not None else attributes.number(document, "ReceiveMessageWaitTimeSeconds")


def _received(message: Message, request: Request) -> dict[str, Any]:
    """A message as its receiver asked to see it."""
    wanted = _wanted(request)
    system = {k: v for k, v in _system(message).items() if "All" in wanted or k in wanted}
    names = request.get("MessageAttributeNames", ())
    own = {k: v for k, v in _with_bytes(message.attributes).items() if _is_wanted(k, names)}
    output: dict[str, Any] = {
        "MessageId": message.id,
        "ReceiptHandle": _handle(message),
        "MD5OfBody": digest.of_body(message.body),
        "Body": message.body,
    }
    if system:
        output["Attributes"] = system
    if own:
        output |= {"MessageAttributes": own, "MD5OfMessageAttributes": digest.of_attributes(own)}
    return output


def _wanted(request: Request) -> list[str]:
    """The system attributes asked for, by their older member and by their newer one."""
    return [*request.get("AttributeNames", ()), *request.get("MessageSystemAttributeNames", ())]


def _system(message: Message) -> dict[str, str]:
    first = message.first_received or message.sent
    told = {
        **message.system,
        "SentTimestamp": str(int(message.sent * 1000)),
        "ApproximateReceiveCount": str(message.received),
        "ApproximateFirstReceiveTimestamp": str(int(first * 1000)),
    }
    if message.group is not None:
        told["MessageGroupId"] = message.group
    if "MessageDeduplicationId" in message.system:  # as every message of a FIFO queue has, and no other
        told["SequenceNumber"] = _sequence_number(message)
    return told


def _is_wanted(name: str, wanted: tuple[str, ...] | list[str]) -> bool:
    return any(w in ("All", ".*", name) or (w.endswith(".*") and name.startswith(w[:-2])) for w in wanted)


def _with_bytes(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Message attributes as AWS has them, from their row, where bytes are base64."""
    return {
        name: {k: base64.b64decode(v) if k == "BinaryValue" else v for k, v in attribute.items()}
        for name, attribute in stored.items()
    }


def _handle(message: Message) -> str:
    return base64.b64encode(f"{message.sequence} {message.id} {message.receipt}".encode()).decode()


def _read_handle(handle: str) -> tuple[int, str, str]:
    try:
        sequence, id_, receipt = base64.b64decode(handle, validate=True).decode("ascii").split(" ")
        if not sequence.isdigit() or len(sequence) > 18:
            raise ValueError
        return int(sequence), id_, receipt
    except (binascii.Error, ValueError):
        message = f'The input receipt handle "{handle[:128]}" is not a valid receipt handle.'
        raise faults.fault("ReceiptHandleIsInvalid", message) from None


def _delete(call: Call, queue: Resource, handle: str) -> None:
    sequence, id_, _ = _read_handle(handle)
    call.use(QueueMessages).delete(queue.arn, sequence, id_)


def _hide(call: Call, queue: Resource, request: Request) -> None:
    sequence, _, receipt = _read_handle(request["ReceiptHandle"])
    seconds = request.get("VisibilityTimeout")
    if seconds is None:
        raise faults.missing("VisibilityTimeout")
    _check_visibility(seconds)
    if not call.use(QueueMessages).hide(queue.arn, sequence, receipt, seconds):
        raise faults.fault(
            "InvalidParameterValue",
            f"Value {request['ReceiptHandle']} for parameter ReceiptHandle is invalid. Reason: Message does not exist "
            "or is not available for visibility timeout change.",
        )


def _check_visibility(seconds: int) -> None:
    if not 0 <= seconds <= 43_200:
        raise faults.invalid("VisibilityTimeout", "Must be between 0 and 43200, if provided.")


def _check_batch(entries: list[dict[str, Any]]) -> None:
    names = [entry["Id"] for entry in entries]
    if not names:
        raise faults.fault("EmptyBatchRequest", "There should be at least one entry (Entries) in the request.")
    if len(names) > 10:
        raise faults.fault(
            "TooManyEntriesInBatchRequest", f"Maximum number of entries per request are 10. You have sent {len(names)}."
        )
    if len(set(names)) < len(names):
        raise faults.fault("BatchEntryIdsNotDistinct", "Id of the batch entries must be distinct.")
    if not all(_BATCH_ID.fullmatch(name) for name in names):
        raise faults.fault(
            "InvalidBatchEntryId",
            "A batch entry id (Id) can only contain alphanumeric characters, hyphens and underscores. It can be at "
            "most 80 letters long.",
        )


def _each(entries: list[dict[str, Any]], act: Any) -> Output:
    _check_batch(entries)
    done, failed = [], []
    for entry in entries:
        try:
            act(entry)
            done.append({"Id": entry["Id"]})
        except AwsError as error:
            failed.append(_failure(entry["Id"], error))
    return _outcome(done, failed)


def _outcome(done: list[dict[str, Any]], failed: list[dict[str, Any]]) -> Output:
    return {"Successful": done, **({"Failed": failed} if failed else {})}


def _failure(name: str, error: AwsError) -> dict[str, Any]:
    return {"Id": name, "SenderFault": error.status < 500, "Code": error.query_code, "Message": error.message}
