"""What targets get instead of the whole event."""

import json

import pytest

from selfmaker.events import paths

EVENT = {"source": "my.app", "detail": {"who": 'me "too"', "n": 2, "list": ["a", {"b": 1}]}}
PATHS = {"who": "$.detail.who", "n": "$.detail.n", "list": "$.detail.list", "src": "$.source", "no": "$.detail.no"}


@pytest.mark.parametrize(
    ("template", "given"),
    [
        ('{"t": "<who>"}', {"t": 'me "too"'}),
        ('{"t": <who>}', {"t": 'me "too"'}),
        ('{"t": "<who> at <src>"}', {"t": 'me "too" at my.app'}),  # at the beginning of a text
        ('{"t": "from <src>"}', {"t": "from my.app"}),  # at its end
        ('{"t": "<src><n>"}', {"t": "my.app2"}),
        ('{"t": "\\"<src>\\""}', {"t": '"my.app"'}),
        ('{"a": <n>, "b": <list>, "c": "<list>"}', {"a": 2, "b": ["a", {"b": 1}], "c": '["a", {"b": 1}]'}),
        ('{"no": <no>, "text": "-<no>-"}', {"no": "", "text": "--"}),
        ('"<who> of <aws.events.rule-name>"', 'me "too" of r'),
        ('["<src>", <src>]', ["my.app", "my.app"]),
    ],
)
def test_a_template_is_filled(template: str, given: object) -> None:
    target = {"InputTransformer": {"InputPathsMap": PATHS, "InputTemplate": template}}
    assert json.loads(paths.payload(target, EVENT, {"aws.events.rule-name": "r"})) == given
