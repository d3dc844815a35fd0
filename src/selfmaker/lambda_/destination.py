"""Where the outcome of a call that was made later goes: the function's destinations, and its dead-letter queue."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfmaker import clock
from selfmaker.aws.arn import parse
from selfmaker.aws.errors import AwsError
from selfmaker.aws.port import Port
from selfmaker.errors import Invalid

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ended:
    """A call that will not be made again. ``response`` is Invoke's output, None where the function was not reached;
    ``error`` says why not. ``condition``: Success, RetriesExhausted or EventAgeExceeded."""

    region: str
    target: str
    arn: str
    request_id: str
    event: bytes
    attempts: int
    condition: str
    response: Mapping[str, Any] | None
    error: str = ""


def tell(port: Port, ended: Ended, config: Mapping[str, Any]) -> None:
    """Send what is to be sent. A place that takes nothing gets nothing: it is noted in the server's log."""
    well = ended.condition == "Success"
    place = config.get("DestinationConfig", {}).get("OnSuccess" if well else "OnFailure", {}).get("Destination")
    try:
        if place:
            _send(port, ended, place)
        if not well:
            _to_dead_letters(port, ended)
    except (AwsError, Invalid) as error:
        _log.warning("the outcome of a call of %s has no place: %s", ended.target, error.message)


def _send(port: Port, ended: Ended, place: str) -> None:
    target, record = parse(place), json.dumps(_record(ended))
    if target.service == "sqs":
        _to_queue(port, place, {"MessageBody": record})
    elif target.service == "lambda":
        name = target.resource.removeprefix("function:")
        request = {"FunctionName": name, "InvocationType": "Event", "Payload": record.encode()}
        port.call("lambda", "Invoke", request, target.region)
    else:
        kind = "Success" if ended.condition == "Success" else "Failure"
        entry = {
            "EventBusName": place,
            "Source": "lambda",
            "DetailType": f"Lambda Function Invocation Result - {kind}",
            "Detail": record,
            "Resources": [place, ended.arn],
        }
        port.call("events", "PutEvents", {"Entries": [entry]}, target.region)


def _record(ended: Ended) -> dict[str, Any]:
    """As the Lambda developer guide shows it, "Capturing records of Lambda asynchronous invocations"."""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": clock.iso8601(clock.now()),
        "requestContext": {
            "requestId": ended.request_id,
            "functionArn": ended.arn,
            "condition": ended.condition,
            "approximateInvokeCount": ended.attempts,
        },
        "requestPayload": json.loads(ended.event),
    }
    if ended.response is not None:
        context = {"statusCode": ended.response["StatusCode"], "executedVersion": ended.response["ExecutedVersion"]}
        if "FunctionError" in ended.response:
            context["functionError"] = ended.response["FunctionError"]
        record |= {"responseContext": context, "responsePayload": json.loads(ended.response["Payload"] or b"null")}
    return record


def _to_dead_letters(port: Port, ended: Ended) -> None:
    name = ended.target.partition(":")[0]
    function = port.call("lambda", "GetFunctionConfiguration", {"FunctionName": name}, ended.region)
    queue = function.get("DeadLetterConfig", {}).get("TargetArn")
    if not queue:
        return
    told = {
        "RequestID": ("String", ended.request_id),
        "ErrorCode": ("Number", "200" if ended.response is not None else "429"),
        "ErrorMessage": ("String", message_of(ended.response)[:1024] or ended.error[:1024] or "-"),
    }
    attributes = {name: {"DataType": kind, "StringValue": value} for name, (kind, value) in told.items()}
    _to_queue(port, queue, {"MessageBody": ended.event.decode(), "MessageAttributes": attributes})


def _to_queue(port: Port, arn: str, request: Mapping[str, Any]) -> None:
    queue = parse(arn)
    url = f"{port.endpoint}/{queue.account}/{queue.resource}"
    port.call("sqs", "SendMessage", {"QueueUrl": url, **request}, queue.region)


def message_of(response: Mapping[str, Any] | None) -> str:
    """The error that a function has answered with."""
    if response is None or "FunctionError" not in response:
        return ""
    return str(json.loads(response["Payload"]).get("errorMessage", ""))
