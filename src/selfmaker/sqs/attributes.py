"""The attributes of a queue: which there are, what they may be, and what they are when nobody says."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from selfmaker.aws.arn import parse
from selfmaker.aws.errors import AwsError
from selfmaker.errors import Invalid
from selfmaker.sqs.faults import fault

_NUMBERS = {  # name: least, most, default
    "DelaySeconds": (0, 900, 0),
    "MaximumMessageSize": (1024, 1_048_576, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600, 345_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20, 0),
    "VisibilityTimeout": (0, 43_200, 30),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400, 300),
}
_BOOLEANS = ("FifoQueue", "ContentBasedDeduplication", "SqsManagedSseEnabled")
_CHOICES = {
    "DeduplicationScope": ("messageGroup", "queue"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
}
_ONLY_FIFO = ("ContentBasedDeduplication", *_CHOICES)
_COUNTED = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
)
SETTABLE = (*_NUMBERS, *_BOOLEANS, *_CHOICES, "Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId")
ALL = (*SETTABLE, *_COUNTED)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


def check_names(names: Iterable[str], known: Collection[str]) -> None:
    """What somebody asks to see. Raises InvalidAttributeName."""
    for name in names:
        if name != "All" and name not in known:
            raise fault("InvalidAttributeName", f"Unknown Attribute {name}.")


def check_name(name: str, fifo: bool) -> None:
    base = name.removesuffix(".fifo") if fifo else name
    if not _NAME.fullmatch(base) or len(name) > 80 or (fifo and base == name):
        ending = " and must end in .fifo" if fifo else ""
        raise fault(
            "InvalidParameterValue",
            "The name of a queue (QueueName) can only include alphanumeric characters, hyphens, or underscores, is "
            f"1 to 80 in length{ending}.",
        )


def checked(given: Mapping[str, str], fifo: bool) -> dict[str, str]:
    """``given`` once every attribute is known and has a value that it may have. An empty value takes it away."""
    for name, value in given.items():
        if name not in SETTABLE:
            raise fault("InvalidAttributeName", f"Unknown Attribute {name}.")
        if name in _ONLY_FIFO and not fifo:
            raise fault("InvalidAttributeName", f"Unknown Attribute {name}: it is for FIFO queues only.")
        if name == "RedrivePolicy" and value != "":
            _check_redrive_policy(value)
        if not _fits(name, value):
            raise fault("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    return dict(given)


def number(document: Mapping[str, Any], name: str) -> int:
    """The value of a numeric attribute, or its default."""
    return int(document.get(name) or _NUMBERS[name][2])


def defaults(fifo: bool) -> dict[str, str]:
    """What GetQueueAttributes shows of a queue that was created without attributes."""
    shown = {n: str(d) for n, (_, _, d) in _NUMBERS.items() if n != "KmsDataKeyReusePeriodSeconds"}
    if fifo:
        shown |= {"ContentBasedDeduplication": "false", "DeduplicationScope": "queue"}
        shown["FifoThroughputLimit"] = "perQueue"
    return {**shown, "SqsManagedSseEnabled": "true"}


def redrive(document: Mapping[str, Any]) -> tuple[str, int] | None:
    """Where messages go that were received too often, and how often that is."""
    text = document.get("RedrivePolicy")
    if not text:
        return None
    policy = json.loads(text)
    return str(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])


def _fits(name: str, value: str) -> bool:
    if name in _NUMBERS:
        least, most, _ = _NUMBERS[name]
        return value.isascii() and value.isdigit() and len(value) < 10 and least <= int(value) <= most
    if name in _BOOLEANS:
        return value in ("true", "false")
    if name in _CHOICES:
        return value in _CHOICES[name]
    if name in ("Policy", "RedriveAllowPolicy"):
        return value == "" or isinstance(_json(value), dict)
    return True


def _check_redrive_policy(text: str) -> None:
    """Raises InvalidParameterValue with the reason why this names no queue for what is received too often."""
    policy, members = _json(text), ("deadLetterTargetArn", "maxReceiveCount")
    if not isinstance(policy, dict):
        raise redrive_fault(text, "Redrive policy is not a valid JSON map.")
    for member in members:
        if member not in policy:
            raise redrive_fault(text, f"Redrive policy does not contain mandatory attribute: {member}.")
    for member in sorted(set(policy).difference(members)):
        raise redrive_fault(text, f"Only following attributes are supported: {list(members)}, not {member[:64]}.")
    tries = policy["maxReceiveCount"]
    if not str(tries).isdecimal() or len(str(tries)) > 4 or not 1 <= int(tries) <= 1000:
        reason = (
            f"Invalid value for maxReceiveCount: {str(tries)[:64]}, valid values are from 1 to 1000 both inclusive."
        )
        raise redrive_fault(text, reason)
    try:
        queue = parse(str(policy["deadLetterTargetArn"])).service == "sqs"
    except Invalid:
        queue = False
    if not queue:
        raise redrive_fault(text, "Invalid value for deadLetterTargetArn.")


def redrive_fault(text: str, reason: str) -> AwsError:
    message = f"Value {text[:512]} for parameter RedrivePolicy is invalid. Reason: {reason}"
    return fault("InvalidParameterValue", message)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
