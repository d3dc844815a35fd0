"""One training job of the built-in algorithm, from /opt/ml/input to /opt/ml/model."""

from __future__ import annotations

import json
import logging
import os
import pickle
from collections.abc import Mapping
from typing import Any

from sagemaker_algorithm_toolkit.exceptions import UserError

from sagemaker_xgboost_container import checkpointing, distributed
from sagemaker_xgboost_container.algorithm_mode import cross_validation
from sagemaker_xgboost_container.algorithm_mode.boosting import Plan, Termination, leave_on_termination, train
from sagemaker_xgboost_container.algorithm_mode.hyperparameters import validated
from sagemaker_xgboost_container.constants.xgb_constants import MODEL_NAME, TRAIN_CHANNEL, VAL_CHANNEL
from sagemaker_xgboost_container.data_utils import check_data_redundancy, get_content_type, get_table
from sagemaker_xgboost_container.tables import Table, joined

CHANNELS = (TRAIN_CHANNEL, VAL_CHANNEL, "code")
LINEAR = "reg:linear"  # the old name of reg:squarederror, which newer XGBoosts don't know


class Job:
    """``root`` is /opt/ml. ``pickled``: save the model as the images before 1.3 do."""

    def __init__(self, root: str, pickled: bool) -> None:
        self._root = root
        self._pickled = pickled
        self._termination = Termination()

    def run(self) -> None:
        """Raises UserError or AlgorithmError."""
        given = self._config("hyperparameters.json", {})
        values = validated(given)
        channels = self._channels()
        cluster = self._config("resourceconfig.json", {})
        hosts = cluster.get("hosts", ["algo-1"])
        weighted = values.pop("csv_weights", 0)
        table = self._read(TRAIN_CHANNEL, channels, weighted, needed=len(hosts) == 1)
        validation = self._read(VAL_CHANNEL, channels, weighted) if VAL_CHANNEL in channels else None
        if table is not None and validation is not None:
            check_data_redundancy(self._path(TRAIN_CHANNEL), self._path(VAL_CHANNEL))
            _same_width(table, validation)
        plan = self._plan(values, together=len(hosts) > 1)
        folds, repeats = values.pop("_kfold", None), values.pop("_num_cv_round", 1)
        plan.parameters = _parameters(values)
        if folds is not None:
            if len(hosts) > 1 or table is None:
                raise UserError("_kfold: cross validation is done on one instance. Set the instance count to 1.")
            self._cross_validate(plan, table, validation, folds, repeats)
            return
        distributed.rabit_run(
            exec_fun=self._train,
            args={"plan": plan, "table": table, "validation": validation},
            include_in_training=table is not None,
            hosts=hosts,
            current_host=cluster.get("current_host", hosts[0]),
            update_rabit_args=True,
        )

    def fail(self, message: str) -> None:
        """Say why, where SageMaker looks for it."""
        logging.error(message)
        folder = os.path.join(self._root, "output")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "failure"), "w", encoding="utf-8") as file:
            file.write(message)

    # -- what is asked for

    def _config(self, name: str, default: Any) -> Any:
        try:
            with open(os.path.join(self._root, "input", "config", name), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return default

    def _channels(self) -> dict[str, str]:
        """The format of each channel. Raises UserError for a channel that is missing, unknown or of a wrong type."""
        given: Mapping[str, Mapping[str, Any]] = self._config("inputdataconfig.json", {})
        if TRAIN_CHANNEL not in given:
            raise UserError(f"Missing required channel: {TRAIN_CHANNEL}")
        formats = {}
        for name, channel in given.items():
            if name not in CHANNELS:
                raise UserError(f"Extraneous channel found: {name}. The algorithm knows {', '.join(CHANNELS)}.")
            if name != "code":
                formats[name] = get_content_type(channel.get("ContentType"))
        return formats

    def _plan(self, values: dict[str, Any], together: bool) -> Plan:
        """Takes from ``values`` what is not XGBoost's. ``together``: on several hosts, which end in the same round."""
        objective_metric = values.pop("_tuning_objective_metric", None)
        metrics = list(values.pop("eval_metric", ()))
        tuned = objective_metric.partition(":")[2] if objective_metric else None
        if tuned is not None:
            logging.info("Setting up HPO optimized metric to be : %s", tuned)
            metrics += [] if tuned in metrics else [tuned]
        plan = Plan(
            parameters={},
            rounds=values.pop("num_round"),
            metrics=metrics,
            stop_after=values.pop("early_stopping_rounds", None),
            stop_metric=tuned or (metrics[-1] if metrics else None),
            checkpoints=self._checkpoints(),
            average=distributed.average if together else None,
        )
        if values.pop("save_model_on_termination", "false") == "true":
            if not together:
                self._termination.install()
            saver = checkpointing.Saver()
            plan.keep = lambda model: self._keep(model, saver)
        values.pop("use_dask_gpu_training", None)
        return plan

    def _checkpoints(self) -> str | None:
        """The folder, where the job has a checkpoint configuration or an earlier run of it left checkpoints."""
        configured = self._config("checkpointconfig.json", None)
        if configured is not None:
            local = configured.get("LocalPath") or "/opt/ml/checkpoints"
            return (
                os.path.join(self._root, os.path.relpath(local, "/opt/ml")) if local.startswith("/opt/ml/") else local
            )
        folder = os.path.join(self._root, "checkpoints")
        return folder if os.path.isdir(folder) and os.listdir(folder) else None

    # -- the data

    def _path(self, channel: str) -> str:
        return os.path.join(self._root, "input", "data", channel)

    def _read(self, channel: str, formats: Mapping[str, str], weighted: int, needed: bool = True) -> Table | None:
        """None, where a host has no data and may have none."""
        mode = self._config("inputdataconfig.json", {})[channel].get("TrainingInputMode")
        table = get_table(self._path(channel), formats[channel], weighted, mode == "Pipe")
        if table is None or not len(table.labels):
            if not needed:
                return None
            which = "training" if channel == TRAIN_CHANNEL else channel
            raise UserError(f"No data in {which} channel path {self._path(channel)}")
        return table

    # -- the work

    def _train(self, plan: Plan, table: Table, validation: Table | None, is_master: bool) -> None:
        data = [(table.dmatrix(), "train")]
        logging.info("Single node training." if plan.average is None else "Distributed node training.")
        logging.info("Train matrix has %s rows and %s columns", data[0][0].num_row(), data[0][0].num_col())
        if validation is not None:
            data.append((validation.dmatrix(), "validation"))
            logging.info("Validation matrix has %s rows", data[1][0].num_row())
        plan.silent = not is_master
        model = train(plan, data, self._termination)
        if is_master:
            self._save(model, MODEL_NAME)
        leave_on_termination(self._termination)

    def _cross_validate(self, plan: Plan, table: Table, validation: Table | None, folds: int, repeats: int) -> None:
        both = table if validation is None else joined([(TRAIN_CHANNEL, table), (VAL_CHANNEL, validation)])
        models, rows = cross_validation.cross_validate(plan, both, folds, repeats, self._termination)
        for number, model in enumerate(models):
            self._save(model, f"{MODEL_NAME}-{number}")
        if rows is not None:
            cross_validation.save_predictions(rows, os.path.join(self._root, "output", "data"))
        leave_on_termination(self._termination)

    def _keep(self, model: Any, saver: checkpointing.Saver) -> None:
        if saver.due() and not self._pickled:
            saver.save(model, os.path.join(self._root, "model", MODEL_NAME))

    def _save(self, model: Any, name: str) -> None:
        path = os.path.join(self._root, "model", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not self._pickled:
            checkpointing.save(model, path)
            return
        with open(path + ".part", "wb") as file:
            pickle.dump(model, file)
        os.replace(path + ".part", path)


def _parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters as XGBoost takes them."""
    parameters = dict(values)
    for name in ("monotone_constraints", "interaction_constraints"):
        if name in parameters:
            parameters[name] = str(parameters[name]).replace(" ", "").replace(",)", ")")
    if "updater" in parameters:
        parameters["updater"] = ",".join(parameters["updater"])
    if parameters.get("objective") == LINEAR:
        parameters["objective"] = "reg:squarederror"
    return parameters


def _same_width(table: Table, validation: Table) -> None:
    """Sparse data is as wide as its greatest index, which may differ; dense data has to agree."""
    width, other = table.features.shape[1], validation.features.shape[1]
    if width == other:
        return
    if not table.sparse or not validation.sparse:
        raise UserError(f"The train channel has {width} feature columns, the validation channel has {other}.")
    from scipy.sparse import csr_matrix

    for part in (table, validation):
        found = part.features
        part.features = csr_matrix((found.data, found.indices, found.indptr), shape=(found.shape[0], max(width, other)))
