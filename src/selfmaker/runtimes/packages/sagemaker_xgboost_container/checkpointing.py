"""Checkpoints of boosting: ``xgboost-checkpoint.N``, the model after round N, of which the newest five are kept."""

from __future__ import annotations

import os
import re
import tempfile
import time
import warnings
from typing import Any

CHECKPOINT_FILENAME = "xgboost-checkpoint"
MOST_KEPT = 5

# Of the time that training takes, saving takes at most about this share (unless a round is all that there is time for).
_SHARE = 10

_NAME = re.compile(rf"{CHECKPOINT_FILENAME}\.(\d+)")


def load_checkpoint(checkpoint_dir: str | None, max_try: int = 5) -> tuple[str | None, int]:
    """(path of the newest checkpoint that is whole, the round to go on with), or (None, 0)."""
    import xgboost

    for round_number in sorted(_rounds(checkpoint_dir), reverse=True)[:max_try]:
        path = os.path.join(checkpoint_dir or "", f"{CHECKPOINT_FILENAME}.{round_number}")
        try:
            xgboost.Booster().load_model(path)
        except (xgboost.core.XGBoostError, ValueError, OSError):
            continue
        return path, round_number + 1
    return None, 0


def save(model: Any, path: str) -> None:
    """Save a model so that ``path`` is at no time half of one."""
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    # No dot in the name: XGBoost takes what comes after one for the format to write.
    handle, temporary = tempfile.mkstemp(prefix="saving-", suffix="-sagemaker-ignore", dir=folder)
    os.close(handle)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # XGBoost would rather have the format in the name
            model.save_model(temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


class Saver:
    """Saves now and then: ``due`` when the last save was cheap beside the time since."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._cost = 0.0

    def due(self) -> bool:
        return time.monotonic() - self._last >= self._cost * _SHARE

    def save(self, model: Any, path: str) -> None:
        start = time.monotonic()
        save(model, path)
        self._last = time.monotonic()
        self._cost = self._last - start


class Checkpoints:
    """The checkpoints of one training in ``folder``, with those that an earlier run of it left."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._saver = Saver()
        os.makedirs(folder, exist_ok=True)

    def after_round(self, model: Any, round_number: int, last: bool) -> None:
        if last or self._saver.due():
            self._saver.save(model, os.path.join(self._folder, f"{CHECKPOINT_FILENAME}.{round_number}"))
            for old in sorted(_rounds(self._folder))[:-MOST_KEPT]:
                os.unlink(os.path.join(self._folder, f"{CHECKPOINT_FILENAME}.{old}"))


def train(train_args: dict[str, Any], checkpoint_dir: str) -> Any:
    """``xgboost.train(**train_args)`` that goes on from the newest checkpoint in the folder and leaves checkpoints."""
    import xgboost

    arguments = dict(train_args)
    path, start = load_checkpoint(checkpoint_dir)
    arguments["xgb_model"] = path
    arguments["num_boost_round"] = max(arguments.get("num_boost_round", 10) - start, 0)
    arguments["callbacks"] = [*(arguments.get("callbacks") or []), save_checkpoint(checkpoint_dir, start)]
    return xgboost.train(**arguments)


def save_checkpoint(
    checkpoint_dir: str, start_iteration: int = 0, max_to_keep: int = 5, num_round: int | None = None
) -> Any:
    """A callback for ``xgboost.train``, in the form that the installed XGBoost takes."""
    import xgboost

    checkpoints = Checkpoints(checkpoint_dir)

    def after(model: Any, iteration: int, end: int | None) -> None:
        checkpoints.after_round(model, start_iteration + iteration, end is not None and iteration + 1 >= end)

    base = getattr(xgboost.callback, "TrainingCallback", None)
    if base is None:
        return lambda env: after(env.model, env.iteration, env.end_iteration)

    class SaveCheckpoint(base):  # type: ignore[misc, valid-type]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            after(model, epoch, num_round)
            return False

    return SaveCheckpoint()


def _rounds(folder: str | None) -> list[int]:
    if not folder or not os.path.isdir(folder):
        return []
    return [int(match.group(1)) for match in map(_NAME.fullmatch, os.listdir(folder)) if match]
