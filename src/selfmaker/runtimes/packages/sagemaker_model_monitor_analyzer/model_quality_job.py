"""A job about a model's quality: predictions beside the truth, by scikit-learn's metrics."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from sagemaker_model_monitor_analyzer import dataset
from sagemaker_model_monitor_analyzer.data_quality_job import message
from sagemaker_model_monitor_analyzer.settings import Settings, UserError, read_json

LESS, GREATER = "LessThanThreshold", "GreaterThanThreshold"
BINARY, MULTICLASS, REGRESSION = "binary_classification", "multiclass_classification", "regression"
PROBLEMS = {"BinaryClassification": BINARY, "MulticlassClassification": MULTICLASS, "Regression": REGRESSION}
WORSE_WHEN_GREATER = ("mae", "mse", "rmse", "false_positive_rate", "false_negative_rate")
CONSTANT = "_best_constant_classifier"
SAMPLES, SHARE, ENOUGH = 5, 0.8, 200  # for the standard deviation of a metric, as AWS's guide has it


@dataclass(frozen=True)
class Answers:
    """What is true, what was predicted, and, if it is known, how probable the positive class was."""

    truth: Any
    predicted: Any
    probability: Any = None

    def at(self, rows: Any) -> Answers:
        chosen = None if self.probability is None else self.probability[rows]
        return Answers(self.truth[rows], self.predicted[rows], chosen)


Metrics = Callable[[Answers], "dict[str, float]"]


def run(settings: Settings) -> str:
    """The message of the job's end. Raises UserError."""
    problem = PROBLEMS.get(settings.problem_type)
    if problem is None:
        raise UserError(f"problem_type {settings.problem_type!r} is none of {', '.join(PROBLEMS)}.")
    answers = _answers(dataset.load(settings), settings, problem)
    statistics = _statistics(answers, problem)
    settings.write("statistics.json", statistics)
    settings.write("constraints.json", _constraints(statistics, problem))
    count = 0
    if settings.baseline_constraints:
        found = _violations(statistics, read_json(settings.baseline_constraints), problem)
        settings.write("constraint_violations.json", {"violations": found})
        count = len(found)
    dataset.postprocess(settings)
    return message(count)


def _answers(table: pd.DataFrame, settings: Settings, problem: str) -> Answers:
    truth = _column(table, settings.ground_truth, "ground_truth_attribute")
    probability = None
    if settings.probability:
        probability = _numbers(_column(table, settings.probability, "probability_attribute"), settings.probability)
    if problem == REGRESSION:
        predicted = _column(table, settings.inference, "inference_attribute")
        return Answers(_numbers(truth, settings.ground_truth), _numbers(predicted, settings.inference))
    if settings.inference:
        predicted = _column(table, settings.inference, "inference_attribute")
    elif probability is not None and problem == BINARY:
        predicted = pd.Series(np.where(probability > settings.threshold, "1", "0"))
    else:
        raise UserError("inference_attribute is needed.")
    return Answers(_labels(truth), _labels(predicted), probability if problem == BINARY else None)


def _column(table: pd.DataFrame, attribute: str, variable: str) -> pd.Series:
    """By its name or its place."""
    if not attribute:
        raise UserError(f"{variable} is needed.")
    if attribute in table.columns:
        return table[attribute]
    place = attribute[2:] if attribute.startswith("_c") else attribute
    if place.isdigit() and int(place) < len(table.columns):
        return table.iloc[:, int(place)]
    raise UserError(f"{variable}: there is no column {attribute!r}; there are {', '.join(map(str, table.columns))}.")


def _numbers(column: pd.Series, name: str) -> Any:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64")
    if not np.isfinite(values).all():
        raise UserError(f"The column {name} has values that are no numbers.")
    return values


def _labels(column: pd.Series) -> Any:
    """Texts; 1 and 1.0 are the same."""
    return np.array([_label(value) for value in column], dtype=object)


def _label(value: Any) -> str:
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def _statistics(answers: Answers, problem: str) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    compute = _binary(answers) if problem == BINARY else {MULTICLASS: _multiclass, REGRESSION: _regression}[problem]
    values = compute(answers)
    deviations = _deviations(answers, compute)
    measured: dict[str, Any] = {
        name: {"value": value, "standard_deviation": deviations.get(name, "NaN")} for name, value in values.items()
    }
    if problem != REGRESSION:
        measured = {"confusion_matrix": _confusion(answers), **measured}
    if problem == BINARY and answers.probability is not None:
        measured.update(_curves(answers))
    return {
        "version": 0.0,
        "dataset": {"item_count": len(answers.truth), "evaluation_time": now},
        f"{problem}_metrics": measured,
    }


def _deviations(answers: Answers, compute: Metrics) -> dict[str, float]:
    size = len(answers.truth)
    if size < ENOUGH:
        return {}
    random = np.random.default_rng(0)
    samples = [compute(answers.at(random.choice(size, int(size * SHARE), replace=False))) for _ in range(SAMPLES)]
    return {name: float(np.std([sample[name] for sample in samples])) for name in samples[0]}


