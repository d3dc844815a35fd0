from datetime import datetime, timezone

import pytest

from selfmaker.errors import Invalid
from selfmaker.events.schedule import following


def at(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("expression", "now", "expected"),
    [
        ("rate(1 minute)", "2024-05-01 12:00", "2024-05-01 12:01"),
        ("rate(7 days)", "2024-05-01 12:00", "2024-05-08 12:00"),
        ("cron(0 12 * * ? *)", "2024-05-01 12:00", "2024-05-02 12:00"),
        ("cron(0/15 * * * ? *)", "2024-05-01 12:16", "2024-05-01 12:30"),
        ("cron(30 8 ? * MON-FRI *)", "2024-05-03 09:00", "2024-05-06 08:30"),
        ("cron(0 0 L * ? *)", "2024-02-01 00:00", "2024-02-29 00:00"),
        ("cron(0 0 LW * ? *)", "2024-03-01 00:00", "2024-03-29 00:00"),
        ("cron(0 0 1W 6 ? *)", "2024-05-01 00:00", "2024-06-03 00:00"),
        ("cron(0 0 ? * 6L *)", "2024-05-01 00:00", "2024-05-31 00:00"),
        ("cron(0 0 ? * 2#1 *)", "2024-05-07 00:00", "2024-06-03 00:00"),
        ("cron(0 18 1,15 JAN,JUL ? 2025)", "2024-05-01 00:00", "2025-01-01 18:00"),
    ],
)
def test_the_next_time(expression: str, now: str, expected: str) -> None:
    assert following(expression, at(now)) == at(expected)


def test_a_time_that_never_comes() -> None:
    assert following("cron(0 0 1 1 ? 2020)", at("2024-05-01 00:00")) is None


@pytest.mark.parametrize(
    "expression",
    [
        "", "rate(0 minutes)", "rate(1 minutes)", "rate(2 minute)", "rate(x)", "cron()", "cron(* * * * *)",
        "cron(0 12 * * * *)", "cron(0 12 ? * ? *)", "cron(60 0 * * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 ? * 8 *)",
        "cron(0 0 0W * ? *)", "cron(0 0 ? * 2#6 *)", "cron(0/0 0 * * ? *)", "cron(a b c d e f)", "at(2024-01-01)",
    ],
)  # fmt: skip
def test_what_is_no_schedule(expression: str) -> None:
    with pytest.raises(Invalid):
        following(expression, 0.0)
