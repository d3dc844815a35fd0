"""The messages of queues. The queues themselves are resources; a message knows its queue by ARN.

A message that is received stays, invisible until its time is up, and goes when its receiver says so: it is delivered
at least once. In a FIFO queue the messages of a group wait for the one of theirs that is being worked on.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from selfmaker import clock, ids
from selfmaker.store.database import Database
from selfmaker.store.schema import metadata

DEDUPLICATION_SECONDS = 300.0
SOURCE = "DeadLetterQueueSourceArn"  # in a dead letter's ``system``: the queue that it came from

queue_messages = Table(
    "queue_messages",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("queue", String(512), nullable=False),
    Column("id", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("system", JSON, nullable=False),
    Column("group", String(128), nullable=True),
    Column("sent", Float, nullable=False),
    Column("visible", Float, nullable=False),
    Column("received", Integer, nullable=False),
    Column("first_received", Float, nullable=True),
    Column("receipt", String(64), nullable=True),
    Index(None, "queue", "visible"),
    sqlite_autoincrement=True,
)

queue_duplicates = Table(
    "queue_duplicates",
    metadata,
    Column("queue", String(512), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("until", Float, nullable=False),
    Column("id", String(64), nullable=False),
    Column("sequence", Integer, nullable=False),
)


@dataclass(frozen=True)
class Message:
    """One row. ``visible`` is from when on it may be received, in seconds since the epoch; ``receipt`` is of the last
    time that it was."""

    queue: str
    body: str
    attributes: Mapping[str, Any]
    system: Mapping[str, Any]
    group: str | None
    sent: float
    visible: float
    id: str = ""
    received: int = 0
    first_received: float | None = None
    receipt: str | None = None
    sequence: int = 0


@dataclass(frozen=True)
class Reception:
    """How to receive: at most ``most`` messages, each invisible for ``hidden`` seconds; those sent before ``kept`` are
    gone; those received ``tries`` times go to the queue ``rest`` instead, where there is one. ``attempt`` names the
    attempt, whose repetition gets the same messages."""

    fifo: bool
    most: int
    hidden: float
    kept: float
    tries: int | None = None
    rest: str | None = None
    attempt: str | None = None


@dataclass(frozen=True)
class Counts:
    """Messages that can be received, that are being worked on, and that are delayed."""

    visible: int
    in_flight: int
    delayed: int


class QueueMessages:
    """Thread safe; every write is durable when the call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changes: dict[str, int] = {}
        self._attempts: dict[tuple[str, str], tuple[float, list[Message]]] = {}
        self._lock = threading.Lock()

    def send(self, messages: Sequence[tuple[Message, str | None]]) -> list[Message]:
        """Store messages, each with its deduplication key. One whose key was seen in its queue within five minutes is
        not stored again: the earlier one's id and sequence are returned. All or nothing."""
        sent = self._database.write(lambda c: [_send(c, message, key) for message, key in messages])
        for queue in {message.queue for message, _ in messages}:
            self.stir(queue)
        return sent

    def receive(self, queue: str, how: Reception) -> list[Message]:
        """Take messages. What was received too often moves on to its other queue and is not among them.

        An attempt is known for five minutes, by the process that answered it, and while nobody has deleted one of its
        messages or changed how long it is invisible.
        """
        if how.attempt is not None and (same := self._same_again(queue, how.attempt, how.hidden)):
            return same
        if self._database.read(lambda c: _next_visible(c, queue)) is None:
            return []
        received, moved = self._database.write(lambda c: _receive(c, queue, how))
        if moved and how.rest:
            self.stir(how.rest)
        if how.attempt is not None and received:
            now = clock.now()
            with self._lock:
                fresh = {key: kept for key, kept in self._attempts.items() if kept[0] > now}
                self._attempts = {**fresh, (queue, how.attempt): (now + DEDUPLICATION_SECONDS, received)}
        return received

    def _same_again(self, queue: str, attempt: str, hidden: float) -> list[Message]:
        """What this attempt got before, invisible anew for as long; nothing if it is not all as it was."""
        with self._lock:
            until, messages = self._attempts.get((queue, attempt), (0.0, []))
        now = clock.now()
        if until <= now:
            return []
        again = [replace(message, visible=now + hidden) for message in messages]
        return again if self._database.write(lambda c: _hide_again(c, messages, now, hidden)) else []

    def delete(self, queue: str, sequence: int, id_: str) -> None:
        """Forget a message. One that is gone is no error."""
        t = queue_messages.c
        condition = (t.queue == queue, t.sequence == sequence, t.id == id_)
        self._database.write(lambda c: c.execute(delete(queue_messages).where(*condition)))
        self.stir(queue)

    def hide(self, queue: str, sequence: int, receipt: str, seconds: float) -> bool:
        """Make a message that is being worked on invisible for that long from now. False when it is not (any more)."""
        t, now = queue_messages.c, clock.now()
        condition = (t.queue == queue, t.sequence == sequence, t.receipt == receipt, t.visible > now)
        changed = self._database.write(
            lambda c: c.execute(update(queue_messages).where(*condition).values(visible=now + seconds)).rowcount
        )
        self.stir(queue)
        return bool(changed)

    def show_all(self, queue: str) -> None:
        """Let messages be received again whose receivers are gone. Delays that were asked for stay."""
        t, now = queue_messages.c, clock.now()
        condition = (t.queue == queue, t.received > 0, t.visible > now)
        self._database.write(lambda c: c.execute(update(queue_messages).where(*condition).values(visible=now)))

    def counts(self, queue: str, kept: float) -> Counts:
        t, now = queue_messages.c, clock.now()
        hidden = t.visible > now
        query = select(
            func.sum(case((~hidden, 1), else_=0)),
            func.sum(case((hidden & (t.received > 0), 1), else_=0)),
            func.sum(case((hidden & (t.received == 0), 1), else_=0)),
        ).where(t.queue == queue, t.sent > kept)
        row = self._database.read(lambda c: c.execute(query).one())
        return Counts(*(int(n or 0) for n in row))

    def next_visible(self, queue: str) -> float | None:
        """The time from which on some message of the queue may be received."""
        return self._database.read(lambda c: _next_visible(c, queue))

    def purge(self, queue: str) -> None:
        self._database.write(lambda c: purge(c, queue))

    def changes(self, queue: str) -> int:
        """A number that grows whenever the queue's messages change."""
        return self._changes.get(queue, 0)

    def stir(self, queue: str) -> None:
        """Let those who wait for a change of the queue look again."""
        with self._lock:
            self._changes[queue] = self._changes.get(queue, 0) + 1


