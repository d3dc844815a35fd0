"""Repeated k-fold cross validation (``_kfold``, ``_num_cv_round``): a model a fold, and a prediction for every row."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from sagemaker_algorithm_toolkit.exceptions import UserError

from sagemaker_xgboost_container.algorithm_mode.boosting import Plan, Termination, evaluated, evaluation_line, train
from sagemaker_xgboost_container.tables import Table

PREDICTIONS = "predictions.csv"


def cross_validate(
    plan: Plan, table: Table, folds: int, repeats: int, termination: Termination
) -> tuple[list[Any], Any]:
    """(the models, the rows for predictions.csv: label, mean prediction and, for classes, the class most voted for)."""
    if table.queries is not None:
        raise UserError("_kfold: cross validation of ranking data (qid) is not supported.")
    labels = np.asarray(table.labels)
    if folds > len(labels):
        raise UserError(f"_kfold: {folds} folds are more than there are rows ({len(labels)}).")
    objective = plan.parameters.get("objective", "")
    classes = objective.startswith(("binary:", "multi:"))
    matrix = table.dmatrix()
    logging.info("Run %s-round of %s-fold cross validation with %s rows", repeats, folds, len(labels))
    models: list[Any] = []
    scores: list[Any] = []
    predictions = np.zeros((len(labels), repeats))
    votes = np.zeros((len(labels), repeats))
    random = np.random.RandomState(plan.parameters.get("seed"))
    for repeat in range(repeats):
        for train_rows, validation_rows in _folds(labels if classes else None, len(labels), folds, random):
            data = [(matrix.slice(train_rows), "train"), (matrix.slice(validation_rows), "validation")]
            logging.info("Train cross validation fold %s", len(models) % folds + 1)
            folder = os.path.join(plan.checkpoints, f"model-{len(models)}") if plan.checkpoints else None
            model = train(replace(plan, checkpoints=folder, keep=None), data, termination)
            models.append(model)
            scores.append(evaluated(model, data, plan.rounds, plan.metrics))
            predicted = np.asarray(model.predict(data[1][0]))
            predictions[validation_rows, repeat], votes[validation_rows, repeat] = _answer(predicted, objective)
            if termination.asked:
                return models, None
        logging.info("The metrics of round %s cross validation", repeat + 1)
        print(evaluation_line(plan.rounds, _means(scores[-folds:])), flush=True)
    if repeats > 1:
        logging.info("The overall metrics of %s-round cross validation", repeats)
        print(evaluation_line(plan.rounds, _means(scores)), flush=True)
    columns = [labels, predictions.mean(axis=1)]
    if classes:
        columns.append(np.array([np.bincount(row.astype(int)).argmax() for row in votes]))
    return models, np.column_stack(columns)


def save_predictions(rows: Any, folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    np.savetxt(os.path.join(folder, PREDICTIONS), rows, delimiter=",", fmt="%f")


def _folds(labels: Any, count: int, folds: int, random: Any) -> Iterator[tuple[Any, Any]]:
    """(training rows, validation rows) of each fold; with labels, each fold has about the same share of each."""
    fold_of = np.empty(count, dtype=int)
    groups = [np.arange(count)] if labels is None else [np.flatnonzero(labels == value) for value in np.unique(labels)]
    dealt = 0
    for group in groups:
        fold_of[random.permutation(group)] = (np.arange(len(group)) + dealt) % folds
        dealt += len(group)
    for fold in range(folds):
        yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def _answer(predicted: Any, objective: str) -> tuple[Any, Any]:
    """What counts as the prediction, and the class."""
    if predicted.ndim > 1:
        return predicted.max(axis=1), predicted.argmax(axis=1)
    if objective == "multi:softmax":
        return predicted, predicted
    return predicted, predicted > (0 if objective == "binary:logitraw" else 0.5)


def _means(scores: list[Any]) -> Any:
    return {key: float(np.mean([score[key] for score in scores])) for key in scores[0]}
