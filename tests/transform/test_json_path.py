"""The filters' paths: what they select, and what is no path."""

import pytest

from selfmaker.errors import Invalid
from selfmaker.transform.json_path import JsonPath, NothingThere

ROW = ["a", "b", "c", "d"]
DOCUMENT = {"id": 7, "features": [1, 2, 3], "inner": {"x": {"y": 5}, "z": 6}, "many": [{"v": 1}, {"v": 2}], "o'k": 9}


@pytest.mark.parametrize(
    ("path", "value", "selected"),
    [
        ("$", ROW, ROW),
        ("$[0]", ROW, "a"),
        ("$[-1]", ROW, "d"),
        ("$[1:]", ROW, ["b", "c", "d"]),
        ("$[:2]", ROW, ["a", "b"]),
        ("$[-2:]", ROW, ["c", "d"]),
        ("$[:]", ROW, ROW),
        ("$[0,-1]", ROW, ["a", "d"]),
        ("$[0, 2:]", ROW, ["a", "c", "d"]),
        ("$[*]", ROW, ROW),
        ("$.features", DOCUMENT, [1, 2, 3]),
        ("$['features']", DOCUMENT, [1, 2, 3]),
        ("$[\"inner\"].x['y']", DOCUMENT, 5),
        ("$.['id','features']", DOCUMENT, {"id": 7, "features": [1, 2, 3]}),
        ("$.inner.['x','z']", DOCUMENT, {"x": {"y": 5}, "z": 6}),
        ("$.inner.*", DOCUMENT, [{"y": 5}, 6]),
        ("$.many[*].v", DOCUMENT, [1, 2]),
        ("$.many[0:1].v", DOCUMENT, [1]),
        ("$.features[0,2]", DOCUMENT, [1, 3]),
        ("$['o\\'k']", DOCUMENT, 9),
    ],
)
def test_paths_select(path, value, selected):
    assert JsonPath(path).select(value) == selected


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$[4]", ROW),
        ("$[-5]", ROW),
        ("$[0,9]", ROW),
        ("$[5:]", ROW),
        ("$.x", ROW),
        ("$[0]", DOCUMENT),
        ("$.none", DOCUMENT),
        ("$['id','none']", DOCUMENT),
        ("$.id.*", DOCUMENT),
        ("$[1:]", "text"),
    ],
)
def test_what_is_not_there_is_said(path, value):
    with pytest.raises(NothingThere):
        JsonPath(path).select(value)


@pytest.mark.parametrize(
    "path", ["", "x", "$x", "$.", "$..a", "$[", "$[]", "$[a]", "$['a'", "$['a'x]", "$['a',]", "$[1,'a']", "$[?(@.a)]"]
)
def test_other_texts_are_refused_with_the_path(path):
    with pytest.raises(Invalid, match=r"the path"):
        JsonPath(path)
