"""The bias metrics, by the formulas of AWS's developer guide ("Pre-training Bias Metrics" and "Post-training...").

``d`` is the facet that is looked at (the disadvantaged one), ``a`` all others. As in AWS's container, nothing divided
by nothing is nothing, all else divided by it infinite, and distributions are compared where both have something.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

NEIGHBORS = 5
FEW = 10  # others among whom one neighbor must do


@dataclass(frozen=True)
class Case:
    """Arrays, one value a row. ``facet``: whether the row is of the facet; ``label`` and ``predicted``: whether it is
    positive; ``values``: the labels as they are; ``group``: of the variable by which disparity is conditional."""

    facet: Any
    label: Any
    values: Any
    predicted: Any = None
    group: Any = None
    features: pd.DataFrame | None = None


def _ratio(numerator: float, denominator: float) -> float:
    if denominator == 0:
        return 0.0 if numerator == 0 else math.copysign(math.inf, numerator)
    return float(numerator) / float(denominator)


def _both(measure: Callable[[Any, Any], float], case: Case) -> tuple[float, float]:
    """Of ``a`` and of ``d``: a measure of labels and predictions."""
    facet = case.facet
    return (
        measure(case.label[~facet], case.predicted[~facet]),
        measure(case.label[facet], case.predicted[facet]),
    )


def _share(positive: Any) -> float:
    return _ratio(positive.sum(), len(positive))


def _distributions(case: Case) -> tuple[Any, Any]:
    values = np.unique(case.values)
    a, d = (np.array([(part == value).sum() for value in values], dtype=float) for part in _split(case, case.values))
    both = (a > 0) & (d > 0)
    return a[both] / max(1.0, a.sum()), d[both] / max(1.0, d.sum())


def _split(case: Case, column: Any) -> tuple[Any, Any]:
    return column[~case.facet], column[case.facet]


def _divergence(p: Any, q: Any) -> float:
    return float((p * np.log(p / q)).sum())


def _norm(case: Case, order: float) -> float | None:
    """Of the difference of the distributions; None where no label is in both."""
    p, q = _distributions(case)
    return float(np.linalg.norm(p - q, order)) if len(p) else None


def _kullback_leibler(case: Case) -> float | None:
    p, q = _distributions(case)
    return _divergence(p, q) if len(p) else None


def _variation(case: Case) -> float | None:
    distance = _norm(case, 1)
    return None if distance is None else distance / 2


def _jensen_shannon(case: Case) -> float | None:
    p, q = _distributions(case)
    middle = (p + q) / 2
    return None if not len(p) else (_divergence(p, middle) + _divergence(q, middle)) / 2


def _disparity(case: Case, positive: Any) -> float | None:
    """Conditional demographic disparity: that of each group, weighted by its size."""
    if case.group is None:
        return None
    total = 0.0
    for value in np.unique(case.group):
        rows = case.group == value
        rejected, accepted = rows & ~positive, rows & positive
        of_rejected = _ratio((rejected & case.facet).sum(), rejected.sum())
        of_accepted = _ratio((accepted & case.facet).sum(), accepted.sum())
        total += rows.sum() * (of_rejected - of_accepted)
    return total / len(positive)


def _flip_test(case: Case) -> float | None:
    """How much more often the nearest of the others get a better prediction than a worse one."""
    if case.features is None or case.features.empty:
        return None
    numbers = pd.get_dummies(case.features).fillna(0).to_numpy(dtype=float)
    others = numbers[~case.facet]
    search = NearestNeighbors(n_neighbors=NEIGHBORS if len(others) > FEW else 1).fit(others)
    near = search.kneighbors(numbers[case.facet], return_distance=False)
    counterparts = case.predicted[~case.facet][near].mean(axis=1) > 0.5
    own = case.predicted[case.facet]
    return float(((counterparts & ~own).sum() - (~counterparts & own).sum()) / len(own))


def _entropy(case: Case) -> float:
    benefit = 1.0 + case.predicted.astype(float) - case.label.astype(float)
    mean = benefit.mean()
    return math.nan if mean == 0 else float(((benefit / mean) ** 2 - 1).mean() / 2)


def _difference(measure: Callable[[Any, Any], float], case: Case) -> float:
    a, d = _both(measure, case)
    return 0.0 if a == d else a - d  # infinite both, too


def _recall(label: Any, predicted: Any) -> float:
    return _ratio((label & predicted).sum(), label.sum())


def _precision(label: Any, predicted: Any) -> float:
    return _ratio((label & predicted).sum(), predicted.sum())


def _specificity(label: Any, predicted: Any) -> float:
    return _ratio((~label & ~predicted).sum(), (~label).sum())


def _rejection(label: Any, predicted: Any) -> float:
    return _ratio((~label & ~predicted).sum(), (~predicted).sum())


def _treatment(label: Any, predicted: Any) -> float:
    return _ratio((label & ~predicted).sum(), (~label & predicted).sum())


def _imbalance(case: Case) -> float:
    d = int(case.facet.sum())
    return _ratio(len(case.facet) - 2 * d, len(case.facet))


def _labels_difference(case: Case) -> float:
    a, d = _split(case, case.label)
    return _share(a) - _share(d)


def _predicted_shares(case: Case) -> tuple[float, float]:
    a, d = _split(case, case.predicted)
    return _share(a), _share(d)


Metric = Callable[[Case], "float | None"]

_OF_ALL_ROWS = ("CDDL", "CDDPL", "GE")

PRE_TRAINING: dict[str, tuple[str, Metric]] = {
    "CDDL": ("Conditional Demographic Disparity in Labels (CDDL)", lambda c: _disparity(c, c.label)),
    "CI": ("Class Imbalance (CI)", _imbalance),
    "DPL": ("Difference in Positive Proportions in Labels (DPL)", _labels_difference),
    "JS": ("Jensen-Shannon Divergence (JS)", _jensen_shannon),
    "KL": ("Kullback-Liebler Divergence (KL)", _kullback_leibler),
    "KS": ("Kolmogorov-Smirnov Distance (KS)", lambda c: _norm(c, math.inf)),
    "LP": ("L-p Norm (LP)", lambda c: _norm(c, 2)),
    "TVD": ("Total Variation Distance (TVD)", _variation),
}
POST_TRAINING: dict[str, tuple[str, Metric]] = {
    "AD": ("Accuracy Difference (AD)", lambda c: _difference(lambda y, p: _share(y == p), c)),
    "CDDPL": ("Conditional Demographic Disparity in Predicted Labels (CDDPL)", lambda c: _disparity(c, c.predicted)),
    "DAR": ("Difference in Acceptance Rates (DAR)", lambda c: _difference(_precision, c)),
    "DCA": (
        "Difference in Conditional Acceptance (DCA)",
        lambda c: _difference(lambda y, p: _ratio(y.sum(), p.sum()), c),
    ),
    "DCR": (
        "Difference in Conditional Rejection (DCR)",
        lambda c: -_difference(lambda y, p: _ratio((~y).sum(), (~p).sum()), c),
    ),
    "DI": ("Disparate Impact (DI)", lambda c: _ratio(*reversed(_predicted_shares(c)))),
    "DPPL": (
        "Difference in Positive Proportions in Predicted Labels (DPPL)",
        lambda c: float(np.subtract(*_predicted_shares(c))),
    ),
    "DRR": ("Difference in Rejection Rates (DRR)", lambda c: -_difference(_rejection, c)),
    "FT": ("Flip Test (FT)", _flip_test),
    "GE": ("Generalized Entropy (GE)", _entropy),
    "RD": ("Recall Difference (RD)", lambda c: _difference(_recall, c)),
    "SD": ("Specificity Difference (SD)", lambda c: -_difference(_specificity, c)),
    "TE": ("Treatment Equality (TE)", lambda c: -_difference(_treatment, c)),
}


def measure(case: Case, metrics: dict[str, tuple[str, Metric]], wanted: Any) -> list[dict[str, Any]]:
    """Each metric that is wanted ("all", or names), as the analysis has it."""
    found = []
    for name, (description, metric) in metrics.items():
        if wanted != "all" and name not in wanted:
            continue
        empty = _empty(case) if name not in _OF_ALL_ROWS else None
        value = None if empty else metric(case)
        entry: dict[str, Any] = {"name": name, "description": description}
        if value is None:
            entry.update({"value": None, "error": empty or _missing(name)})
        elif math.isnan(value):
            entry.update({"value": None, "error": f"{name} is not defined for these rows"})
        else:
            entry["value"] = value + 0.0 if math.isfinite(value) else str(value).replace("inf", "Infinity")
        found.append(entry)
    return found


def _empty(case: Case) -> str | None:
    """Why the facet cannot be compared with others."""
    if not case.facet.any():
        return "Facet set is empty"
    return "Negated facet set is empty" if case.facet.all() else None


def _missing(name: str) -> str:
    """Why there is no value."""
    if name.startswith("CDD"):
        return "Group variable is empty or not provided"
    if name == "FT":
        return "There are no features beside the facet"
    return "No instance of common facet found, dataset may be too small"
