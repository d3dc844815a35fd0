"""Single values on the wire."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfmaker.aws.protocols import scalars
from selfmaker.aws.protocols.scalars import MalformedError


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1700000000, 1700000000.0),
        (1700000000.25, 1700000000.25),
        ("1700000000", 1700000000.0),
        ("1700000000.5", 1700000000.5),
        ("2023-11-14T22:13:20Z", 1700000000.0),
        ("2023-11-14T22:13:20.123Z", 1700000000.123),
        ("2023-11-14T23:13:20+01:00", 1700000000.0),
        ("2023-11-14", 1699920000.0),
        ("20231114T221320Z", 1700000000.0),
        ("Tue, 14 Nov 2023 22:13:20 GMT", 1700000000.0),
        ("2023-11-14 22:13:20", 1700000000.0),
        ("2023-11-14T22:13:20", 1700000000.0),
        (-1, -1.0),
        ("1969-12-31T23:59:59Z", -1.0),
        ("20231114", 20231114.0),
    ],
)
def test_timestamps(value, seconds):
    assert scalars.timestamp(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "2023-13-01",
        "2023-02-30T00:00:00Z",
        1e300,
        math.nan,
        math.inf,
        True,
        [],
        "9" * 400,
        "inf",
        "1e999",
    ],
)
def test_no_timestamps(value):
    with pytest.raises(MalformedError):
        scalars.timestamp(value)


@given(st.text())
def test_any_text_is_a_timestamp_or_refused(text):
    try:
        scalars.timestamp(text)
    except MalformedError:
        return


@given(st.floats(0, 253402300799))
def test_timestamps_survive_each_format(seconds):
    for form in ("iso8601", "unixTimestamp"):
        assert scalars.timestamp(scalars.format_timestamp(seconds, form)) == pytest.approx(seconds, abs=0.0006)
    assert scalars.timestamp(scalars.format_timestamp(seconds, "rfc822")) == int(seconds)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "12", 12),
        ("integer", " -1 ", -1),
        ("long", "9007199254740993", 9007199254740993),
        ("boolean", "TRUE", True),
        ("boolean", "0", False),
        ("double", "1e3", 1000.0),
        ("float", "-Infinity", -math.inf),
        ("string", " x ", " x "),
        ("blob", "YWI=", b"ab"),
    ],
)
def test_from_text(kind, text, value):
    assert scalars.from_text(SimpleNamespace(type_name=kind), text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", ""),
        ("integer", "1.0"),
        ("integer", "2147483648"),
        ("integer", "1_0"),
        ("integer", "٣"),
        ("long", "9" * 30),
        ("boolean", "yes"),
        ("double", "x"),
        ("blob", "%"),
        ("structure", "x"),
    ],
)
def test_not_from_text(kind, text):
    with pytest.raises(MalformedError):
        scalars.from_text(SimpleNamespace(type_name=kind), text)
