"""Moves the messages that message move tasks ask for, batch by batch; goes on with them after a restart."""

import logging
import threading

from sqlalchemy import Connection

from selfmaker.errors import NotFound
from selfmaker.sqs.queue import KIND as QUEUE
from selfmaker.store import queues, resources
from selfmaker.store.database import Database
from selfmaker.store.queues import QueueMessages
from selfmaker.store.resources import Change, Resource, Resources

KIND = "MessageMoveTask"
RUNNING, COMPLETED, CANCELLED, FAILED = "RUNNING", "COMPLETED", "CANCELLED", "FAILED"

_log = logging.getLogger(__name__)
_BATCH = 500
_SECOND = 1.0


class MessageMover:
    """``start`` once; ``wake`` whenever there is a new task; ``close`` at the end. Idle it costs nothing."""

    def __init__(self, database: Database, table: Resources, messages: QueueMessages) -> None:
        self._database = database
        self._resources = table
        self._messages = messages
        self._closed = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="selfmaker-message-mover", daemon=True)

    def start(self) -> None:
        self._woken.set()
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        self._woken.set()

    def _loop(self) -> None:
        while not self._closed.is_set():
            try:
                running = self._resources.list(KIND, None, RUNNING)
                limited = [self._move(task) for task in running]
            except Exception:  # noqa: BLE001 - the outermost loop of a thread that must go on
                _log.exception("tasks that move messages wait")
                limited, running = [True], []
            if any(limited):
                self._closed.wait(_SECOND)  # until then their rate is used up
            elif not running:
                self._woken.wait()
                self._woken.clear()

    def _move(self, task: Resource) -> bool:
        """The next batch. Whether the task has to wait for more."""
        rate = task.document.get("MaxNumberOfMessagesPerSecond")
        try:
            reached = self._database.write(lambda c: _batch(c, task, rate or _BATCH))
        except NotFound:  # forgotten for newer ones
            return False
        for queue in reached:
            self._messages.stir(queue)
        return rate is not None


def _batch(connection: Connection, task: Resource, most: int) -> set[str]:
    """Move messages and note it in the task, in one transaction; the queues that got some."""
    now = resources.get(connection, KIND, task.region, task.name)
    if now.status != RUNNING:
        return set()
    there = {queue.arn for queue in resources.of_kind(connection, QUEUE, task.region)}
    moved, reached, reason = queues.move(
        connection, task.document["SourceArn"], task.document.get("DestinationArn"), there, most
    )
    state = {"moved": now.state["moved"] + moved}
    change = Change(state=state)
    if reason is not None:
        change = Change(status=FAILED, state={**state, "reason": reason})
    elif moved < most:
        change = Change(status=COMPLETED, state=state)
    resources.modify(connection, KIND, task.region, task.name, change)
    return reached
