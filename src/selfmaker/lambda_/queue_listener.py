"""Calls functions with what comes into the queues that they listen to.

A message is deleted once the function has taken it. One that it fails on becomes visible again after the queue's
visibility timeout, and goes to the dead letters when the queue says so.
"""

import base64
import contextlib
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from selfmaker import clock
from selfmaker.aws.arn import parse
from selfmaker.aws.errors import AwsError
from selfmaker.aws.port import Port
from selfmaker.errors import NotFound
from selfmaker.events import pattern
from selfmaker.lambda_.event_source_mapping import ENABLED, KIND
from selfmaker.store.queues import QueueMessages
from selfmaker.store.resources import Change, Resource, Resources

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_AT_ONCE = 5  # batches of one mapping
_MOST = 10  # messages of one ReceiveMessage


class QueueListener:
    """``start`` once operations can be called; ``close`` before the functions."""

    def __init__(self, resources: Resources, messages: QueueMessages) -> None:
        self._resources = resources
        self._messages = messages
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._under_way: dict[str, int] = {}
        self._pool = ThreadPoolExecutor(16, "selfmaker-queue-listener")
        self._thread: threading.Thread | None = None

    def start(self, port: Port) -> None:
        self._thread = threading.Thread(target=self._loop, args=(port,), name="selfmaker-queue-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _loop(self, port: Port) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            try:
                for mapping in self._resources.list(KIND, None, ENABLED):
                    self._look(port, mapping)
            except Exception:  # noqa: BLE001 - the outermost loop of a thread that must go on
                _log.exception("functions do not hear their queues")
                self._closed.wait(1)

    def _look(self, port: Port, mapping: Resource) -> None:
        due = self._messages.next_visible(mapping.document["EventSourceArn"])
        if due is None or due > clock.now():
            return
        with self._lock:
            if self._under_way.get(mapping.name, 0) >= _AT_ONCE:
                return
            self._under_way[mapping.name] = self._under_way.get(mapping.name, 0) + 1
        self._pool.submit(self._serve, port, mapping)

    def _serve(self, port: Port, mapping: Resource) -> None:
        """Batches until the queue has nothing more."""
        try:
            while not self._closed.is_set() and (batch := _receive(port, mapping)):
                result = self._hand_over(port, mapping, batch)
                self._resources.update(KIND, mapping.region, mapping.name, Change(state={"result": result}))
        except NotFound:
            return  # the mapping is gone
        except AwsError as error:
            _log.warning("the function of %s is not called: %s", mapping.arn, error)
            self._closed.wait(1)
        except Exception:  # noqa: BLE001 - the outermost frame of a thread; the messages come again
            _log.exception("the function of %s is not called", mapping.arn)
        finally:
            with self._lock:
                self._under_way[mapping.name] -= 1

    def _hand_over(self, port: Port, mapping: Resource, batch: list[dict[str, Any]]) -> str:
        """Call the function and delete what it took. Raises AwsError."""
        wanted = [message for message in batch if _passes(mapping, message)]
        done = [message for message in batch if message not in wanted]
        result = "OK"
        if wanted:
            event = json.dumps({"Records": [_record(mapping, message) for message in wanted]})
            request = {"FunctionName": mapping.document["FunctionArn"], "Payload": event.encode()}
            answer = port.call("lambda", "Invoke", request, mapping.region)
            if "FunctionError" in answer:
                result = "PROBLEM: Function call failed"
            else:
                failed = _failed(mapping, answer["Payload"])
                done += [] if failed is None else [m for m in wanted if m["MessageId"] not in failed]
        for start in range(0, len(done), _MOST):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(done[start : start + _MOST])
            ]
            port.call(
                "sqs", "DeleteMessageBatch", {"QueueUrl": _url(port, mapping), "Entries": entries}, _region(mapping)
            )
        return result


def _receive(port: Port, mapping: Resource) -> list[dict[str, Any]]:
    wanted = mapping.document.get("BatchSize", _MOST)
    batch: list[dict[str, Any]] = []
    while len(batch) < wanted:
        request = {
            "QueueUrl": _url(port, mapping),
            "MaxNumberOfMessages": min(_MOST, wanted - len(batch)),
            "WaitTimeSeconds": 0,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        found = port.call("sqs", "ReceiveMessage", request, _region(mapping)).get("Messages", [])
        if not found:
            break
        batch += found
    return batch


def _record(mapping: Resource, message: dict[str, Any]) -> dict[str, Any]:
    """A message as the function gets it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {name: _attribute(told) for name, told in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.document["EventSourceArn"],
        "awsRegion": _region(mapping),
    }


def _attribute(told: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": told["DataType"]}
    if "StringValue" in told:
        shown["stringValue"] = told["StringValue"]
    if "BinaryValue" in told:
        shown["binaryValue"] = base64.b64encode(told["BinaryValue"]).decode()
    return shown


def _passes(mapping: Resource, message: dict[str, Any]) -> bool:
    """Whether the mapping's filters let a message through; what they keep out is deleted, as on AWS."""
    filters = mapping.document.get("FilterCriteria", {}).get("Filters", [])
    record = _record(mapping, message)
    with contextlib.suppress(ValueError, RecursionError):
        record["body"] = json.loads(message["Body"])
    return not filters or any(pattern.matches(json.loads(item["Pattern"]), record) for item in filters)


def _failed(mapping: Resource, payload: bytes) -> set[str] | None:
    """The messages that the function says it failed on; None for all."""
    if "ReportBatchItemFailures" not in mapping.document.get("FunctionResponseTypes", []):
        return set()
    try:
        told = json.loads(payload) or {}
        return {str(item["itemIdentifier"]) for item in told.get("batchItemFailures") or []}
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _region(mapping: Resource) -> str:
    return parse(mapping.document["EventSourceArn"]).region


def _url(port: Port, mapping: Resource) -> str:
    queue = parse(mapping.document["EventSourceArn"])
    return f"{port.endpoint}/{queue.account}/{queue.resource}"
