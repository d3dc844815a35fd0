"""Asynchronous endpoints: requests are read from S3, in their order, and answers written there.

An invocation is a row from the moment it is accepted until its answer, or what went wrong, is an object. A server that
was killed in between answers it again, to the same place.
"""

import asyncio
import functools
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor as Threads
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from selfmaker import clock
from selfmaker.errors import Conflict, Invalid, NotFound, SelfmakerError
from selfmaker.objects.protocol import Attributes
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import parse_s3_uri
from selfmaker.serving.channel import Unanswered
from selfmaker.serving.delivery import Delivery
from selfmaker.serving.output_log import OutputLog
from selfmaker.serving.router import Key
from selfmaker.serving.spec import AsyncSpec
from selfmaker.serving.worker.transport import Message
from selfmaker.store.async_invocations import AsyncInvocation, AsyncInvocations
from selfmaker.store.log_streams import LogStreams

_log = logging.getLogger(__name__)
T = TypeVar("T")

DEFAULT_TIMEOUT = 900.0  # seconds for a model's answer, where the request doesn't say
LONGEST_BODY = 1 << 30  # bytes of a request: AWS's limit
_LOOK_AGAIN = 1.0  # seconds after which an answer that could not be stored is tried again

Invoke = Callable[[Key, Message, Delivery], Awaitable[tuple[str, Message]]]


@dataclass(frozen=True)
class Around:
    """What the answering of queues works with. ``logs`` is a folder; ``log_group`` the prefix of the groups' names;
    ``invoke`` asks an endpoint."""

    table: AsyncInvocations
    objects: ObjectStore
    log_streams: LogStreams
    threads: Threads
    logs: Path
    log_group: str
    invoke: Invoke


