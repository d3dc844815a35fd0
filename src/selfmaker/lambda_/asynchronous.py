"""Calls that were taken on and are made later: kept in a queue of the server's own, made again when they fail.

A call that fails is made twice more, after one minute and after two, as Lambda does it; then it goes to the function's
dead-letter queue, where it has one. A server that is killed makes the calls that it had under way once more.
"""

import base64
import json
import logging
import threading
from typing import Any

from selfmaker import clock
from selfmaker.aws.arn import parse
from selfmaker.aws.errors import AwsError
from selfmaker.aws.port import Port
from selfmaker.errors import Invalid
from selfmaker.functions.functions import Functions
from selfmaker.store.queues import Message, QueueMessages, Reception

_log = logging.getLogger(__name__)

QUEUE = "selfmaker:function-events"  # no ARN: no client reaches it

_HELD = 1000.0  # seconds for which a call is ours: more than a function may take
_RETRIES = (60.0, 120.0)  # seconds until the next attempt
_LOOK_SECONDS = 0.05
_MOST = 10


def accept(messages: QueueMessages, region: str, target: str, event: bytes) -> None:
    """Keep a call; it is durable when this returns. ``target``: the function's name, and a qualifier after a colon."""
    now = clock.now()
    body = json.dumps({"region": region, "target": target, "event": base64.b64encode(event).decode()})
    messages.send([(Message(QUEUE, body, {}, {}, None, now, now), None)])


class AsynchronousCalls:
    """Makes the calls that were accepted. ``start`` once the server listens; ``close`` before the functions."""

    def __init__(self, messages: QueueMessages, functions: Functions) -> None:
        self._messages = messages
        self._functions = functions
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._slots = threading.Semaphore(_MOST)

    def start(self, port: Port) -> None:
        self._messages.show_all(QUEUE)
        self._thread = threading.Thread(target=self._loop, args=(port,), name="selfmaker-function-events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def _loop(self, port: Port) -> None:
        while not self._closed.is_set():
            seen = self._messages.changes(QUEUE)
            try:
                self._make_due(port)
                due = self._messages.next_visible(QUEUE)
            except Exception:  # noqa: BLE001 - the outermost loop of a thread that must go on
                _log.exception("calls of functions wait")
                due = clock.now() + 1
            while self._messages.changes(QUEUE) == seen and not self._closed.wait(_LOOK_SECONDS):
                if due is not None and clock.now() >= due:
                    break

    def _make_due(self, port: Port) -> None:
        how = Reception(fifo=False, most=1, hidden=_HELD, kept=0.0)
        while not self._closed.is_set():
            if not self._slots.acquire(timeout=_LOOK_SECONDS):
                continue
            taken = self._messages.receive(QUEUE, how)
            if not taken:
                self._slots.release()
                return
            thread = threading.Thread(target=self._make, args=(port, taken[0]), daemon=True)
            thread.start()

    def _make(self, port: Port, message: Message) -> None:
        try:
            told = json.loads(message.body)
            failure = _attempt(port, told)
            if failure is not None:
                _log.warning("call %d of %s failed: %s", message.received, told["target"], failure["message"])
            if failure is None:
                self._messages.delete(QUEUE, message.sequence, message.id)
            elif message.received <= len(_RETRIES) and not failure["final"] and not self._closed.is_set():
                wait = _RETRIES[message.received - 1]
                self._messages.hide(QUEUE, message.sequence, message.receipt or "", wait)
            elif not self._closed.is_set():
                _to_dead_letters(port, told, failure)
                self._messages.delete(QUEUE, message.sequence, message.id)
        except Exception:  # noqa: BLE001 - the outermost frame of a thread; the call stays and is made again
            _log.exception("a call of a function waits")
        finally:
            self._slots.release()


def _attempt(port: Port, told: dict[str, Any]) -> dict[str, Any] | None:
    """None when the call went well; else what went wrong, and whether that is final."""
    request = {"FunctionName": told["target"], "Payload": base64.b64decode(told["event"])}
    try:
        answer = port.call("lambda", "Invoke", request, told["region"])
    except AwsError as error:
        return {"message": error.message, "final": error.code == "ResourceNotFoundException"}
    if "FunctionError" not in answer:
        return None
    document = json.loads(answer["Payload"])
    return {"message": str(document.get("errorMessage", "")), "final": False}


def _to_dead_letters(port: Port, told: dict[str, Any], failure: dict[str, Any]) -> None:
    name = told["target"].partition(":")[0]
    try:
        function = port.call("lambda", "GetFunctionConfiguration", {"FunctionName": name}, told["region"])
        target = function.get("DeadLetterConfig", {}).get("TargetArn")
        if not target:
            return
        queue = parse(target)
        text = {"DataType": "String", "StringValue": failure["message"][:1024] or "-"}
        url = f"{port.endpoint}/{queue.account}/{queue.resource}"
        body = base64.b64decode(told["event"]).decode()
        request = {"QueueUrl": url, "MessageBody": body, "MessageAttributes": {"ErrorMessage": text}}
        port.call("sqs", "SendMessage", request, queue.region)
    except (AwsError, Invalid) as error:
        _log.warning("a failed call of %s has no place: %s", name, error.message)
