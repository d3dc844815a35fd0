from datetime import datetime, timezone

import pytest

from selfmaker.errors import Invalid
from selfmaker.events.clockwork import next_time


def at(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=timezone.utc).timestamp()


NOW = at("2024-05-01 12:00")


@pytest.mark.parametrize(
    ("document", "last", "expected"),
    [
        ({"ScheduleExpression": "rate(1 hour)"}, None, "2024-05-01 12:00"),
        ({"ScheduleExpression": "rate(1 hour)", "StartDate": at("2024-05-02 00:00")}, None, "2024-05-02 00:00"),
        ({"ScheduleExpression": "rate(1 hour)", "StartDate": at("2024-05-01 09:30")}, None, "2024-05-01 12:30"),
        ({"ScheduleExpression": "rate(1 hour)"}, "2024-05-01 12:00", "2024-05-01 13:00"),
        ({"ScheduleExpression": "rate(1 hour)"}, "2024-05-01 08:30", "2024-05-01 12:30"),
        ({"ScheduleExpression": "rate(1 hours)"}, "2024-05-01 12:00", "2024-05-01 13:00"),
        ({"ScheduleExpression": "rate(1 day)", "EndDate": at("2024-05-01 20:00")}, "2024-05-01 11:00", None),
        ({"ScheduleExpression": "at(2024-06-01T08:00:00)"}, None, "2024-06-01 08:00"),
        ({"ScheduleExpression": "at(2024-06-01T08:00:00)"}, "2024-06-01 08:00", None),
        ({"ScheduleExpression": "cron(0 9 * * ? *)", "ScheduleExpressionTimezone": "Europe/Berlin"}, None,
         "2024-05-02 07:00"),
        ({"ScheduleExpression": "cron(0 9 * * ? *)", "StartDate": at("2024-05-10 09:00")}, None, "2024-05-10 09:00"),
    ],
)  # fmt: skip
def test_the_next_time_of_a_schedule(document: dict, last: str | None, expected: str | None) -> None:
    found = next_time(document, NOW, at(last) if last else None)
    assert found == (at(expected) if expected else None)


@pytest.mark.parametrize(
    "document",
    [
        {"ScheduleExpression": "at(tomorrow)"},
        {"ScheduleExpression": "rate(5 seconds)"},
        {"ScheduleExpression": "rate(1 hour)", "ScheduleExpressionTimezone": "Nowhere/Town"},
        {"ScheduleExpression": "rate(1 hour)", "ScheduleExpressionTimezone": "../../etc/passwd"},
    ],
)
def test_what_is_no_schedule(document: dict) -> None:
    with pytest.raises(Invalid):
        next_time(document, NOW, None)
