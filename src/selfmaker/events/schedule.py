"""Schedule expressions: ``rate(5 minutes)``, ``cron(0 12 ? * MON-FRI *)`` and, for schedules, ``at(...)``."""

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo

from selfmaker.errors import Invalid

_RATE = re.compile(r"rate\((\d{1,6}) (minute|minutes|hour|hours|day|days)\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_FARTHEST_DAYS = 366 * 10
_LAST_YEAR = 2199


def following(expression: str, now: float, zone: tzinfo = timezone.utc) -> float | None:
    """The next moment after ``now`` (seconds since the epoch); None when there is none in ten years. Raises Invalid.

    ``zone`` is where the clock hangs that cron means.
    """
    interval = seconds(expression)
    if interval is not None:
        return now + interval
    if expression.startswith("cron(") and expression.endswith(")"):
        return Cron.parse(expression[5:-1]).following(now, zone)
    raise _invalid()


def seconds(expression: str, strict: bool = True) -> float | None:
    """The interval of a rate; None for what is none. Raises Invalid.

    ``strict``: one of a unit must be in the singular, more in the plural, as EventBridge's rules want it. Its
    Scheduler takes either.
    """
    rate = _RATE.fullmatch(expression)
    if rate is None:
        return None
    count, unit = int(rate[1]), rate[2]
    if count == 0 or (strict and (count == 1) == unit.endswith("s")):
        raise _invalid()
    return float(count * _SECONDS[unit.rstrip("s")])


def once(expression: str, zone: tzinfo) -> float | None:
    """The moment of an ``at(2024-05-01T12:00:00)``; None for another expression. Raises Invalid."""
    if not expression.startswith("at("):
        return None
    try:
        moment = datetime.strptime(expression, "at(%Y-%m-%dT%H:%M:%S)")
    except ValueError:
        raise _invalid() from None
    return moment.replace(tzinfo=zone).timestamp()


@dataclass(frozen=True)
class Cron:
    """The six fields: which minutes, hours, months and years; days of the month and of the week as they are written."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: str
    months: frozenset[int]
    weekdays: str
    years: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> "Cron":
        fields = text.upper().split()
        if len(fields) != 6 or (fields[2] == "?") == (fields[4] == "?"):
            raise _invalid()
        cron = cls(
            _numbers(fields[0], 0, 59),
            _numbers(fields[1], 0, 23),
            fields[2],
            _numbers(fields[3], 1, 12, _MONTHS),
            fields[4],
            _numbers(fields[5], 1970, _LAST_YEAR),
        )
        cron._fits(date(2024, 1, 1))  # raises for days that are none
        return cron

    def following(self, now: float, zone: tzinfo = timezone.utc) -> float | None:
        start = datetime.fromtimestamp(int(now) // 60 * 60 + 60, zone)
        for offset in range(_FARTHEST_DAYS):
            day = start.date() + timedelta(days=offset)
            if day.year > _LAST_YEAR or not self._fits(day):
                continue
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                    if moment >= start:
                        return moment.timestamp()
        return None

    def _fits(self, day: date) -> bool:
        of_month = self.days == "?" or any(_is_day(part, day) for part in self.days.split(","))
        of_week = self.weekdays == "?" or any(_is_weekday(part, day) for part in self.weekdays.split(","))
        return of_month and of_week and day.month in self.months and day.year in self.years


def _is_day(part: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if part == "L":
        return day.day == last
    if part == "LW":
        return day.day == _nearest_weekday(day, last)
    if part.endswith("W"):
        wanted = _single(part[:-1], 31)
        return day.day == _nearest_weekday(day, min(wanted, last))
    return day.day in _numbers(part, 1, 31)


def _nearest_weekday(day: date, wanted: int) -> int:
    last = calendar.monthrange(day.year, day.month)[1]
    weekday = date(day.year, day.month, wanted).weekday()
    if weekday == 5:
        return wanted - 1 if wanted > 1 else 3
    if weekday == 6:
        return wanted + 1 if wanted < last else last - 2
    return wanted


def _is_weekday(part: str, day: date) -> bool:
    today = day.isoweekday() % 7 + 1  # 1 is Sunday
    if "#" in part:
        name, _, nth = part.partition("#")
        wanted, count = _single(name, 7, _DAYS), _single(nth, 5)
        return today == wanted and (day.day - 1) // 7 + 1 == count
    if part.endswith("L"):
        wanted = _single(part[:-1] or "7", 7, _DAYS)
        return today == wanted and day.day + 7 > calendar.monthrange(day.year, day.month)[1]
    return today in _numbers(part, 1, 7, _DAYS)


def _numbers(field: str, least: int, most: int, names: dict[str, int] | None = None) -> frozenset[int]:
    """What ``*``, ``5``, ``1-5``, ``*/15`` and lists of them mean. Raises Invalid."""
    found: set[int] = set()
    for part in field.split(","):
        spread, slash, step = part.partition("/")
        if slash and not (step.isdigit() and int(step) > 0):
            raise _invalid()
        first, dash, last = spread.partition("-")
        if spread == "*":
            low, high = least, most
        else:
            low = _number(first, names)
            high = _number(last, names) if dash else most if slash else low
        if not least <= low <= most or not least <= high <= most:
            raise _invalid()
        span = range(low, high + 1) if low <= high else [*range(low, most + 1), *range(least, high + 1)]
        found |= set(list(span)[:: int(step) if slash else 1])
    return frozenset(found)


def _single(text: str, most: int, names: dict[str, int] | None = None) -> int:
    number = _number(text, names)
    if not 1 <= number <= most:
        raise _invalid()
    return number


def _number(text: str, names: dict[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise _invalid()
    return int(text)


def _invalid() -> Invalid:
    return Invalid("Parameter ScheduleExpression is not valid.")
