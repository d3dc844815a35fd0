"""How a transform job is laid out, where no model need run to see it."""

import pytest

from selfmaker.transform.kind import requests_at_most, sending

MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    ("request_", "sizes", "most"),
    [
        ({}, [1, 1, 1], 3),
        ({}, [], 1),
        ({"TransformInput": {"SplitType": "Line"}, "MaxPayloadInMB": 2}, [1, 5 * MEGABYTE], 4),
        ({"TransformInput": {"SplitType": "Line"}}, [0], 1),
        ({"TransformInput": {"SplitType": "Line"}, "MaxPayloadInMB": 0}, [150 * MEGABYTE, 1], 3),
        ({"TransformInput": {"SplitType": "Line"}, "BatchStrategy": "SingleRecord"}, [1], None),
        ({"TransformInput": {"SplitType": "Line", "CompressionType": "Gzip"}}, [1], None),
    ],
)
def test_no_more_workers_than_requests(request_, sizes, most):
    given = sending({"TransformInput": {}, "TransformOutput": {}, **request_}, workers=2)
    assert requests_at_most(given, sizes) == most
