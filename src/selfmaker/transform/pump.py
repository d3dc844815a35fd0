"""Moves objects through a model: reads, asks, writes in the order of the input, with a bounded part of it in memory.

A payload is read while others are with the model; at most ``concurrency`` are with it and as many answers wait to be
written. An object that fails has no output; the objects after it are still transformed.
"""

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from selfmaker.errors import Invalid
from selfmaker.serving.channel import Unanswered
from selfmaker.serving.worker.transport import Message
from selfmaker.transform.data_processing import data_processing
from selfmaker.transform.host_plan import HostPlan, InputObject
from selfmaker.transform.splitting import LINE, Batch, Splitting

Ask = Callable[[bytes, bool], Awaitable[Message]]
Say = Callable[[str], None]
Result = TypeVar("Result")

_LONGEST_MESSAGE = 600  # characters in a failure reason
_LONGEST_ANSWER = 16 * 1024  # bytes of an error's text in the log
SEE_LOGS = "See job logs for more information"


class Output:
    """The output of one object, which appears under its name when it is whole. ``failure`` is set when it never is."""

    def __init__(self, given: InputObject, path: Path) -> None:
        self.given = given
        self.failure: str | None = None
        self._path = path
        self._part = path.with_suffix(".part")
        self._file = self._part.open("wb")

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def finish(self) -> None:
        self._file.close()
        if self.failure is None:
            self._part.replace(self._path)
        else:
            self._part.unlink()


@dataclass(frozen=True)
class _Asked:
    """A payload on its way; without ``batch`` the end of its object."""

    output: Output
    batch: Batch | None = None
    answer: "asyncio.Task[Message] | None" = None


class Pump:
    """For one host. Used on the event loop; what blocks runs on threads of its own."""

    def __init__(self, plan: HostPlan, ask: Ask, say: Say) -> None:
        sending = plan.sending
        self._plan = plan
        self._ask = ask
        self._say = say
        self._splitting = Splitting(sending.split_type, sending.strategy, sending.limit)
        self._processing = data_processing(
            sending.filters, sending.content_type, sending.split_type, sending.assemble_with
        )
        self._free = asyncio.Semaphore(sending.concurrency)
        self._line: asyncio.Queue[_Asked | None] = asyncio.Queue(sending.concurrency)
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="selfmaker-transform")
        self._failures: list[str] = []

    async def run(self) -> list[str]:
        """Transform all objects; returns the failure reasons of those that failed. Raises OSError for a full disk."""
        writing = asyncio.ensure_future(self._write_all())
        reading = asyncio.ensure_future(self._read_all())
        try:
            done, _ = await asyncio.wait([writing, reading], return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            return self._failures
        finally:
            for task in (writing, reading):
                task.cancel()
            self._threads.shutdown(wait=False)

    # -- from the objects to the model

    async def _read_all(self) -> None:
        for number, given in enumerate(self._plan.objects):
            output = Output(given, self._plan.output(number))
            await self._read(output)
            await self._line.put(_Asked(output))
        await self._line.put(None)

    async def _read(self, output: Output) -> None:
        with _opened(output.given, self._plan.sending.gzip) as stream:
            batches = self._splitting.batches(stream)
            while output.failure is None:
                try:
                    ready = await self._on_thread(self._next, batches)
                except Invalid as error:
                    self._fail(output, "ClientError", error.message)
                    return
                except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                    self._fail(output, "ClientError", f"the object is not valid gzip: {error}")
                    return
                if ready is None:
                    return
                batch, payload = ready
                await self._free.acquire()
                answer = asyncio.ensure_future(self._asked(payload))
                del ready, payload
                await self._line.put(_Asked(output, batch, answer))

    def _next(self, batches: Iterator[Batch]) -> tuple[Batch, bytes] | None:
        batch = next(batches, None)
        return None if batch is None else (batch, self._processing.request(batch))

    async def _asked(self, payload: bytes, again: bool = True) -> Message:
        try:
            return await self._ask(payload, again)
        finally:
            self._free.release()

    # -- from the model to the outputs

    async def _write_all(self) -> None:
        while (asked := await self._line.get()) is not None:
            if asked.batch is None or asked.answer is None:
                await self._on_thread(asked.output.finish)
            elif asked.output.failure is not None:
                asked.answer.cancel()
            else:
                await self._write(asked.output, asked.batch, asked.answer)

    async def _write(self, output: Output, batch: Batch, answer: "asyncio.Task[Message]") -> None:
        try:
            message = await answer
        except Unanswered as unanswered:
            why = unanswered.message.removesuffix(" See the endpoint's log.")  # it is the job's, which the reason names
            self._fail(output, "AlgorithmError", f"{batch.named}: Unable to get response from algorithm: {why}")
            return
        if message.status >= 300:
            self._refused(output, *await self._narrowed(batch, message))
            return
        try:
            await self._on_thread(self._put, output, batch, message.body)
        except Invalid as error:
            self._fail(output, "ClientError", error.message)

    async def _narrowed(self, batch: Batch, refusal: Message) -> tuple[Batch, Message]:
        """The one line that the model refuses, found by asking for halves of the batch, and what it says of that; the
        batch itself where the model takes its parts."""
        while batch.count > 1 and self._splitting.split_type == LINE:
            for part in batch.halves():
                if not part.data.strip():
                    continue
                await self._free.acquire()
                try:
                    message = await self._asked(self._processing.request(part), again=False)
                except Unanswered:
                    return batch, refusal
                if message.status >= 300:
                    batch, refusal = part, message
                    break
            else:
                break
        return batch, refusal

    def _put(self, output: Output, batch: Batch, answer: bytes) -> None:
        output.write(self._processing.output(batch, answer))

    def _refused(self, output: Output, batch: Batch, message: Message) -> None:
        text = message.body[:_LONGEST_ANSWER].decode("utf-8", "replace").strip()
        title = output.given.title
        status = f"Bad HTTP status received from algorithm: {message.status}"
        self._say(f"{title}: {batch.named}: {status}")
        for line in ("", "Message:", *text.splitlines()):
            self._say(f"{title}: {line}")
        kind = "ClientError" if message.status < 500 else "AlgorithmError"
        self._fail(output, kind, f"{batch.named}: {status}: {text}", said=True)

    def _fail(self, output: Output, kind: str, why: str, said: bool = False) -> None:
        if output.failure is not None:
            return
        title = output.given.title
        if not said:
            self._say(f"{title}: {kind}: {why}")
        output.failure = f"{kind}: {title}: {why[:_LONGEST_MESSAGE].rstrip('.')}. {SEE_LOGS}"
        self._failures.append(output.failure)

    async def _on_thread(self, act: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, act, *arguments)


def _opened(given: InputObject, packed: bool) -> BinaryIO:
    path = Path(given.path)
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")