class AsyncInference:
    """The queue of one endpoint. Used on the event loop only; ``start`` once, ``stop`` at last."""

    def __init__(self, key: Key, around: Around) -> None:
        self._key = key
        self._around = around
        self._loop = asyncio.get_running_loop()
        self._spec: AsyncSpec | None = None
        self._room = 1
        self._taken = 0
        self._busy: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._walk: asyncio.Task[None] | None = None
        self._output: OutputLog | None = None

    def start(self, spec: AsyncSpec, room: int, variant: str) -> None:
        """Answer from now on, or from now on by ``spec``; at most ``room`` at once."""
        self._spec, self._room = spec, room
        if self._walk is None:
            self._output = self._open_log(variant)
            self._walk = self._loop.create_task(self._answer_all())
        self._news.set()

    def wake(self) -> None:
        """Another invocation was accepted."""
        self._news.set()

    async def stop(self) -> None:
        """What is under way is given up; its rows stay."""
        tasks = [task for task in (self._walk, *self._busy) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._output is not None:
            self._output.close()

    async def _answer_all(self) -> None:
        while True:
            try:
                await self._begin_what_waits()
            except Exception:  # noqa: BLE001 - the outermost level of a task: a queue must not stop for ever
                _log.exception("the queue of endpoint %s", self._key[1])
                await asyncio.sleep(_LOOK_AGAIN)

    async def _begin_what_waits(self) -> None:
        """Begin invocations in their order as long as there is room. Returns only by raising."""
        while True:
            self._news.clear()
            room = self._room - len(self._busy)
            if room > 0:
                waiting = functools.partial(self._around.table.waiting, *self._key, self._taken, room)
                found = await self._in_thread(waiting)
                for invocation in found:
                    self._taken = invocation.sequence
                    task = self._loop.create_task(self._see_to(invocation))
                    self._busy.add(task)
                    task.add_done_callback(self._freed)
                if len(found) == room:
                    continue
            await self._news.wait()

    def _freed(self, task: "asyncio.Task[None]") -> None:
        self._busy.discard(task)
        self._news.set()

    async def _see_to(self, invocation: AsyncInvocation) -> None:
        while True:
            try:
                await self._answer(invocation)
                return
            except Exception:  # noqa: BLE001 - the outermost level of a task: what was accepted is not lost
                _log.exception("an asynchronous invocation of endpoint %s", self._key[1])
                await asyncio.sleep(_LOOK_AGAIN)

    async def _answer(self, invocation: AsyncInvocation) -> None:
        """Answer one invocation to its end. Only a store that takes nothing keeps it waiting."""
        document = invocation.document
        try:
            answer = await self._asked(invocation)
        except Unanswered as error:
            text = _failure(error.status, error.container, error.message) if error.status else error.message
            place, stored, status = document.get("FailureLocation"), _told(text), "Failed"
        except SelfmakerError as error:
            place, stored, status = document.get("FailureLocation"), _told(error.message), "Failed"
        else:
            place, stored, status = document.get("OutputLocation"), answer, "Completed"
        while place and not await self._in_thread(lambda: self._stored(place, stored)):
            await asyncio.sleep(_LOOK_AGAIN)
        await self._in_thread(lambda: self._around.table.remove(invocation.sequence))
        self._tell(invocation, status, stored)

    async def _asked(self, invocation: AsyncInvocation) -> Message:
        """The model's answer. Raises SelfmakerError with what is to stand in the failure's object."""
        document = invocation.document
        expiry = document.get("RequestTTLSeconds")
        if expiry and clock.now() > invocation.created + expiry:
            raise Invalid(f"The request was not processed within its RequestTTLSeconds ({expiry}).")
        request = await self._in_thread(lambda: self._request(document))
        delivery = Delivery(
            timeout=float(document.get("InvocationTimeoutSeconds") or DEFAULT_TIMEOUT),
            inference_id=document["InferenceId"],
        )
        _, answer = await self._around.invoke(self._key, request, delivery)
        if answer.status >= 400:
            raise Unanswered(answer.body.decode("utf-8", "replace"), answer.status)
        return answer

    def _request(self, document: Mapping[str, Any]) -> Message:
        """The request with its body from S3. Blocks."""
        uri = document["InputLocation"]
        try:
            info = self._around.objects.head(*parse_s3_uri(uri))
        except (NotFound, ValueError):
            raise Invalid(f"Failed to download input data from {uri}: there is no such object.") from None
        if info.size > LONGEST_BODY:
            raise Invalid(f"The input data at {uri} is larger than 1 GB.")
        content_type = document.get("ContentType") or info.attributes.system.get("ContentType", "")
        accept, attributes = document.get("Accept", ""), document.get("CustomAttributes", "")
        try:
            return Message(0, content_type, accept, attributes, info.path.read_bytes())
        except OSError as error:
            raise Invalid(f"The input data at {uri} could not be read: {error.strerror}.") from error

    def _stored(self, uri: str, message: Message) -> bool:
        """Whether the object could be stored, or never can be. Blocks."""
        bucket, key = parse_s3_uri(uri)
        attributes = Attributes({"ContentType": message.content_type or "application/octet-stream"})
        try:
            self._around.objects.put(bucket, key, message.body, attributes)
        except (NotFound, Invalid, Conflict) as error:
            self._say(f"{uri} could not be written: {error.message}")
        except SelfmakerError as error:
            _log.warning("%s could not be written yet: %s", uri, error.message)
            return False
        return True

    def _tell(self, invocation: AsyncInvocation, status: str, stored: Message) -> None:
        """Write down how it ended, and what a topic would be told: there is no SNS here."""
        document = invocation.document
        message = {
            "awsRegion": invocation.region,
            "eventTime": clock.iso8601(clock.now()),
            "receivedTime": clock.iso8601(invocation.created),
            "invocationStatus": status,
            "requestParameters": _present(
                contentType=document.get("ContentType"),
                endpointName=invocation.endpoint,
                inputLocation=document["InputLocation"],
            ),
            "inferenceId": document["InferenceId"],
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }
        if status == "Completed":
            message["responseParameters"] = _present(
                contentType=stored.content_type, outputLocation=document.get("OutputLocation")
            )
        else:
            message["failureReason"] = json.loads(stored.body)["message"]
            message["failureLocation"] = document.get("FailureLocation")
        topic = (self._spec.topics if self._spec is not None else {}).get(
            "success" if status == "Completed" else "error"
        )
        if topic:
            message["notPublishedTo"] = topic
        self._say(json.dumps(_present(**message)))

    def _say(self, text: str) -> None:
        if self._output is not None:
            self._output.say(text)

    def _open_log(self, variant: str) -> OutputLog:
        region, endpoint = self._key
        instance = f"i-{secrets.token_hex(8)}{secrets.randbelow(16):x}"
        path = self._around.logs / f"{endpoint}-{instance}-data.log"
        output = OutputLog(path)
        stream = f"{variant}/{instance}/data-log"
        self._around.log_streams.register(region, self._around.log_group + endpoint, stream, path, clock.now_ms())
        return output

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._around.threads, work)


def _failure(status: int, container: str, text: str) -> str:
    party = "client" if 400 <= status < 500 else "server"
    return f'Received {party} error ({status}) from {container} with message "{text}".'


def _told(text: str) -> Message:
    """What went wrong, as JSON: clients read it with what they read answers with."""
    return Message(0, "application/json", "", "", json.dumps({"message": text}).encode())


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}
