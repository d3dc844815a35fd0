"""What the built-in XGBoost tells of a prediction where SAGEMAKER_INFERENCE_OUTPUT names it: a label, a probability...

The words and their values are those of the container's selectable inference (aws/sagemaker-xgboost-container, pull
request 111): for the objectives of classification all but ``predicted_score``, for those of regression only that.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from .formats import JSON, JSON_LINES

VARIABLE = "SAGEMAKER_INFERENCE_OUTPUT"
_SCORES = ("predicted_label", "labels", "raw_score", "raw_scores")
_PROBABILITIES = (*_SCORES, "probability", "probabilities")
_SCORE = ("predicted_score",)
_KNOWN = {
    "reg:squarederror": _SCORE,
    "reg:logistic": _SCORE,
    "reg:gamma": _SCORE,
    "reg:tweedie": _SCORE,
    "binary:logistic": _PROBABILITIES,
    "binary:logitraw": _SCORES,
    "binary:hinge": _SCORES,
    "multi:softmax": _SCORES,
    "multi:softprob": _PROBABILITIES,
}


class Selection:
    """The chosen words, for one model. Raises ValueError for an objective that has none."""

    def __init__(self, words: str, booster: Any) -> None:
        learner = json.loads(booster.save_config())["learner"]
        self.names = [name for name in words.replace(" ", "").lower().split(",") if name]
        self._objective: str = learner["objective"]["name"]
        if self._objective not in _KNOWN:
            raise ValueError(f"{VARIABLE}: objective {self._objective} has no selectable output")
        self._classes = max(2, int(learner["learner_model_param"]["num_class"]))

    def encode(self, values: Sequence[Any], accept: str) -> bytes:
        """The answer for predictions; what the objective does not have is NaN."""
        told = [{name: self._value(name, value) for name in self.names} for value in values]
        if accept == JSON:
            return json.dumps({"predictions": told}).encode()
        if accept == JSON_LINES:
            return "".join(f"{json.dumps(one)}\n" for one in told).encode()
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([one.values() for one in told])
        return text.getvalue().encode()

    def _value(self, name: str, value: Any) -> Any:
        tell: Callable[[Any], Any] = {
            "predicted_label": self._label,
            "labels": lambda value: list(range(self._classes)),
            "probability": _winner,
            "raw_score": _winner,
            "probabilities": _each,
            "raw_scores": _each,
            "predicted_score": lambda value: value,
        }.get(name, lambda value: math.nan)
        return tell(value) if name in _KNOWN[self._objective] else math.nan

    def _label(self, value: Any) -> Any:
        if isinstance(value, list):
            return value.index(max(value))
        if self._objective in ("binary:logistic", "binary:logitraw"):
            return int(value > (0.5 if self._objective == "binary:logistic" else 0.0))
        return value


def _winner(value: Any) -> Any:
    """Of the class that is predicted; with two classes, of the second."""
    return max(value) if isinstance(value, list) else value


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [1.0 - value, value]
