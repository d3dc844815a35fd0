"""What a container says of batch transform, against what the request says."""

import json

import pytest

from selfmaker.transform.execution_parameters import left_open, wanted
from selfmaker.transform.kind import sending
from selfmaker.transform.splitting import MEGABYTE, MULTI_RECORD, SINGLE_RECORD

EVERYTHING = json.dumps({"MaxConcurrentTransforms": 8, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 2}).encode()


def document(**members):
    return {"TransformInput": {}, "TransformOutput": {}, **members}


def test_all_that_the_request_leaves_open_is_the_container_s():
    request = document()
    given = wanted(sending(request, 1), left_open(request), EVERYTHING)
    assert (given.concurrency, given.limit, given.strategy) == (8, 2 * MEGABYTE, SINGLE_RECORD)
    assert given.timeout == 8 / 2 * sending(request, 1).timeout  # each waits for those before it


def test_the_request_goes_first():
    request = document(MaxConcurrentTransforms=3, MaxPayloadInMB=0, BatchStrategy="MultiRecord")
    assert left_open(request) == ()
    before = sending(request, 1)
    assert wanted(before, left_open(request), EVERYTHING) == before
    assert left_open(document(MaxConcurrentTransforms=0, MaxPayloadInMB=1)) == (
        "MaxConcurrentTransforms",
        "BatchStrategy",
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[1]",
        b"{}",
        b'{"MaxConcurrentTransforms": "8", "MaxPayloadInMB": -1, "BatchStrategy": "ALL"}',
        b'{"MaxConcurrentTransforms": 0, "MaxPayloadInMB": true}',
    ],
)
def test_what_makes_no_sense_changes_nothing(body):
    request = document()
    before = sending(request, 2)
    assert wanted(before, left_open(request), body) == before
    assert before.strategy == MULTI_RECORD
