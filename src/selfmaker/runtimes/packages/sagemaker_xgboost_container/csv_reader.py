"""CSV as XGBoost's container means it: numbers only, no header, the label first."""

from __future__ import annotations

import csv
import logging
import os

import numpy as np
from sagemaker_algorithm_toolkit.exceptions import UserError

from sagemaker_xgboost_container.tables import Table

_DELIMITERS = (",", "\t", ";", "|", " ")
_MISSING = {
    "",
    "na",
    "n/a",
    "nan",
    "null",
    "none",
    "#n/a",
    "<na>",
    "-nan",
    "#na",
    "1.#ind",
    "1.#qnan",
    "-1.#ind",
    "-1.#qnan",
}


def read(path: str, weighted: bool) -> Table:
    """``weighted``: the second column is the rows' weights. Raises UserError naming file and line."""
    import pandas

    delimiter = sniff(path)
    logging.info("Determined delimiter of CSV input is '%s'", delimiter)
    try:
        frame = pandas.read_csv(path, header=None, sep=delimiter, dtype=np.float32, encoding="utf-8-sig")
    except (ValueError, OverflowError, UnicodeDecodeError) as error:  # ParserError is a ValueError
        raise _explained(path, delimiter) or UserError(f"File '{_name(path)}' is not CSV: {error}") from None
    values = frame.to_numpy()
    first = 2 if weighted else 1
    if values.shape[1] <= first:
        raise UserError(
            f"File '{_name(path)}' has {values.shape[1]} column(s): the label"
            + (", the weight" if weighted else "")
            + " and at least one feature are needed."
        )
    # A row that is too short comes as one with missing values at its end.
    if np.isnan(values[:, -1]).any() or np.isnan(values[:, 0]).any():
        wrong = _explained(path, delimiter)
        if wrong is not None:
            raise wrong
    return Table(values[:, first:], values[:, 0], values[:, 1] if weighted else None)


def sniff(path: str) -> str:
    """The delimiter, from the first line that is not blank."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        line = next((line.strip("\r\n") for line in file if line.strip()), "")
    counts = {delimiter: line.strip(" ").count(delimiter) for delimiter in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda delimiter: (counts[delimiter] > 0, delimiter != " ", counts[delimiter]))
    if not counts[best]:
        raise UserError(
            f"Could not determine delimiter on line '{line[:50]}' of file '{_name(path)}'. "
            "A CSV file needs the label and at least one feature in each line."
        )
    return best


def _explained(path: str, delimiter: str) -> UserError | None:
    """The first thing wrong with the file, found the slow way."""
    name, width = _name(path), 0
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        for row in reader:
            if not row:
                continue
            line, bad = reader.line_num, [field for field in row if not _is_number(field)]
            if bad and not width and len(bad) == len(row):
                return UserError(
                    f"File '{name}' begins with a header ('{row[0]}', ...). CSV must have no header record."
                )
            if bad:
                return UserError(f"File '{name}', line {line}: '{bad[0][:50]}' is not a number.")
            width = width or len(row)
            if len(row) != width:
                return UserError(f"File '{name}', line {line} has {len(row)} columns, the first line has {width}.")
            if row[0].strip().lower() in _MISSING:
                return UserError(f"File '{name}', line {line} has no label. The label must be in the first column.")
    return None


def _is_number(text: str) -> bool:
    if text.strip().lower() in _MISSING:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _name(path: str) -> str:
    return os.path.basename(path)
