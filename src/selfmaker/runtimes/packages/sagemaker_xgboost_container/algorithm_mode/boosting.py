"""The rounds of boosting: by ``Booster.update`` rather than ``xgboost.train``, whose callbacks and custom metrics are
different in the versions of the images."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sagemaker_algorithm_toolkit.exceptions import AlgorithmError, UserError

from sagemaker_xgboost_container import checkpointing
from sagemaker_xgboost_container.constants.xgb_constants import CUSTOMER_ERRORS, XGB_MAXIMIZE_METRICS
from sagemaker_xgboost_container.metrics import custom_metrics


@dataclass
class Plan:
    """``parameters`` are XGBoost's own. ``metrics`` in the order asked for. ``stop_metric`` None: the last one.

    On several hosts, ``average`` makes the mean of scores that hosts have worked out of their own data; ``silent``:
    another of them prints and keeps."""

    parameters: dict[str, Any]
    rounds: int
    metrics: list[str] = field(default_factory=list)
    stop_after: int | None = None
    stop_metric: str | None = None
    checkpoints: str | None = None
    # Called with the model after a round, to keep it in case of a SIGTERM.
    keep: Callable[[Any], None] | None = None
    average: Callable[[Sequence[float]], list[float]] | None = None
    silent: bool = False

    def pairs(self) -> list[tuple[str, Any]]:
        """As every version of XGBoost takes them: a metric a pair."""
        own = set(custom_metrics.get_custom_metrics(self.metrics))
        asked = [("eval_metric", metric) for metric in self.metrics if metric not in own]
        return [*self.parameters.items(), *asked]


class Termination:
    """Notes a SIGTERM, for the loop to act on between two rounds: a round cannot be broken off."""

    def __init__(self) -> None:
        self.asked = False

    def install(self) -> None:
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: Any) -> None:
        self.asked = True


class EarlyStopping:
    """Watches one metric of the validation data."""

    def __init__(self, rounds: int, metric: str | None) -> None:
        self._rounds = rounds
        self._metric = metric
        self._best = 0.0
        self.best_round: int | None = None

    def after_round(self, number: int, scores: dict[tuple[str, str], float]) -> bool:
        """Whether to stop."""
        watched = [metric for data, metric in scores if data == "validation"]
        metric = self._metric if self._metric in watched else watched[-1]
        score = scores["validation", metric]
        if metric.partition("@")[0] in XGB_MAXIMIZE_METRICS:
            score = -score
        if self.best_round is None or score < self._best:
            self._best, self.best_round = score, number
        return number - self.best_round >= self._rounds


def train(plan: Plan, data: Sequence[tuple[Any, str]], termination: Termination) -> Any:
    """The model. ``data``: DMatrices and their names, the first to train on. Raises UserError or AlgorithmError."""
    import xgboost

    try:
        return _train(plan, data, termination)
    except (xgboost.core.XGBoostError, ValueError) as error:
        message = str(error)
        if any(known in message for known in CUSTOMER_ERRORS) or "multiclass" in message:
            raise UserError(_first_lines(message)) from None
        raise AlgorithmError(f"XGB train call failed with exception:\n {_first_lines(message)}") from error


def _train(plan: Plan, data: Sequence[tuple[Any, str]], termination: Termination) -> Any:
    import xgboost

    path, start = checkpointing.load_checkpoint(plan.checkpoints)
    if path is not None:
        logging.info("Checkpoint loaded from %s", path)
        logging.info("Resuming from iteration %s", start)
    booster = xgboost.Booster(plan.pairs(), [matrix for matrix, _ in data], path)
    keeps = plan.checkpoints and not plan.silent
    checkpoints = checkpointing.Checkpoints(plan.checkpoints) if keeps else None
    validated = len(data) > 1
    stopping = EarlyStopping(plan.stop_after, plan.stop_metric) if plan.stop_after and validated else None
    for number in range(start, plan.rounds):
        booster.update(data[0][0], number)
        scores = evaluated(booster, data, number, plan.metrics, plan.average)
        if not plan.silent:
            print(evaluation_line(number, scores), flush=True)
        stop = stopping is not None and stopping.after_round(number, scores)
        last = stop or termination.asked or number + 1 == plan.rounds
        if checkpoints is not None:
            checkpoints.after_round(booster, number, last)
        if plan.keep is not None and not plan.silent:
            plan.keep(booster)
        if stop or termination.asked:
            break
    return _best(booster, stopping, plan.parameters.get("booster"))


def evaluated(
    booster: Any,
    data: Sequence[tuple[Any, str]],
    number: int,
    metrics: Sequence[str],
    average: Callable[[Sequence[float]], list[float]] | None = None,
) -> Any:
    """Scores by (data, metric): XGBoost's metrics, which are those of all hosts, then the container's, by ``average``
    where there are several."""
    scores = {}
    for item in booster.eval_set(list(data), number).split("\t")[1:]:
        name, _, value = item.rpartition(":")
        source, _, metric = name.partition("-")
        scores[source, metric] = float(value)
    own = custom_metrics.get_custom_metrics(metrics)
    for matrix, source in data if own else ():
        margins = booster.predict(matrix, output_margin=True)
        values = booster.predict(matrix)
        found = custom_metrics.evaluate(own, matrix.get_label(), margins, values)
        means = average([value for _, value in found]) if average else [value for _, value in found]
        scores.update({(source, metric): mean for (metric, _), mean in zip(found, means)})
    return scores


def evaluation_line(number: int, scores: Any) -> str:
    """``[0]#011train-rmse:0.50000``: #011 is how the container's log writes the tab, and what the documented metric
    definitions look for."""
    return f"[{number}]" + "".join(f"#011{data}-{metric}:{value:.5f}" for (data, metric), value in scores.items())


def _best(booster: Any, stopping: EarlyStopping | None, kind: str | None) -> Any:
    """The model up to its best round, where there was early stopping."""
    if stopping is None or stopping.best_round is None:
        return booster
    logging.info("Best iteration: %s", stopping.best_round)
    if hasattr(booster, "__getitem__") and kind != "gblinear":
        booster = booster[: stopping.best_round + 1]
    booster.set_attr(best_iteration=str(stopping.best_round))
    return booster


def _first_lines(message: str) -> str:
    """XGBoost's message without the C++ stack."""
    return message.partition("\nStack trace")[0].strip()


def leave_on_termination(termination: Termination) -> None:
    """After a SIGTERM there is nothing more to do than what has been done."""
    if termination.asked:
        logging.info("Stopped by SIGTERM.")
        sys.stdout.flush()
        os._exit(0)