def _regression(answers: Answers) -> dict[str, float]:
    mse = float(sk.mean_squared_error(answers.truth, answers.predicted))
    return {
        "mae": float(sk.mean_absolute_error(answers.truth, answers.predicted)),
        "mse": mse,
        "rmse": math.sqrt(mse),
        "r2": float(sk.r2_score(answers.truth, answers.predicted)) if len(answers.truth) > 1 else 0.0,
    }


def _positive(answers: Answers) -> str:
    labels = sorted(set(answers.truth) | set(answers.predicted))
    if len(labels) > 2:
        raise UserError(f"BinaryClassification has two labels; here are {', '.join(labels[:10])}.")
    return "1" if "1" in labels else str(labels[-1])


def _binary(everything: Answers) -> Metrics:
    """The metrics, with the positive label that all of the data has."""
    positive = _positive(everything)

    def compute(answers: Answers) -> dict[str, float]:
        truth, predicted = answers.truth == positive, answers.predicted == positive
        best = np.full(len(truth), truth.mean() >= 0.5 or not (~truth).any())
        found = {**_scores(truth, predicted, ""), **_scores(truth, best, CONSTANT)}
        negatives, positives = max(1, int((~truth).sum())), max(1, int(truth.sum()))
        found["true_positive_rate"] = float((truth & predicted).sum() / positives)
        found["true_negative_rate"] = float((~truth & ~predicted).sum() / negatives)
        found["false_positive_rate"] = float((~truth & predicted).sum() / negatives)
        found["false_negative_rate"] = float((truth & ~predicted).sum() / positives)
        if answers.probability is not None and truth.any() and not truth.all():
            found["auc"] = float(sk.roc_auc_score(truth, answers.probability))
        return found

    return compute


def _scores(truth: Any, predicted: Any, suffix: str) -> dict[str, float]:
    found = {
        "recall": sk.recall_score(truth, predicted, zero_division=0),
        "precision": sk.precision_score(truth, predicted, zero_division=0),
        "accuracy": sk.accuracy_score(truth, predicted),
    }
    found.update({name: sk.fbeta_score(truth, predicted, beta=beta, zero_division=0) for name, beta in _BETAS})
    return {name + suffix: float(value) for name, value in found.items()}


_BETAS = (("f0_5", 0.5), ("f1", 1.0), ("f2", 2.0))


def _multiclass(answers: Answers) -> dict[str, float]:
    labels, counts = np.unique(answers.truth, return_counts=True)
    best = np.full(len(answers.truth), labels[counts.argmax()], dtype=object)
    found: dict[str, float] = {}
    for suffix, predicted in (("", answers.predicted), (CONSTANT, best)):
        given: Any = {"average": "weighted", "zero_division": 0}
        found["accuracy" + suffix] = float(sk.accuracy_score(answers.truth, predicted))
        found["weighted_recall" + suffix] = float(sk.recall_score(answers.truth, predicted, **given))
        found["weighted_precision" + suffix] = float(sk.precision_score(answers.truth, predicted, **given))
        for name, beta in _BETAS:
            found[f"weighted_{name}{suffix}"] = float(sk.fbeta_score(answers.truth, predicted, beta=beta, **given))
    return found


def _confusion(answers: Answers) -> dict[str, dict[str, int]]:
    labels = sorted(set(answers.truth) | set(answers.predicted))
    matrix = sk.confusion_matrix(answers.truth, answers.predicted, labels=labels)
    return {true: {predicted: int(matrix[i][j]) for j, predicted in enumerate(labels)} for i, true in enumerate(labels)}


def _curves(answers: Answers) -> dict[str, Any]:
    truth = answers.truth == _positive(answers)
    if truth.all() or not truth.any():
        return {}
    false, true, _ = sk.roc_curve(truth, answers.probability)
    precisions, recalls, _ = sk.precision_recall_curve(truth, answers.probability)
    return {
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": false.tolist(),
            "true_positive_rates": true.tolist(),
        },
        "precision_recall_curve": {"precisions": precisions.tolist(), "recalls": recalls.tolist()},
    }


def _constraints(statistics: Mapping[str, Any], problem: str) -> dict[str, Any]:
    """Each metric may not be worse than it is."""
    found = {
        name: {
            "threshold": measured["value"],
            "comparison_operator": GREATER if name in WORSE_WHEN_GREATER else LESS,
        }
        for name, measured in statistics[f"{problem}_metrics"].items()
        if "value" in measured and not name.endswith(CONSTANT)
    }
    return {"version": 0.0, f"{problem}_constraints": found}


def _violations(statistics: Mapping[str, Any], constraints: Mapping[str, Any], problem: str) -> list[dict[str, Any]]:
    member = f"{problem}_constraints"
    if member not in constraints:
        raise UserError(f"The baseline's constraints have no {member}: it is of another problem type.")
    found = []
    for name, constraint in constraints[member].items():
        measured = statistics[f"{problem}_metrics"].get(name)
        if measured is None:
            continue
        value, threshold = measured["value"], float(constraint["threshold"])
        operator = constraint["comparison_operator"]
        if value < threshold if operator == LESS else value > threshold:
            description = (
                f"Metric {name} with {value} +/- {measured['standard_deviation']} was {operator} '{threshold}'"
            )
            found.append({"constraint_check_type": operator, "description": description, "metric_name": name})
    return found
