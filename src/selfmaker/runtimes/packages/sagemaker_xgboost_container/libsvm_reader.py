"""libsvm as XGBoost reads it: ``label[:weight] [qid:n] index:value ...``, the indices as they are written."""

from __future__ import annotations

import io
import os
import re
import warnings
from typing import Any

import numpy as np
from sagemaker_algorithm_toolkit.exceptions import UserError

from sagemaker_xgboost_container.tables import Table

_COLON, _NEWLINE, _SPACE, _TAB = ord(":"), ord("\n"), ord(" "), ord("\t")
_BLANK = (_NEWLINE, _SPACE, _TAB)
_LARGE = 1 << 16
_NUMBER = rb"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf|NaN|Inf)"
_LINE = re.compile(rb"(%s)(?::(%s))?(?:\s+qid:(\d+))?((?:\s+\d+:%s)*)\s*" % (_NUMBER, _NUMBER, _NUMBER))


def read(path: str) -> Table:
    """Raises UserError naming file and line."""
    with open(path, "rb") as file:
        return parse(file.read(), os.path.basename(path))


def parse(data: bytes, name: str) -> Table:
    """As ``read``, of bytes that errors call ``name``."""
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    table = None if b"#" in data or b"qid:" in data or not data.strip() else _plain(data)
    return table if table is not None else _line_by_line(data, name)


def _plain(data: bytes) -> Table | None:
    """All numbers of the file in one go, or None where there is more in it than labels and index:value pairs."""
    if b"\n\n" in data or b"\r" in data or data.startswith(b"\n"):
        data = b"\n".join(line for line in data.splitlines() if line.strip())
    if not data.endswith(b"\n"):
        data += b"\n"
    shape = _shape(data)
    if shape is None:
        return None
    numbers = _numbers(data.replace(b":", b" "))
    if numbers is None:
        return None
    if len(numbers) != len(shape) + 2 * int(shape.sum()):
        return None
    is_label = np.zeros(len(numbers), dtype=bool)
    is_label[np.cumsum(1 + 2 * shape) - (1 + 2 * shape)] = True
    pairs = numbers[~is_label]
    indices, values = pairs[0::2], pairs[1::2]
    if len(indices) and ((indices < 0).any() or (indices != np.floor(indices)).any()):
        return None
    return _table(numbers[is_label], indices, values, np.concatenate([[0], np.cumsum(shape)]))


def _numbers(text: bytes) -> Any:
    """The numbers in a text, or None where there is anything else in it. From some size on, pandas is four times as
    fast as NumPy."""
    try:
        if len(text) < _LARGE:
            with warnings.catch_warnings():
                warnings.simplefilter("error", DeprecationWarning)  # given where a text is not all numbers
                return np.fromstring(text, sep=" ", dtype=np.float64)
        import pandas

        lines = io.BytesIO(text.replace(b" ", b"\n").replace(b"\t", b"\n"))
        missing = {"keep_default_na": False, "na_values": ["nan", "NaN"]}
        return pandas.read_csv(lines, header=None, dtype=np.float64, **missing)[0].to_numpy()
    except (DeprecationWarning, ValueError):
        return None


def _shape(data: bytes) -> Any:
    """How many pairs each line has, or None unless each line is a label without a weight and then pairs."""
    raw = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(raw == _NEWLINE)
    colons = np.flatnonzero(raw == _COLON)
    blanks = np.flatnonzero((raw == _SPACE) | (raw == _TAB) | (raw == _NEWLINE))
    starts = np.concatenate([[0], ends[:-1] + 1])
    before = np.searchsorted(blanks, colons)  # the word, by the blanks before it, that a colon is in
    if (np.diff(before) == 0).any() or np.isin(raw[starts], (_SPACE, _TAB)).any():
        return None
    if len(colons) and (np.isin(raw[colons + 1], _BLANK).any() or np.isin(raw[colons - 1], _BLANK).any()):
        return None
    counts = np.searchsorted(colons, ends)
    first = np.append(colons, len(raw))[np.searchsorted(colons, starts)]
    if (first < blanks[np.searchsorted(blanks, starts)]).any():
        return None
    return np.diff(np.concatenate([[0], counts]))


def _line_by_line(data: bytes, name: str) -> Table:
    labels, weights, queries = [], [], []
    indices: list[float] = []
    values: list[float] = []
    starts = [0]
    for number, line in enumerate(data.split(b"\n"), 1):
        text = line.partition(b"#")[0].strip()
        if not text:
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise _malformed(text, name, number)
        labels.append(float(match.group(1)))
        weights.append(match.group(2))
        queries.append(match.group(3))
        for pair in match.group(4).split():
            index, _, value = pair.partition(b":")
            indices.append(int(index))
            values.append(float(value))
        starts.append(len(values))
    table = _table(np.array(labels), np.array(indices), np.array(values), np.array(starts))
    table.weights = _all_or_none(weights, name, "an instance weight", np.float32)
    table.queries = _all_or_none(queries, name, "a qid", np.int64)
    return table


def _table(labels: Any, indices: Any, values: Any, starts: Any) -> Table:
    from scipy.sparse import csr_matrix

    width = int(indices.max()) + 1 if len(indices) else 1
    parts = (values.astype(np.float32), indices.astype(np.int32), starts)
    return Table(csr_matrix(parts, shape=(len(labels), width)), labels.astype(np.float32))


def _all_or_none(found: list[bytes | None], name: str, what: str, kind: Any) -> Any:
    if not any(item is not None for item in found):
        return None
    if None in found:
        raise UserError(f"File '{name}': some lines have {what} and some have none.")
    return np.array([float(item or 0) for item in found]).astype(kind)


def _malformed(text: bytes, name: str, number: int) -> UserError:
    line = text.decode("utf-8", "replace")[:50]
    which = "First line" if number == 1 else f"Line {number}"
    hint = ' If it is CSV, set the channel\'s ContentType to "text/csv".' if "," in line and ":" not in line else ""
    return UserError(
        f"{which} '{line}...' of file '{name}' is not 'LIBSVM' format. "
        f"Please ensure the file is in 'LIBSVM' format.{hint}"
    )
