"""The evaluation metrics that the container computes itself, by NumPy alone.

Where a class is never predicted, or never there, its precision, recall or F1 is 0, as in scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    # Of the true labels, and the predicted labels or values.
    Metric = Callable[[Any, Any], float]


def _counts(labels: Any, predicted: Any) -> tuple[Any, Any, Any]:
    """For each class that is there or predicted: how often both agree on it, how often predicted, how often there."""
    classes, coded = np.unique(np.concatenate([labels, predicted]), return_inverse=True)
    true, guess = coded[: len(labels)], coded[len(labels) :]
    size = len(classes)
    hits = np.bincount(true[true == guess], minlength=size)
    return hits, np.bincount(guess, minlength=size), np.bincount(true, minlength=size)


def _ratio(above: Any, below: Any) -> Any:
    return np.divide(above, below, out=np.zeros(np.shape(above), dtype=float), where=np.asarray(below) > 0)


def accuracy(labels: Any, predicted: Any) -> float:
    return float(np.mean(labels == predicted))


def balanced_accuracy(labels: Any, predicted: Any) -> float:
    hits, _, there = _counts(labels, predicted)
    return float(np.mean(hits[there > 0] / there[there > 0]))


def precision_macro(labels: Any, predicted: Any) -> float:
    hits, guessed, _ = _counts(labels, predicted)
    return float(np.mean(_ratio(hits, guessed)))


def recall_macro(labels: Any, predicted: Any) -> float:
    hits, _, there = _counts(labels, predicted)
    return float(np.mean(_ratio(hits, there)))


def f1_macro(labels: Any, predicted: Any) -> float:
    hits, guessed, there = _counts(labels, predicted)
    return float(np.mean(_ratio(2 * hits, guessed + there)))


def precision(labels: Any, predicted: Any) -> float:
    _two_classes(labels, predicted)
    return float(_ratio(np.sum((labels == 1) & (predicted == 1)), np.sum(predicted == 1)))


def recall(labels: Any, predicted: Any) -> float:
    _two_classes(labels, predicted)
    return float(_ratio(np.sum((labels == 1) & (predicted == 1)), np.sum(labels == 1)))


def f1_binary(labels: Any, predicted: Any) -> float:
    _two_classes(labels, predicted)
    both = np.sum((labels == 1) & (predicted == 1))
    return float(_ratio(2 * both, np.sum(labels == 1) + np.sum(predicted == 1)))


def mse(labels: Any, values: Any) -> float:
    return float(np.mean((labels - values) ** 2))


def r2(labels: Any, values: Any) -> float:
    spread = np.sum((labels - np.mean(labels)) ** 2)
    left = np.sum((labels - values) ** 2)
    return float(1 - left / spread) if spread else float(left == 0)


def _two_classes(labels: Any, predicted: Any) -> None:
    if len(np.union1d(labels, predicted)) > 2:
        raise ValueError("Target is multiclass but average='binary': use the metric's _macro or _micro form.")


# Micro averages over all classes are the accuracy.
CLASSIFICATION: dict[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": f1_macro,
    "f1_binary": f1_binary,
    "f1_macro": f1_macro,
    "precision": precision,
    "precision_macro": precision_macro,
    "precision_micro": accuracy,
    "recall": recall,
    "recall_macro": recall_macro,
    "recall_micro": accuracy,
}
REGRESSION: dict[str, Metric] = {"mse": mse, "r2": r2}


def get_custom_metrics(eval_metrics: Iterable[str]) -> list[str]:
    """Those that XGBoost doesn't know, in their order."""
    return [name for name in eval_metrics if name in CLASSIFICATION or name in REGRESSION]


def evaluate(names: Iterable[str], labels: Any, margins: Any, values: Any) -> list[tuple[str, float]]:
    """``margins``: predictions before they are made probabilities (for classes); ``values``: after."""
    margins = np.asarray(margins)
    predicted = np.argmax(margins, axis=1) if margins.ndim > 1 else (margins > 0).astype(int)
    results = []
    for name in names:
        metric = CLASSIFICATION.get(name)
        results.append((name, metric(labels, predicted) if metric else REGRESSION[name](labels, values)))
    return results
