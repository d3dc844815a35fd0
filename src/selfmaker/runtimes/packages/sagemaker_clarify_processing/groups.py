"""Which rows belong to a facet, and which have the positive label: values that are named, or a threshold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sagemaker_clarify_processing.job import UserError

_CONTINUOUS_FROM = 0.05  # unique values among all
_TRUTH = {"true": "1", "false": "0"}  # in a column of truth values


@dataclass(frozen=True)
class Group:
    """``rows`` are true where the row belongs to it; ``words`` says by which values."""

    words: str
    rows: pd.Series


def is_continuous(column: pd.Series, values: Sequence[Any] | None) -> bool:
    """Whether one value is a threshold: as in AWS's container, for a column of floating-point numbers always, for one
    of integers if many of them differ. A threshold that nothing exceeds is taken for the value itself."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return False
    if values is not None and (len(values) != 1 or not _exceeded(column, values[0])):
        return False
    if values is not None and pd.api.types.is_float_dtype(column):
        return True
    return column.nunique() > 2 and column.nunique() / max(1, column.count()) >= _CONTINUOUS_FROM


def _exceeded(column: pd.Series, threshold: Any) -> bool:
    try:
        return bool((column > float(threshold)).any())
    except (TypeError, ValueError):
        return False


def facets(column: pd.Series, values: Sequence[Any] | None) -> Iterator[Group]:
    """The groups of a facet: one by a threshold or by the values given, else one for each value. Raises UserError."""
    if is_continuous(column, values):
        if values is None:
            raise UserError(f"The facet {column.name} has continuous values: give a threshold in value_or_threshold.")
        yield above(column, values[0])
        return
    if values is not None:
        yield among(column, values)
        return
    for value in sorted(column.dropna().unique(), key=str):
        yield among(column, [value])


def positive(column: pd.Series, values: Sequence[Any] | None) -> Group:
    """The rows with the positive label. Raises UserError."""
    if values:
        return above(column, values[0]) if is_continuous(column, values) else among(column, values)
    found = sorted(column.dropna().unique(), key=str)
    if len(found) != 2:
        raise UserError("label_values_or_threshold is needed: the label has more than two values.")
    return among(column, found[1:])


def above(column: pd.Series, threshold: Any) -> Group:
    low, high = float(threshold), float(column.max())
    return Group(f"({low}, {high}]", column.astype(float) > low)


def among(column: pd.Series, values: Sequence[Any]) -> Group:
    wanted = {_key(value) for value in values}
    if column.dropna().map(lambda value: isinstance(value, (bool, np.bool_))).all():
        wanted |= {_TRUTH[word] for word in map(str.lower, wanted) if word in _TRUTH}
    rows = column.map(_key).isin(wanted)
    if not rows.any():
        raise UserError(f"No row of {column.name} has a value among {', '.join(map(str, values))}.")
    return Group(", ".join(map(_key, values)), rows)


def _key(value: Any) -> str:
    """1, 1.0 and "1" are the same."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value).strip()
    return str(int(number)) if number.is_integer() else str(number)
