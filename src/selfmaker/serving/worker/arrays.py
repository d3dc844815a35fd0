"""Requests to arrays and predictions to responses, for the content types that the frameworks' containers know.

Parsing is where the time of a small prediction goes: numbers in CSV are read by the JSON parser (3 us a row against
160 for NumPy's own reader), everything else by the csv module.
"""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from . import arrow_csv
from .formats import CSV, JSON, JSON_LINES, NPY, NPZ, UnsupportedFormatError, json_bytes, media_type

PLAIN_NUMBERS = b"0123456789+-.eE, \t\n"
LONG = 4096  # characters from which another reader is faster
_ARROW = arrow_csv.Reader()


def csv_rows(text: str, delimiter: str = ",") -> Any:
    """A two-dimensional array: of float64 when every cell is a plain number, else of text."""
    fast = _numeric_rows(text, delimiter)
    if fast is not None:
        return fast
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, quotechar='"', doublequote=True, strict=True)
    rows = [row for row in reader if row]
    return _rectangle(rows)


def _numeric_rows(text: str, delimiter: str) -> Any:
    text = text.strip("\r\n")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if delimiter != "," or not text.isascii() or text.encode("ascii").translate(None, PLAIN_NUMBERS):
        return None
    if len(text) > LONG:
        return many_rows(text)
    try:
        return np.array(json.loads("[[" + text.replace("\n", "],[") + "]]"), dtype=np.float64)
    except ValueError:  # an empty cell, "1.", ".5", "+1" or "01", an empty line, or rows of unequal length
        return None


def many_rows(text: str) -> Any:
    """The rows of a long text of nothing but plain numbers, at half the cost of the JSON parser: by NumPy's own reader,
    held to have read everything, or by PyArrow's. None where they have not."""
    rows = _ARROW.rows(text)
    if rows is not None:
        return rows
    lines = text.split("\n")
    width = lines[0].count(",") + 1
    if any(line.count(",") + 1 != width for line in lines):
        return None
    with warnings.catch_warnings():  # it warns where it stops early
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            values = np.fromstring(",".join(lines), dtype=np.float64, sep=",")
        except ValueError:
            return None
    return values.reshape(-1, width) if len(values) == len(lines) * width else None


def _rectangle(rows: list[list[str]]) -> Any:
    if len({len(row) for row in rows}) > 1:
        widths = sorted({len(row) for row in rows})
        raise ValueError(f"the rows of the CSV body differ in length: {widths[0]} to {widths[-1]} columns")
    return np.array(rows)


def decode(body: Any, content_type: str) -> Any:
    """An array from a request's body (text or bytes). Raises UnsupportedFormatError."""
    decoder = _DECODERS.get(media_type(content_type))
    if decoder is None:
        raise UnsupportedFormatError(content_type)
    return decoder(body)


def _as_text(body: Any) -> str:
    return body if isinstance(body, str) else bytes(body).decode("utf-8")


def csv_body(body: Any) -> Any:
    """The rows of a CSV body (text or bytes), in two dimensions."""
    return csv_rows(_as_text(body))


def _decode_csv(body: Any) -> Any:
    return csv_body(body).squeeze()


def _decode_json(body: Any) -> Any:
    return np.array(json.loads(body))


def json_lines(body: Any) -> list[Any]:
    """The values of a JSON Lines body."""
    return [json.loads(line) for line in _as_text(body).splitlines() if line.strip()]


def _decode_json_lines(body: Any) -> Any:
    return np.array(json_lines(body))


def _decode_npy(body: Any) -> Any:
    return np.load(io.BytesIO(body), allow_pickle=True)


def _decode_npz(body: Any) -> Any:
    import scipy.sparse

    return scipy.sparse.load_npz(io.BytesIO(body))


_DECODERS: dict[str, Callable[[Any], Any]] = {
    JSON: _decode_json,
    CSV: _decode_csv,
    JSON_LINES: _decode_json_lines,
    NPY: _decode_npy,
    NPZ: _decode_npz,
}


def encode(prediction: Any, accept: str) -> tuple[bytes, str]:
    """A prediction's bytes and their content type, in the first type of an Accept header that is known.

    Raises UnsupportedFormatError.
    """
    for choice in accept.split(","):
        encoder = _ENCODERS.get(media_type(choice))
        if encoder is not None:
            return encoder(prediction), choice.partition(";")[0].strip()
    raise UnsupportedFormatError(accept)


def _encode_json_lines(prediction: Any) -> bytes:
    rows = prediction.tolist() if hasattr(prediction, "tolist") else prediction
    return b"".join(json_bytes(row) + b"\n" for row in rows)


def _encode_csv(prediction: Any) -> bytes:
    array = np.asarray(prediction)
    if array.ndim == 0:
        array = array.reshape(1, 1)
    elif array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.dtype.kind in "fiub":
        if array.shape[1] == 1:
            lines = list(map(str, _printable(array[:, 0])))
        else:
            lines = [",".join(map(str, row)) for row in _printable(array)]
        return ("\n".join(lines) + "\n").encode("utf-8") if lines else b""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(array.tolist())
    return stream.getvalue().encode("utf-8")


def _printable(array: Any) -> Any:
    """Rows whose elements print with the digits that their own type has (a float32 0.1 is ``0.1``)."""
    return array.tolist() if array.dtype not in (np.float32, np.float16) else list(array)


def _encode_npy(prediction: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, prediction)
    return buffer.getvalue()


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    JSON: json_bytes,
    CSV: _encode_csv,
    JSON_LINES: _encode_json_lines,
    NPY: _encode_npy,
}
