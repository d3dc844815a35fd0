"""Lengths of time as ISO 8601 writes them, and as examples of caching have them: ``P30D``, ``PT1H``, ``30d``."""

import re

from selfmaker.errors import Invalid

_DAY = 86400.0
_DURATION = re.compile(
    r"P?(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.IGNORECASE,
)
_SECONDS = {
    "years": 365 * _DAY,
    "months": 30 * _DAY,
    "weeks": 7 * _DAY,
    "days": _DAY,
    "hours": 3600.0,
    "minutes": 60.0,
    "seconds": 1.0,
}


def seconds(text: str) -> float:
    """Raises Invalid for what is no duration."""
    found = _DURATION.fullmatch(text.strip())
    given = {unit: value for unit, value in (found.groupdict() if found else {}).items() if value is not None}
    if not given:
        raise Invalid(f"{text!r} is not an ISO 8601 duration such as P30D or PT12H")
    return sum(float(value) * _SECONDS[unit] for unit, value in given.items())
