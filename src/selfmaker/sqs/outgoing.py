"""From a request to a message that may be stored: what a message may hold, and what a FIFO queue asks of it."""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from selfmaker import clock
from selfmaker.aws.operation import Call
from selfmaker.sqs import attributes, faults
from selfmaker.sqs.queue import is_fifo
from selfmaker.store.queues import Message
from selfmaker.store.resources import Resource

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)")
_TYPE = re.compile(r"(String|Number|Binary)(\..{1,248})?", re.DOTALL)
_MOST_ATTRIBUTES = 10
NOT_OF_THIS_TYPE = "The request include parameter that is not valid for this queue type"
_GROUP = re.compile(r"[\x21-\x7e]{1,128}")


def outgoing(call: Call, queue: Resource, request: Mapping[str, Any]) -> tuple[Message, str | None]:
    """The message, and the key by which a second one like it is known. Raises AwsError."""
    body, own = request["MessageBody"], request.get("MessageAttributes", {})
    _check(queue, request)
    fifo, group = is_fifo(queue), request.get("MessageGroupId")
    if not fifo and "MessageDeduplicationId" in request:
        raise faults.invalid("MessageDeduplicationId", NOT_OF_THIS_TYPE)
    delay = request.get("DelaySeconds")
    if delay is not None and ((fifo and delay != 0) or not 0 <= delay <= 900):
        raise faults.invalid("DelaySeconds", NOT_OF_THIS_TYPE if fifo else "Must be <= 900, if provided.")
    now = clock.now()
    system = {"SenderId": call.access_key or "anonymous"}
    trace = request.get("MessageSystemAttributes", {}).get("AWSTraceHeader", {}).get("StringValue")
    if trace:
        system["AWSTraceHeader"] = trace
    key = _key(queue, request) if fifo else None
    if fifo and key is not None:
        system["MessageDeduplicationId"] = request.get("MessageDeduplicationId") or key
    wait = delay if delay is not None else attributes.number(queue.document, "DelaySeconds")
    message = Message(queue.arn, body, _storable(own), system, group, now, now + wait)
    if not fifo:
        return message, None
    scope = f"{group}\0{key}" if queue.document.get("DeduplicationScope") == "messageGroup" else key
    return message, hashlib.sha256(str(scope).encode()).hexdigest()


def size(request: Mapping[str, Any]) -> int:
    """What counts against the limits, in bytes: the body and the attributes' names, types and values."""
    total = len(request["MessageBody"].encode("utf-8", "surrogatepass"))
    for name, attribute in request.get("MessageAttributes", {}).items():
        value = attribute.get("BinaryValue") or attribute.get("StringValue", "").encode("utf-8", "surrogatepass")
        total += len(name.encode()) + len(attribute.get("DataType", "").encode()) + len(value)
    return total


def _check(queue: Resource, request: Mapping[str, Any]) -> None:
    body = request["MessageBody"]
    if not body:
        raise faults.missing("MessageBody")
    if _FORBIDDEN.search(body):
        raise faults.fault("InvalidMessageContents", "Invalid characters found in the message body (MessageBody).")
    limit = attributes.number(queue.document, "MaximumMessageSize")
    if size(request) > limit:
        raise faults.fault(
            "InvalidParameterValue",
            f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.",
        )
    _check_attributes(request.get("MessageAttributes", {}))
    group = request.get("MessageGroupId")
    if group is not None and not _GROUP.fullmatch(group):
        raise faults.invalid("MessageGroupId", "It can have 1 to 128 alphanumeric characters and punctuation marks.")


def _check_attributes(own: Mapping[str, Any]) -> None:
    if len(own) > _MOST_ATTRIBUTES:
        raise faults.fault(
            "InvalidParameterValue",
            f"Number of message attributes (MessageAttributes) [{len(own)}] exceeds the allowed maximum "
            f"[{_MOST_ATTRIBUTES}].",
        )
    for name, attribute in own.items():
        kind = _TYPE.fullmatch(attribute.get("DataType", ""))
        if not _NAME.fullmatch(name) or name.lower().startswith(("aws.", "amazon.")):
            raise faults.fault("InvalidParameterValue", f"The message attribute name '{name[:256]}' is invalid.")
        if kind is None:
            raise faults.fault("InvalidParameterValue", f"The type of message attribute '{name}' is invalid.")
        member = "BinaryValue" if kind[1] == "Binary" else "StringValue"
        value = attribute.get(member)
        if not value or (kind[1] == "Number" and not _is_number(value)):
            raise faults.fault(
                "InvalidParameterValue",
                f"The message attribute '{name}' must contain a {member} that fits its type '{kind[0]}'.",
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _key(queue: Resource, request: Mapping[str, Any]) -> str:
    if not request.get("MessageGroupId"):
        raise faults.missing("MessageGroupId")
    given = request.get("MessageDeduplicationId")
    if given is not None:
        if not _GROUP.fullmatch(given):
            raise faults.invalid("MessageDeduplicationId", "It can have 1 to 128 alphanumeric characters.")
        return str(given)
    if queue.document.get("ContentBasedDeduplication") != "true":
        raise faults.fault(
            "InvalidParameterValue",
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
            "explicitly",
        )
    return hashlib.sha256(request["MessageBody"].encode()).hexdigest()


def _storable(own: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON can hold it: bytes in base64."""
    kept = {}
    for name, attribute in own.items():
        members = {k: v for k, v in attribute.items() if k in ("DataType", "StringValue", "BinaryValue")}
        if "BinaryValue" in members:
            members["BinaryValue"] = base64.b64encode(members["BinaryValue"]).decode()
        kept[name] = members
    return kept
