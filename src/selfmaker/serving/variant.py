"""A production variant in service: several workers of one model, and the requests between them.

A request goes to the worker with the fewest outstanding; when each has enough to do it waits in line here. A worker
that dies is replaced, after a pause that grows while the replacements die too. The request that it was at is answered
with an error; those that it had not begun go to another worker.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from selfmaker.errors import Invalid
from selfmaker.serving.channel import PRIMARY, Answer, Channel, Ticket, Unanswered, WorkerFailed
from selfmaker.serving.delivery import PLAIN, Delivery
from selfmaker.serving.worker.transport import Message
from selfmaker.serving.worker_process import WorkerProcess

_log = logging.getLogger(__name__)

_MOST = 1 << 30
INVOCATION_TIMEOUT = 60.0  # seconds: AWS's limit for a model's answer
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0
_SETTLED = 60.0  # a worker that lived so long has shown that it can
_STRANGE = "{} is for {} endpoint, which this endpoint is not."
_SEVERAL = ("TargetContainerHostname", "a direct-invocation multi-container")
_DIED = "The model's worker process ended while it was at this request. See the endpoint's log."

Launch = Callable[[], Awaitable[WorkerProcess]]


class Variant:
    """Used on the event loop only. ``launch`` starts one worker and returns when it is ready."""

    def __init__(self, name: str, launch: Launch, loop: asyncio.AbstractEventLoop, container: str = PRIMARY) -> None:
        self.name = name
        self.container = container
        self.wanted = 0
        self.timeout = INVOCATION_TIMEOUT
        self._launch = launch
        self._loop = loop
        self._workers: dict[Channel, WorkerProcess] = {}
        self._born: dict[Channel, float] = {}
        self._waiting: deque[Ticket] = deque()
        self._pause = _SHORTEST_PAUSE
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def ready(self) -> int:
        """How many workers can answer now."""
        return len(self._workers)

    @property
    def pids(self) -> list[int]:
        """The workers' outermost processes."""
        return [process.handle.pid for process in self._workers.values()]

    @property
    def outstanding(self) -> int:
        """Requests that are not answered yet."""
        return len(self._waiting) + sum(len(channel.outstanding) for channel in self._workers)

    # -- requests

    def submit(self, request: Message, delivery: Delivery = PLAIN) -> "asyncio.Future[Message]":
        """The answer, whatever its status; Unanswered when the worker died or took too long."""
        if delivery.model or delivery.container:
            raise Invalid(_STRANGE.format(*(("TargetModel", "a multi-model") if delivery.model else _SEVERAL)))
        deadline = self._loop.time() + (delivery.timeout or self.timeout)
        answer = self._loop.create_future()
        self._put(Ticket(request, answer, deadline, delivery.stream))
        return answer

    def ask(self, request: Message, answer: Answer) -> None:
        """As ``submit``, with the answer told to ``answer`` in the moment in which it comes, and never before this
        returns."""
        if self._closed:
            gone = Unanswered(f"variant {self.name} is being taken out of service")
            self._loop.call_soon(answer.set_exception, gone)
            return
        self._put(Ticket(request, answer, self._loop.time() + self.timeout))

    def _put(self, ticket: Ticket) -> None:
        self._send(ticket)
        if self._sweep is None:
            self._sweep = self._loop.call_later(min(1.0, self.timeout), self._expire)

    def refuse_waiting(self, message: str, status: int = 0) -> None:
        """Give up the requests that no worker has yet: there will be none."""
        while self._waiting:
            self._refuse(self._waiting.popleft(), message, status)

    def _send(self, ticket: Ticket) -> None:
        if self._closed:
            ticket.answer.set_exception(Unanswered(f"variant {self.name} is being taken out of service"))
            return
        best, load = None, _MOST
        for channel in self._workers:
            count = len(channel.outstanding)
            if count < load and count < channel.depth:
                best, load = channel, count
        if best is None:
            self._waiting.append(ticket)
        else:
            best.send(ticket)

    def _freed(self, channel: Channel) -> None:
        while self._waiting and len(channel.outstanding) < channel.depth:
            ticket = self._waiting.popleft()
            if not ticket.answer.done():
                channel.send(ticket)

    def _expire(self) -> None:
        """Answer the requests whose time is up; a worker that is still at such a request is replaced."""
        now = self._loop.time()
        for process in list(self._workers.values()):
            line = process.channel.outstanding
            if line and line[0].deadline <= now:
                self._give_up(line[0])
                process.kill()
        for ticket in self._waiting:
            if ticket.deadline <= now:
                self._give_up(ticket)
        while self._waiting and self._waiting[0].answer.done():
            self._waiting.popleft()
        self._sweep = self._loop.call_later(min(1.0, self.timeout), self._expire) if self.outstanding else None

    # -- workers

    async def start(self, count: int) -> None:
        """Bring ``count`` workers up, or none: raises WorkerFailed with the first one's reason."""
        self.wanted = count
        launches = [asyncio.ensure_future(self._launch()) for _ in range(count)]
        try:
            for launch in asyncio.as_completed(launches):
                self._adopt(await launch)
        except BaseException:
            for pending in launches:
                pending.cancel()
            for launched in await asyncio.gather(*launches, return_exceptions=True):
                if isinstance(launched, WorkerProcess) and launched.channel not in self._workers:
                    self._adopt(launched)  # it came up while another one's failure was on its way
            await self.stop()
            raise

    async def resize(self, count: int) -> None:
        """Have ``count`` workers: start more, or let the ones too many finish.

        Raises WorkerFailed; those that came up by then stay.
        """
        self.wanted = count
        while len(self._workers) < self.wanted and not self._closed:
            self._adopt(await self._launch())
        surplus = list(self._workers.values())[count:]
        await asyncio.gather(*(self._retire(process) for process in surplus))

    async def drain(self, patience: float) -> None:
        """Wait until every request is answered, at most ``patience`` seconds, then ``stop``."""
        end = self._loop.time() + patience
        while self.outstanding and self._loop.time() < end:
            await asyncio.sleep(0.02)
        await self.stop()

    async def stop(self) -> None:
        """End all workers; what is still outstanding is Unanswered."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._waiting:
            self._refuse(self._waiting.popleft(), f"variant {self.name} was taken out of service")
        await asyncio.gather(*(process.stop() for process in self._workers.values()))

    def _adopt(self, process: WorkerProcess) -> None:
        channel: Channel = process.channel
        channel.freed, channel.lost = self._freed, self._lost
        self._workers[channel] = process
        self._born[channel] = self._loop.time()
        if channel.connected:
            self._freed(channel)
        else:  # it died as soon as it was ready, when nobody listened yet
            self._lost(channel)

    async def _retire(self, process: WorkerProcess) -> None:
        """Give the worker nothing more, wait for what it has, end it."""
        channel = process.channel
        self._workers.pop(channel, None)
        channel.freed = channel.lost = _nothing
        while channel.outstanding and not process.ended.done():
            await asyncio.sleep(0.02)
        for ticket in channel.outstanding:
            self._refuse(ticket, _DIED, 500)
        await process.stop()

    def _lost(self, channel: Channel) -> None:
        process = self._workers.pop(channel, None)
        if process is None:
            return
        line = channel.outstanding
        if line:
            self._refuse(line.popleft(), _DIED, 500)
        while line:
            self._waiting.appendleft(line.pop())
        if self._closed:
            for ticket in self._waiting:
                self._refuse(ticket, f"variant {self.name} was taken out of service")
            return
        for other in self._workers:
            self._freed(other)
        if self._loop.time() - self._born.pop(channel, 0.0) > _SETTLED:
            self._pause = _SHORTEST_PAUSE
        self._spawn(self._replace(process))

    async def _replace(self, dead: WorkerProcess) -> None:
        dead.kill()
        while len(self._workers) < self.wanted and not self._closed:
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            try:
                process = await self._launch()
            except WorkerFailed as error:
                _log.warning("variant %s: a worker could not be replaced: %s", self.name, error.message)
                continue
            if len(self._workers) < self.wanted:
                self._adopt(process)
            else:
                await process.stop()

    def _give_up(self, ticket: Ticket) -> None:
        self._refuse(
            ticket,
            f"Your invocation timed out while waiting for a response from container {self.container}. Review the "
            "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again.",
        )

    def _refuse(self, ticket: Ticket, message: str, status: int = 0) -> None:
        if not ticket.answer.done():
            ticket.answer.set_exception(Unanswered(message, status, self.container))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _nothing(_: Channel) -> None:
    return
