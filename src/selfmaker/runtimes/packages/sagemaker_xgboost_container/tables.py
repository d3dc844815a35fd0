"""Labelled rows from files: what is read, whatever its format, before XGBoost gets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sagemaker_algorithm_toolkit.exceptions import UserError


@dataclass
class Table:
    """``features`` is a float32 array (NaN: missing) or a SciPy CSR matrix (absent: missing). ``queries``: of ranking
    data, the query of each row."""

    features: Any
    labels: Any
    weights: Any = None
    queries: Any = None

    @property
    def sparse(self) -> bool:
        return not isinstance(self.features, np.ndarray)

    def dmatrix(self) -> Any:
        """As XGBoost takes it."""
        import xgboost

        weights = self.weights if self.queries is None else None
        matrix = xgboost.DMatrix(self.features, label=self.labels, weight=weights)
        if self.queries is not None:
            sizes = group_sizes(self.queries)
            matrix.set_group(sizes)
            if self.weights is not None:  # XGBoost weighs queries, not rows, when it ranks
                matrix.set_weight(self.weights[np.concatenate([[0], np.cumsum(sizes)[:-1]])])
        return matrix


def joined(tables: Sequence[tuple[str, Table]]) -> Table:
    """One table of several files', by their names. Raises UserError naming the file that doesn't go with the first."""
    name, first = tables[0]
    if len(tables) == 1:
        return first
    for other, table in tables[1:]:
        if not first.sparse and table.features.shape[1] != first.features.shape[1]:
            width, own = first.features.shape[1], table.features.shape[1]
            raise UserError(f"File '{other}' has {own} feature columns, but '{name}' has {width}.")
        for part in ("labels", "weights", "queries"):
            if (getattr(table, part) is None) != (getattr(first, part) is None):
                raise UserError(f"Only one of the files '{name}' and '{other}' has {part}.")
    parts = [table for _, table in tables]
    return Table(
        _stacked([table.features for table in parts], first.sparse),
        _concatenated([table.labels for table in parts]),
        _concatenated([table.weights for table in parts]),
        _concatenated([table.queries for table in parts]),
    )


def group_sizes(queries: Any) -> Any:
    """How many rows each query has. Raises UserError when a query's rows are not together."""
    starts = np.flatnonzero(np.concatenate([[True], queries[1:] != queries[:-1]]))
    if len(starts) != len(np.unique(queries)):
        raise UserError("The rows of a query (qid) must follow each other.")
    return np.diff(np.concatenate([starts, [len(queries)]]))


def _stacked(parts: list[Any], sparse: bool) -> Any:
    if not sparse:
        return np.concatenate(parts)
    from scipy.sparse import csr_matrix, vstack

    width = max(part.shape[1] for part in parts)
    same = [csr_matrix((part.data, part.indices, part.indptr), shape=(part.shape[0], width)) for part in parts]
    return vstack(same, format="csr")


def _concatenated(parts: list[Any]) -> Any:
    return None if parts[0] is None else np.concatenate(parts)
