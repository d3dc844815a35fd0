"""The form that every event has."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any


def event(  # noqa: PLR0913 - the members of an event, each by its name
    *, id: str, kind: str, source: str, account: str, time: float, region: str,
    resources: Sequence[str], detail: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """An event as EventBridge hands it on; ``time`` is in seconds since the epoch."""
    return {
        "version": "0",
        "id": id,
        "detail-type": kind,
        "source": source,
        "account": account,
        "time": moment(time),
        "region": region,
        "resources": list(resources),
        "detail": dict(detail),
    }


def moment(seconds: float) -> str:
    """``2021-03-15T16:10:11Z``."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
