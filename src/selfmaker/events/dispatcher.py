"""Offers what happened to the rules, and sends events to their targets until they have arrived.

    outbox, PutEvents, the clock -> rules -> deliveries -> targets

Each arrow is one transaction, so that nothing is lost between two steps; a step that a kill cut off is
taken again, and a target may get an event twice.
"""

import json
import logging
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.arn import parse
from selfmaker.aws.errors import AwsError
from selfmaker.aws.port import Port
from selfmaker.events import clockwork, pattern, s3_event, sending
from selfmaker.events.event_bus import DEFAULT
from selfmaker.events.sagemaker_event import SagemakerEvents
from selfmaker.objects import notices
from selfmaker.store import deliveries, outbox
from selfmaker.store.database import Database
from selfmaker.store.deliveries import Delivery
from selfmaker.store.resources import Resource, Resources

_log = logging.getLogger(__name__)

Offer = tuple[str, dict[str, Any]]  # the bus, and an event on it

_LOOK_SECONDS = 0.2
_BATCH = 100
_SENDERS = 8
_LONGEST_WAIT = 600.0
_ATTEMPTS = 185
_MAX_AGE = 86_400.0


class Dispatcher:
    """``offer`` from any thread. ``start`` once operations can be called; ``close`` before the database."""

    def __init__(self, database: Database, resources: Resources, events: SagemakerEvents) -> None:
        self._database = database
        self._resources = resources
        self._events = events
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._in_hand: set[int] = set()
        self._pool = ThreadPoolExecutor(_SENDERS, "selfmaker-events")
        self._thread: threading.Thread | None = None

    def offer(self, region: str, offers: Sequence[Offer]) -> None:
        """Let the rules of a region see events; what they make of them is durable when this returns."""
        rules = self._rules(region)
        new = [d for bus, event in offers for d in _wanted(rules, bus, event)]
        if new:
            self._database.write(lambda c: deliveries.add(c, new))
            self._wake.set()

    def start(self, port: Port) -> None:
        self._thread = threading.Thread(target=self._loop, args=(port,), name="selfmaker-events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """What is not sent yet waits for the next start."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _loop(self, port: Port) -> None:
        while not self._closed.is_set():
            try:
                self._drain_outbox()
                self._look_at_the_clock()
                self._send_due(port)
            except Exception:  # noqa: BLE001 - the outermost loop of a thread that must go on
                _log.exception("events wait")
                self._closed.wait(1)
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()

    # -- what happened

    def _drain_outbox(self) -> None:
        while not self._closed.is_set():
            waiting = self._database.read(lambda c: outbox.waiting(c, _BATCH))
            if not waiting:
                return
            new: list[Delivery] = []
            for item in waiting:
                new += self._deliveries(item)
            last = waiting[-1].sequence

            def work(connection: Connection, new: list[Delivery] = new, last: int = last) -> None:
                deliveries.add(connection, new)
                outbox.remove_until(connection, last)

            self._database.write(work)

    def _deliveries(self, item: outbox.Waiting) -> list[Delivery]:
        try:
            of_s3 = item.change.kind == notices.KIND
            event = s3_event.rules_event(item, self._events.account) if of_s3 else self._events.of(item)
            direct = s3_event.notifications(item, self._events.account) if of_s3 else []
            return direct + (_wanted(self._rules(item.change.region), DEFAULT, event) if event is not None else [])
        except Exception:  # noqa: BLE001 - a change that makes no event must not hold up those behind it
            _log.exception("no event of %s %s", item.change.kind, item.change.arn)
            return []

    def _rules(self, region: str) -> list[Resource]:
        return self._resources.list(outbox.RULE, region, outbox.ENABLED)

    # -- the clock

    def _look_at_the_clock(self) -> None:
        now = clock.now()
        for kind in (outbox.RULE, clockwork.SCHEDULE):
            for row in self._resources.list(kind, None, outbox.ENABLED):
                due = row.state.get("next")
                if due is not None and due <= now:
                    self._database.write(lambda c, row=row: clockwork.tick(c, row, self._events.account))  # type: ignore[misc]
                    self._wake.set()

    # -- sending

    def _send_due(self, port: Port) -> None:
        for delivery in self._database.read(lambda c: deliveries.due(c, clock.now(), _BATCH)):
            with self._lock:
                if delivery.sequence in self._in_hand:
                    continue
                self._in_hand.add(delivery.sequence)
            self._pool.submit(self._send, port, delivery)

    def _send(self, port: Port, delivery: Delivery) -> None:
        try:
            if not self._closed.is_set() and self._is_still_due(delivery):
                self._attempt(port, delivery)
        except Exception:  # noqa: BLE001 - the outermost frame of a thread; the delivery stays and is tried again
            _log.exception("an event for %s waits", delivery.target["Arn"])
            self._postpone(delivery)
        finally:
            with self._lock:
                self._in_hand.discard(delivery.sequence)

    def _is_still_due(self, delivery: Delivery) -> bool:
        """False for one that another thread has sent between its being read and its being taken in hand."""
        return self._database.read(lambda c: deliveries.is_due(c, delivery.sequence, clock.now()))

    def _attempt(self, port: Port, delivery: Delivery) -> None:
        try:
            self._deliver(port, delivery)
        except AwsError as error:
            if self._is_over(delivery, error):
                _log.warning("an event does not reach %s: %s", delivery.target["Arn"], error)
                sending.to_dead_letters(port, delivery, error)
            else:
                self._postpone(delivery)
                return
        self._database.write(lambda c: deliveries.remove(c, delivery.sequence))
        self._wake.set()

    def _postpone(self, delivery: Delivery) -> None:
        wait = min(_LONGEST_WAIT, 2.0 ** min(delivery.attempts, 20)) * random.uniform(0.8, 1.2)
        self._database.write(lambda c: deliveries.postpone(c, delivery.sequence, clock.now() + wait))

    def _deliver(self, port: Port, delivery: Delivery) -> None:
        if delivery.target["Arn"].split(":")[2:3] == ["events"]:  # another bus
            target = parse(delivery.target["Arn"])
            self.offer(target.region, [(target.name, dict(delivery.event))])
        else:
            sending.send(port, delivery)

    def _is_over(self, delivery: Delivery, error: AwsError) -> bool:
        policy = delivery.target.get("RetryPolicy", {})
        attempts = policy.get("MaximumRetryAttempts", _ATTEMPTS)
        age = policy.get("MaximumEventAgeInSeconds", _MAX_AGE)
        too_late = clock.now() - delivery.created >= age or delivery.attempts >= attempts
        return too_late or not sending.may_pass(error)


def _wanted(rules: Sequence[Resource], bus: str, event: dict[str, Any]) -> list[Delivery]:
    """What the rules of a bus want to be done about an event."""
    found: list[Delivery] = []
    for rule in rules:
        text = rule.document.get("EventPattern")
        if text and rule.document["EventBusName"] == bus and pattern.matches(json.loads(text), event):
            found += clockwork.deliveries_of(rule, event)
    return found
