"""How an event gets to each kind of target: by the operation that a user would call."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from selfmaker import clock
from selfmaker.aws.arn import Arn, parse
from selfmaker.aws.errors import AwsError
from selfmaker.aws.port import Port
from selfmaker.errors import Invalid
from selfmaker.events import paths
from selfmaker.store.deliveries import Delivery

_log = logging.getLogger(__name__)

_PASSING = ("Throttling", "TooManyRequests", "LimitExceeded", "ResourceInUse", "Conflict", "Unavailable", "Internal")


def send(port: Port, delivery: Delivery) -> None:
    """Raises AwsError, as the target's operation does, or for a target that nothing can be sent to."""
    try:
        arn = parse(delivery.target["Arn"])
        sender = _SENDERS[arn.service]
    except (Invalid, KeyError):
        raise AwsError("InvalidTarget", f"nothing can be sent to {delivery.target['Arn']}") from None
    rule_name = delivery.rule.rpartition("/")[2]
    reserved = {
        "aws.events.rule-arn": delivery.rule,
        "aws.events.rule-name": rule_name,
        "aws.events.event.ingestion-time": clock.iso8601(delivery.created),
    }
    text = paths.payload(delivery.target, delivery.event, reserved)
    sender(port, delivery, arn, text)


def to_dead_letters(port: Port, delivery: Delivery, error: AwsError) -> None:
    """The event goes to the queue that the target names for what cannot be delivered."""
    queue = delivery.target.get("DeadLetterConfig", {}).get("Arn")
    if not queue:
        return
    told = {
        "RULE_ARN": delivery.rule,
        "TARGET_ARN": delivery.target["Arn"],
        "ERROR_CODE": error.code,
        "ERROR_MESSAGE": error.message[:1024] or "-",
    }
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items()}
    request = {"MessageBody": json.dumps(delivery.event), "MessageAttributes": attributes}
    try:
        _message(port, parse(queue), request)
    except AwsError as failed:
        _log.warning("an event has no place among the dead letters %s: %s", queue, failed)


def may_pass(error: AwsError) -> bool:
    """Whether trying again may help: the target is there but cannot take it now."""
    return error.status >= 500 or any(word in error.code for word in _PASSING)


def _to_function(port: Port, delivery: Delivery, arn: Arn, text: str) -> None:
    name = arn.resource.removeprefix("function:")
    request = {"FunctionName": name, "InvocationType": "Event", "Payload": text.encode()}
    port.call("lambda", "Invoke", request, arn.region)


def _to_queue(port: Port, delivery: Delivery, arn: Arn, text: str) -> None:
    request: dict[str, Any] = {"MessageBody": text}
    if "SqsParameters" in delivery.target:
        request["MessageGroupId"] = delivery.target["SqsParameters"]["MessageGroupId"]
        request["MessageDeduplicationId"] = _token(delivery)
    _message(port, arn, request)


def _message(port: Port, queue: Arn, request: Mapping[str, Any]) -> None:
    url = f"{port.endpoint}/{queue.account}/{queue.resource}"
    port.call("sqs", "SendMessage", {"QueueUrl": url, **request}, queue.region)


def _to_pipeline(port: Port, delivery: Delivery, arn: Arn, text: str) -> None:
    given = delivery.target.get("SageMakerPipelineParameters", {}).get("PipelineParameterList", [])
    parameters = [{"Name": item["Name"], "Value": _parameter(item["Value"], delivery.event)} for item in given]
    request: dict[str, Any] = {"PipelineName": arn.name, "ClientRequestToken": _token(delivery)}
    if parameters:
        request["PipelineParameters"] = parameters
    port.call("sagemaker", "StartPipelineExecution", request, arn.region)


def _parameter(value: str, event: Mapping[str, Any]) -> str:
    """A value as it stands, or what a path into the event leads to."""
    if not value.startswith("$."):
        return value
    found = paths.find(value, event)
    return found if isinstance(found, str) else json.dumps(found)


def _to_log_group(port: Port, delivery: Delivery, arn: Arn, text: str) -> None:
    group = arn.resource.removeprefix("log-group:").removesuffix(":*")
    stream = f"{delivery.rule.rpartition('/')[2]}/{delivery.event['time'][:10]}"
    where = {"logGroupName": group, "logStreamName": stream}
    try:
        port.call("logs", "CreateLogStream", where, arn.region)
    except AwsError as error:
        if error.code != "ResourceAlreadyExistsException":
            raise
    line = {"timestamp": clock.now_ms(), "message": text}
    port.call("logs", "PutLogEvents", {**where, "logEvents": [line]}, arn.region)


def _token(delivery: Delivery) -> str:
    """The same for each attempt at a delivery, so that what is started twice starts once."""
    told = f"{delivery.event['id']} {delivery.rule} {delivery.target['Id']}"
    return hashlib.sha256(told.encode()).hexdigest()


_SENDERS: Mapping[str, Callable[[Port, Delivery, Arn, str], None]] = {
    "lambda": _to_function,
    "sqs": _to_queue,
    "sagemaker": _to_pipeline,
    "logs": _to_log_group,
}
