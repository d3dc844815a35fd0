"""What the container makes of a request of each content type: the body of a request to TensorFlow Serving.

A body that names instances, inputs or examples is one already. Any other JSON is one instance, or several where it is
an array of arrays or several values one after the other; each line of CSV is an instance.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

from .. import formats
from ..handlers import RequestError

_KEYS = ("instances", "inputs", "examples")
_JSON_TYPES = (formats.JSON, formats.JSON_LINES, "application/jsons")
_STARTS_AS_JSON = re.compile(r'\s*["\d.+-]')


def request_of(body: bytes, content_type: str) -> dict[str, Any]:
    """The request that ``body`` means. Raises RequestError: 415 for an unknown type, 400 for what cannot be read."""
    kind = formats.media_type(content_type or formats.JSON)
    if kind not in (*_JSON_TYPES, formats.CSV):
        raise RequestError(415, f"Unsupported Media Type: {content_type}")
    try:
        text = body.decode("utf-8")
        return {"instances": _csv_instances(text)} if kind == formats.CSV else _json_request(text)
    except (ValueError, RecursionError, csv.Error) as error:
        raise RequestError(400, f"JSON Parse error: {error}") from None


def parse(body: bytes) -> dict[str, Any]:
    """The request in a body that is one already. Raises RequestError."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"JSON Parse error: {error}") from None
    if not isinstance(value, dict):
        raise RequestError(400, "JSON Parse error: the request must be an object")
    return value


def _json_request(text: str) -> dict[str, Any]:
    values = _values(text)
    if len(values) != 1:
        return {"instances": values}
    value = values[0]
    if isinstance(value, dict) and any(key in value for key in _KEYS):
        return value
    several = isinstance(value, list) and bool(value) and isinstance(value[0], list)
    return {"instances": value if several else [value]}


def _values(text: str) -> list[Any]:
    """The values of a text of JSON, of JSON Lines, or of values with nothing but space between."""
    decoder = json.JSONDecoder()
    values: list[Any] = []
    text = text.strip()
    while text or not values:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].lstrip()
    return values


def _csv_instances(text: str) -> list[Any]:
    """Numbers, or text where a cell is none; a line of one cell is that cell rather than a list."""
    text = text.strip().replace("\r\n", "\n")
    if not text:
        raise ValueError("the body is empty")
    try:
        rows: list[Any] = json.loads("[[" + text.replace("\n", "],[") + "]]")
    except ValueError:
        numbers = _STARTS_AS_JSON.match(text) is not None
        lines = csv.reader(io.StringIO(text), skipinitialspace=True, strict=True)
        rows = [[_cell(cell) if numbers else cell for cell in line] for line in lines if line]
    return [row[0] if len(row) == 1 else row for row in rows]


def _cell(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text
