"""What happens when the moment of a rule or a schedule has come. One that was missed comes once, late."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.errors import Invalid
from selfmaker.events import schedule
from selfmaker.events.form import event as formed
from selfmaker.store import deliveries, outbox, resources
from selfmaker.store.deliveries import Delivery
from selfmaker.store.resources import Change, Resource

SCHEDULE = "Schedule"  # the kind of EventBridge Scheduler's resources


def tick(connection: Connection, row: Resource, account: str) -> None:
    """Send what is to be sent, and see when the next time is; in one transaction."""
    current = resources.get(connection, row.kind, row.region, row.name)
    due = current.state.get("next")
    if current.status != outbox.ENABLED or due is None or due > clock.now():
        return
    event = formed(
        id=str(uuid.uuid4()),
        kind="Scheduled Event",
        source="aws.events" if row.kind == outbox.RULE else "aws.scheduler",
        account=account,
        time=due,
        region=row.region,
        resources=[row.arn],
        detail={},
    )
    if row.kind == outbox.RULE:
        following = schedule.following(current.document["ScheduleExpression"], clock.now())
        deliveries.add(connection, deliveries_of(current, event))
    else:
        following = next_time(current.document, clock.now(), due)
        deliveries.add(connection, [_scheduled(current, event)])
    if following is None and current.document.get("ActionAfterCompletion") == "DELETE":
        resources.remove(connection, row.kind, row.region, row.name)
        return
    resources.modify(connection, row.kind, row.region, row.name, Change(state={"next": following}))


def deliveries_of(rule: Resource, event: dict[str, Any]) -> list[Delivery]:
    """An event for each of a rule's targets."""
    now = clock.now()
    whole = Delivery(rule.region, rule.arn, {}, event, now, now)
    return [replace(whole, target=target) for target in rule.state.get("targets", {}).values()]


def next_time(document: Mapping[str, Any], now: float, last: float | None) -> float | None:
    """When a schedule's next time is; ``last`` was the one before, if there was one. Raises Invalid."""
    expression, zone = document["ScheduleExpression"], zone_of(document)
    start, end = document.get("StartDate"), document.get("EndDate")
    interval, single = schedule.seconds(expression, strict=False), schedule.once(expression, zone)
    found: float | None
    if single is not None:
        found = single if last is None else None
    elif interval is not None:
        base = last + interval if last is not None else start if start is not None else now
        late = max(0.0, now - base)
        found = base + interval * -(-late // interval) if last is not None or late > interval else base
    else:
        found = schedule.following(expression, max(now, (start or now) - 1), zone)
    return None if found is None or (end is not None and found > end) else found


def zone_of(document: Mapping[str, Any]) -> tzinfo:
    """Raises Invalid."""
    name = document.get("ScheduleExpressionTimezone", "UTC")
    if name == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(f"Invalid ScheduleExpressionTimezone {name}.") from None


def _scheduled(row: Resource, event: dict[str, Any]) -> Delivery:
    """A schedule's target, with what Scheduler puts into its texts."""
    words = {
        "<aws.scheduler.schedule-arn>": row.arn,
        "<aws.scheduler.scheduled-time>": event["time"],
        "<aws.scheduler.execution-id>": event["id"],
        "<aws.scheduler.attempt-number>": "1",
    }
    target = _filled({"Id": "schedule", **row.document["Target"]}, words)
    now = clock.now()
    return Delivery(row.region, row.arn, target, json.loads(json.dumps(event)), now, now)


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _filled(item, words) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, words) for item in value]
    if isinstance(value, str):
        for word, meaning in words.items():
            value = value.replace(word, meaning)
    return value
