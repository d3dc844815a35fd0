"""Requests that have come together, predicted as one.

Only for default handlers and models in which a row's prediction has nothing to do with the rows beside it. No timer: a
request never waits for others. Whatever is not plain, and whatever fails, is answered request by request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .arrays import LONG, PLAIN_NUMBERS, many_rows
from .formats import CSV, media_type
from .transport import Message

_MOST_BYTES = 1 << 16  # of bodies in one batch: larger ones gain nothing by company


class Batch(NamedTuple):
    """How a framework's defaults predict many rows. ``rows`` reads one body as a two-dimensional array (None: it is
    nothing plain), ``check`` says whether such rows are the model's; ``predict`` and ``answer`` (from the predictions
    of one request and what it accepts) are those of a single request."""

    rows: Callable[[bytes, str], Any]
    check: Callable[[Any], bool]
    predict: Callable[[Any], Any]
    answer: Callable[[Any, str], Message]


def groups(requests: list[Message]) -> Iterator[list[Message]]:
    """The requests in their order, cut where the formats change or there is enough for one batch."""
    group: list[Message] = []
    size = 0
    for request in requests:
        size += len(request.body)
        same = group and (group[0].content_type, group[0].accept) == (request.content_type, request.accept)
        if group and (not same or size > _MOST_BYTES):
            yield group
            group, size = [], len(request.body)
        group.append(request)
    if group:
        yield group


def together(requests: list[Message], batch: Batch) -> list[Message] | None:
    """The answers to requests of one format, or None: they have to be answered one by one."""
    content_type, accept = requests[0].content_type, requests[0].accept
    bodies = [request.body for request in requests]
    found = _lines(bodies) if media_type(content_type) == CSV else _arrays(bodies, content_type, batch)
    if found is None or not batch.check(found[0]):
        return None
    rows, counts = found
    predictions = batch.predict(rows)
    if len(predictions) != len(rows):
        return None
    answers, start = [], 0
    for count in counts:
        answers.append(batch.answer(predictions[start : start + count], accept))
        start += count
    return answers


def _lines(bodies: list[bytes]) -> tuple[Any, list[int]] | None:
    """All rows of CSV bodies of plain numbers, and how many each has."""
    bodies = [body.strip(b"\n") for body in bodies]
    text = b"\n".join(bodies)
    if text.translate(None, PLAIN_NUMBERS):
        return None
    counts = [body.count(b"\n") + 1 for body in bodies]
    if len(text) > LONG:
        rows = many_rows(text.decode("ascii"))
        return None if rows is None else (rows, counts)
    try:
        rows = np.array(json.loads(b"[[" + text.replace(b"\n", b"],[") + b"]]"), dtype=np.float64)
    except ValueError:  # an empty body, "1." and the like, rows of unequal length
        return None
    return rows, counts


def _arrays(bodies: list[bytes], content_type: str, batch: Batch) -> tuple[Any, list[int]] | None:
    arrays = [batch.rows(body, content_type) for body in bodies]
    if any(a is None or getattr(a, "ndim", 0) != 2 or a.dtype.kind not in "fiub" for a in arrays):
        return None
    if len({(a.dtype, a.shape[1]) for a in arrays}) > 1:
        return None
    return np.concatenate(arrays), [len(a) for a in arrays]
