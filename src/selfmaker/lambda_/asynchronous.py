"""Calls that were taken on and are made later: kept in a queue of the server's own, made again when they fail.

A call that fails is made twice more, after one minute and after two, as Lambda does it, unless the function's
EventInvokeConfig says otherwise; one that the function's concurrency leaves no room for waits. Then it goes where the
function sends what has failed. A server that is killed makes the calls that it had under way once more.
"""

import base64
import json
import logging
import threading
from dataclasses import replace
from typing import Any

from selfmaker import clock, ids
from selfmaker.aws.errors import AwsError
from selfmaker.aws.port import Port
from selfmaker.functions.functions import Functions
from selfmaker.lambda_ import destination
from selfmaker.lambda_.destination import Ended
from selfmaker.store.queues import Message, QueueMessages, Reception

_log = logging.getLogger(__name__)

QUEUE = "selfmaker:function-events"  # no ARN: no client reaches it

_HELD = 1000.0  # seconds for which a call is ours: more than a function may take
_RETRIES = (60.0, 120.0)  # seconds until the next attempt
_LONGEST_WAIT = 300.0  # seconds, for a function that has no room
_OLDEST = 21_600  # seconds
_LOOK_SECONDS = 0.05
_MOST = 10


def accept(messages: QueueMessages, region: str, target: str, event: bytes, request_id: str = "") -> None:
    """Keep a call; it is durable when this returns. ``target``: the function's name, and a qualifier after a colon."""
    now = clock.now()
    told = {"region": region, "target": target, "event": base64.b64encode(event).decode(), "since": now}
    body = json.dumps({**told, "id": request_id or ids.request_id()})
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
            told = {"since": message.sent, "id": message.id, "attempts": 0, "waits": 0, **json.loads(message.body)}
            config = _config(port, told)
            ended, wait = _attempt(port, told, config)
            if ended.condition != "Success":
                reason = destination.message_of(ended.response) or ended.error
                _log.warning("call %d of %s failed: %s", ended.attempts, ended.target, reason)
            if self._closed.is_set() and ended.condition != "Success":
                return  # the next server makes it again
            if wait is not None:
                self._again(told, ended, wait)
            else:
                destination.tell(port, ended, config)
            self._messages.delete(QUEUE, message.sequence, message.id)
        except Exception:  # noqa: BLE001 - the outermost frame of a thread; the call stays and is made again
            _log.exception("a call of a function waits")
        finally:
            self._slots.release()

    def _again(self, told: dict[str, Any], ended: Ended, wait: float) -> None:
        """In the place of the call that has failed: the same one, later."""
        reached = ended.response is not None
        told = {**told, "attempts": ended.attempts, "waits": told["waits"] + (not reached)}
        now = clock.now()
        self._messages.send([(Message(QUEUE, json.dumps(told), {}, {}, None, now, now + wait), None)])


def _config(port: Port, told: dict[str, Any]) -> dict[str, Any]:
    """The EventInvokeConfig of what is called, or nothing."""
    try:
        return port.call("lambda", "GetFunctionEventInvokeConfig", {"FunctionName": told["target"]}, told["region"])
    except AwsError:
        return {}


def _attempt(port: Port, told: dict[str, Any], config: dict[str, Any]) -> tuple[Ended, float | None]:
    """How it went, and after how many seconds to try again; None: not any more."""
    name, _, qualifier = told["target"].partition(":")
    event = base64.b64decode(told["event"])
    arn = f"arn:aws:lambda:{told['region']}:{port.account}:function:{name}:{qualifier or '$LATEST'}"
    ended = Ended(told["region"], told["target"], arn, told["id"], event, told["attempts"], "RetriesExhausted", None)
    left = told["since"] + config.get("MaximumEventAgeInSeconds", _OLDEST) - clock.now()
    request = {"FunctionName": told["target"], "Payload": event}
    try:
        answer = port.call("lambda", "Invoke", request, told["region"], told["id"])
    except AwsError as error:
        ended = replace(ended, error=error.message)
        if error.code == "ResourceNotFoundException":
            return ended, None
        return _later(ended, min(_LONGEST_WAIT, 2.0 ** min(told["waits"], 20)), left)
    ended = replace(ended, response=answer, attempts=told["attempts"] + 1)
    if "FunctionError" not in answer:
        return replace(ended, condition="Success"), None
    if ended.attempts > config.get("MaximumRetryAttempts", len(_RETRIES)):
        return ended, None
    return _later(ended, _RETRIES[min(ended.attempts, len(_RETRIES)) - 1], left)


def _later(ended: Ended, wait: float, left: float) -> tuple[Ended, float | None]:
    """Again after ``wait``, unless the call is too old by then: it has ``left`` seconds."""
    return (ended, wait) if wait < left else (replace(ended, condition="EventAgeExceeded"), None)