def purge(connection: Connection, queue: str) -> None:
    """Forget all messages of a queue, within a transaction."""
    connection.execute(delete(queue_messages).where(queue_messages.c.queue == queue))
    connection.execute(delete(queue_duplicates).where(queue_duplicates.c.queue == queue))


def move(
    connection: Connection, queue: str, to: str | None, there: Collection[str], most: int
) -> tuple[int, set[str], str | None]:
    """Send the oldest dead letters of a queue again, as new messages, each to where it came from or all to ``to``.

    How many it were, the queues that got them, and why it cannot go on, or None. ``there``: the queues that exist.
    """
    t, now = queue_messages.c, clock.now()
    query = select(queue_messages).where(t.queue == queue, t.visible <= now).order_by(t.sequence).limit(most)
    moved = 0
    reached: set[str] = set()
    for row in connection.execute(query).all():
        message = Message(**row._mapping)
        target = to or message.system.get(SOURCE)
        if target is None:
            return moved, reached, "CouldNotDetermineMessageSource"
        if target not in there:
            return moved, reached, "AWS.SimpleQueueService.NonExistentQueue"
        system = {name: value for name, value in message.system.items() if name != SOURCE}
        again = Message(target, message.body, message.attributes, system, message.group, now, now)
        connection.execute(delete(queue_messages).where(t.sequence == message.sequence))
        _send(connection, again, None)
        reached.add(target)
        moved += 1
    return moved, reached, None


def _send(connection: Connection, message: Message, key: str | None) -> Message:
    t = queue_duplicates.c
    if key is not None:
        connection.execute(delete(queue_duplicates).where(t.queue == message.queue, t.until < message.sent))
        known = connection.execute(select(t.id, t.sequence).where(t.queue == message.queue, t.key == key)).first()
        if known is not None:
            return replace(message, id=known.id, sequence=known.sequence)
    message = replace(message, id=message.id or ids.request_id())
    values = {name: value for name, value in vars(message).items() if name != "sequence"}
    inserted = insert(queue_messages).values(**values).returning(queue_messages.c.sequence)
    message = replace(message, sequence=connection.execute(inserted).scalar_one())
    if key is not None:
        row = {"queue": message.queue, "key": key, "id": message.id, "sequence": message.sequence}
        connection.execute(insert(queue_duplicates).values(until=message.sent + DEDUPLICATION_SECONDS, **row))
    return message


def _receive(connection: Connection, queue: str, how: Reception) -> tuple[list[Message], bool]:
    t, now = queue_messages.c, clock.now()
    connection.execute(delete(queue_messages).where(t.queue == queue, t.sent <= how.kept))
    query = select(queue_messages).where(t.queue == queue, t.visible <= now).order_by(t.sequence)
    if how.fifo:
        busy = select(t.group).where(t.queue == queue, t.visible > now).scalar_subquery()
        query = query.where(t.group.not_in(busy))
    taken: list[Message] = []
    moved = False
    for row in connection.execute(query.limit(how.most * 8)).all():
        message = Message(**row._mapping)
        if how.rest is not None and how.tries is not None and message.received >= how.tries:
            fresh = {"visible": now, "received": 0, "first_received": None, "receipt": None}
            _change(connection, message, queue=how.rest, system={**message.system, SOURCE: queue}, **fresh)
            moved = True
        elif len(taken) < how.most:
            taken.append(_take(connection, message, now, how.hidden))
    return taken, moved


def _take(connection: Connection, message: Message, now: float, hidden: float) -> Message:
    changes = {
        "visible": now + hidden,
        "received": message.received + 1,
        "first_received": message.first_received or now,
        "receipt": ids.unique_id(),
    }
    _change(connection, message, **changes)
    return replace(message, **changes)  # type: ignore[arg-type]


def _hide_again(connection: Connection, messages: Sequence[Message], now: float, hidden: float) -> bool:
    """Whether all of them are still in the hands of who received them, and for as long as then."""
    t = queue_messages.c
    for message in messages:
        found = connection.execute(select(t.receipt, t.visible).where(t.sequence == message.sequence)).first()
        if found is None or found.receipt != message.receipt or found.visible <= now:
            return False
    for message in messages:
        _change(connection, message, visible=now + hidden)
    return True


def _change(connection: Connection, message: Message, **values: Any) -> None:
    connection.execute(update(queue_messages).where(queue_messages.c.sequence == message.sequence).values(**values))


def _next_visible(connection: Connection, queue: str) -> float | None:
    t = queue_messages.c
    found: float | None = connection.execute(select(func.min(t.visible)).where(t.queue == queue)).scalar_one()
    return found
