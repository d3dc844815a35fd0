"""Time, in one place, so that tests can say what time it is."""

import time
from datetime import datetime, timezone


def now() -> float:
    """Seconds since the epoch, UTC, with at least millisecond resolution."""
    return time.time()


def now_ms() -> int:
    """Milliseconds since the epoch, as CloudWatch Logs counts them."""
    return time.time_ns() // 1_000_000


def iso8601(seconds: float) -> str:
    """``2024-05-01T12:00:00.123Z``: the form in which AWS prints a timestamp in text."""
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
