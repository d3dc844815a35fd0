"""Filter patterns, by the examples of AWS's documentation and beyond."""

import pytest

from selfmaker.errors import Invalid
from selfmaker.logs.filter_pattern import compiled

ACCESS = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
EVENT = (
    '{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"], '
    '"objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "ThisFlag": true, '
    '"user": {"id": 1, "email": "John.Stiles@example.com"}, "latency": 0.5, "key.with.dot": "x"}'
)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "anything", True),
        ("ERROR", "[ERROR 400] BAD REQUEST", True),
        ("ERROR", "error", False),
        ("ERROR ARGUMENTS", "ERROR MISSING ARGUMENTS", True),
        ("ERROR ARGUMENTS", "ERROR 401", False),
        ("?ERROR ?WARN", "WARN x", True),
        ("?ERROR ?WARN", "INFO x", False),
        ("?ERROR INFO", "INFO x", True),
        ("ERROR -EXITING", "ERROR EXITING", False),
        ("ERROR -EXITING", "ERROR x", True),
        ("-EXITING", "fine", True),
        ('"INTERNAL SERVER ERROR"', "500 INTERNAL SERVER ERROR", True),
        ('"INTERNAL SERVER ERROR"', "INTERNAL ERROR SERVER", False),
        (r'"say \"hi\""', 'they say "hi"', True),
        ("%ERROR[0-9]+%", "x ERROR42", True),
        ("%^ERROR%", "x ERROR", False),
        ('{ $.eventType = "UpdateTrail" }', EVENT, True),
        ('{ $.eventType = "Update*" }', EVENT, True),
        ('{ $.eventType != "UpdateTrail" }', EVENT, False),
        ("{ $.sourceIPAddress != 123.123.* }", EVENT, True),
        ("{ $.sourceIPAddress = 111.111.* }", EVENT, True),
        ('{ $.arrayKey[0] = "value" }', EVENT, True),
        ('{ $.arrayKey[*] = "another value" }', EVENT, True),
        ("{ $.objectList[1].id = 2 }", EVENT, True),
        ("{ $.objectList[7].id = 2 }", EVENT, False),
        ("{ $.SomeObject IS NULL }", EVENT, True),
        ("{ $.Nothing NOT EXISTS }", EVENT, True),
        ("{ $.eventType NOT EXISTS }", EVENT, False),
        ("{ $.ThisFlag IS TRUE }", EVENT, True),
        ("{ $.ThisFlag IS FALSE }", EVENT, False),
        ("{ $.latency >= 0.5 && $.latency < 1 }", EVENT, True),
        ("{ $.latency > 0.5 }", EVENT, False),
        ("{ ($.user.id = 1) && ($.user.email = nobody || $.latency = 0.50) }", EVENT, True),
        ("{ $.user.email = %John.*com% }", EVENT, True),
        ('{ $.["key.with.dot"] = x }', EVENT, True),
        ("{ $['key.with.dot'] = x }", EVENT, True),
        ('{ $.eventType = "x" }', "not json", False),
        ('{ $.eventType = "x" }', "[1]", False),
        ("[ip, user, timestamp, request, status_code = 404, bytes]", ACCESS, False),
        ("[ip, id, user, timestamp, request, status_code = 404, bytes]", ACCESS, True),
        ("[ip, id, user, timestamp, request, status_code = 4*, bytes > 1000]", ACCESS, True),
        ("[ip, id, user, timestamp, request, status_code = 4*, bytes > 2000]", ACCESS, False),
        ("[..., status_code = 404 || status_code = 410, bytes]", ACCESS, True),
        ('[ip, ..., request = "*index*", s, b]', ACCESS, True),
        ("[w1=ERROR, w2]", "ERROR once", True),
        ("[w1=ERROR, w2]", "ERROR once more", False),
    ],
)
def test_matches(pattern, text, expected):
    assert compiled(pattern)(text) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        '"open', "{ $.a = 1", "{ $.a }", "{ a = 1 }", "{ $.a = }", "{ $.a > x }", "{ $.a = 1 && }", "{ }",
        "{ ($.a = 1 }", "{ " + "(" * 500 + "$.a = 1" + ")" * 500 + " }", "%(a)%", "%[%",
        "{ $.a = %(x)% }", "[..., ...]", "{ $.a IS MAYBE }", "%a{99999999999999999999}%",
    ],
)  # fmt: skip
def test_a_pattern_that_makes_no_sense_is_invalid(pattern):
    with pytest.raises(Invalid, match="Invalid filter pattern"):
        compiled(pattern)
