"""The algorithm's hyperparameters: types, ranges and dependencies, as AWS documents them (XGBoost hyperparameters)."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_algorithm_toolkit.exceptions import UserError

from sagemaker_xgboost_container.constants.xgb_constants import XGB_MAXIMIZE_METRICS, XGB_MINIMIZE_METRICS

INTEGER, FLOAT, CHOICE, LIST, NESTED, TUPLE = "integer", "float", "choice", "list", "nested list", "tuple"
METRICS = (*XGB_MAXIMIZE_METRICS, *XGB_MINIMIZE_METRICS)
WITH_THRESHOLD = ("error", "ndcg", "map")


@dataclass(frozen=True)
class Interval:
    """Printed as a range is written: ``[`` and ``]`` include the bound, ``(`` and ``)`` don't."""

    text: str

    def __contains__(self, value: float) -> bool:
        low, high = (float(part) for part in self.text[1:-1].split(","))
        above = value >= low if self.text[0] == "[" else value > low
        return above and (value <= high if self.text[-1] == "]" else value < high)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Hyperparameter:
    kind: str
    range: Interval | tuple[Any, ...]


def _integer(text: str) -> Hyperparameter:
    return Hyperparameter(INTEGER, Interval(text))


def _float(text: str) -> Hyperparameter:
    return Hyperparameter(FLOAT, Interval(text))


def _choice(*values: str) -> Hyperparameter:
    return Hyperparameter(CHOICE, values)


_TREE_UPDATERS = (
    "grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_skmaker", "sync", "refresh", "prune",
    "grow_quantile_histmaker",
)  # fmt: skip
_GROWING = ("grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_quantile_histmaker")
_LINEAR_UPDATERS = ("shotgun", "coord_descent")
_OBJECTIVES = (
    "binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson", "multi:softmax", "multi:softprob",
    "rank:pairwise", "rank:ndcg", "rank:map", "reg:linear", "reg:squarederror", "reg:logistic", "reg:gamma",
    "reg:pseudohubererror", "reg:squaredlogerror", "reg:absoluteerror", "reg:tweedie", "survival:aft", "survival:cox",
)  # fmt: skip

HYPERPARAMETERS: dict[str, Hyperparameter] = {
    "num_round": _integer("[1, +inf)"),
    "csv_weights": _integer("[0, 1]"),
    "early_stopping_rounds": _integer("[1, +inf)"),
    "booster": _choice("gbtree", "gblinear", "dart"),
    "verbosity": _integer("[0, 3]"),
    "silent": _integer("[0, 1]"),
    "nthread": _integer("[1, +inf)"),
    "eta": _float("[0, 1]"),
    "gamma": _float("[0, +inf)"),
    "max_depth": _integer("[0, +inf)"),
    "min_child_weight": _float("[0, +inf)"),
    "max_delta_step": _float("[0, +inf)"),
    "subsample": _float("(0, 1]"),
    "colsample_bytree": _float("(0, 1]"),
    "colsample_bylevel": _float("(0, 1]"),
    "colsample_bynode": _float("(0, 1]"),
    "lambda": _float("[0, +inf)"),
    "alpha": _float("[0, +inf)"),
    "tree_method": _choice("auto", "exact", "approx", "hist", "gpu_hist"),
    "sketch_eps": _float("(0, 1)"),
    "scale_pos_weight": _float("(0, +inf)"),
    "updater": Hyperparameter(LIST, (*_TREE_UPDATERS, *_LINEAR_UPDATERS)),
    "dsplit": _choice("row", "col"),
    "refresh_leaf": _integer("[0, 1]"),
    "process_type": _choice("default", "update"),
    "grow_policy": _choice("depthwise", "lossguide"),
    "max_leaves": _integer("[0, +inf)"),
    "max_bin": _integer("[0, +inf)"),
    "predictor": _choice("auto", "cpu_predictor", "gpu_predictor"),
    "monotone_constraints": Hyperparameter(TUPLE, (-1, 0, 1)),
    "interaction_constraints": Hyperparameter(NESTED, Interval("[0, +inf)")),
    "sample_type": _choice("uniform", "weighted"),
    "normalize_type": _choice("tree", "forest"),
    "rate_drop": _float("[0, 1]"),
    "one_drop": _integer("[0, 1]"),
    "skip_drop": _float("[0, 1]"),
    "lambda_bias": _float("[0, 1]"),
    "tweedie_variance_power": _float("(1, 2)"),
    "huber_slope": _float("(-inf, +inf)"),
    "objective": _choice(*_OBJECTIVES),
    "num_class": _integer("[2, +inf)"),
    "base_score": _float("(-inf, +inf)"),
    "_kfold": _integer("[2, +inf)"),
    "_num_cv_round": _integer("[1, +inf)"),
    "_tuning_objective_metric": _choice(*(f"validation:{name}" for name in METRICS)),
    "eval_metric": Hyperparameter(LIST, METRICS),
    "seed": _integer("(-2147483648, 2147483647)"),
    "num_parallel_tree": _integer("[1, +inf)"),
    "save_model_on_termination": _choice("true", "false"),
    "use_dask_gpu_training": _choice("true", "false"),
    "aft_loss_distribution": _choice("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": _float("[0, +inf)"),
    "single_precision_histogram": _choice("true", "false"),
    "deterministic_histogram": _choice("true", "false"),
    "sampling_method": _choice("uniform", "gradient_based"),
    "prob_buffer_row": _float("(1, +inf)"),
}
ALIASES = {"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha"}
# What the SDKs add of their own accord, and no algorithm reads.
_OF_THE_SDK = "sagemaker_"


def validated(given: Mapping[str, str]) -> dict[str, Any]:
    """Hyperparameters with values of their types. Raises UserError that names the one that is wrong."""
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name.startswith(_OF_THE_SDK):
            continue
        own = ALIASES.get(name, name)
        if own not in HYPERPARAMETERS:
            raise UserError(f"Extraneous hyperparameter found: {name}")
        if own in values:
            raise UserError(f"Hyperparameter {own} is given twice, also as {name}")
        values[own] = _parsed(name, str(text).strip(), HYPERPARAMETERS[own].kind)
    if "num_round" not in values:
        raise UserError("Missing required hyperparameter: num_round")
    for name, value in values.items():
        _check_range(name, value)
    _check_dependencies(values)
    return values


def _parsed(name: str, text: str, kind: str) -> Any:
    if len(text) > 1 and text[0] == text[-1] == '"':  # framework estimators write strings as JSON
        text = text[1:-1]
    try:
        if kind == INTEGER:
            return _whole(text)
        if kind == FLOAT:
            return float(text)
        if kind == LIST:
            return [item.strip().strip("'\"") for item in text.strip("[]").split(",") if item.strip()]
        if kind in (NESTED, TUPLE):
            return _literal(text, kind)
    except (ValueError, SyntaxError, TypeError, OverflowError) as error:
        raise UserError(f"Hyperparameter {name}: could not parse value '{text}' as {kind}", error) from None
    return text


def _whole(text: str) -> int:
    """``10``, and ``10.0`` as tuning sends it."""
    number = float(text)
    if number != int(number):
        raise ValueError(text)
    return int(number)


def _literal(text: str, kind: str) -> Any:
    value = ast.literal_eval(text)
    if kind == TUPLE:
        return tuple(value) if isinstance(value, (list, tuple)) else (int(value),)
    if not isinstance(value, (list, tuple)) or not all(isinstance(inner, (list, tuple)) for inner in value):
        raise ValueError(text)
    return [list(inner) for inner in value]


def _check_range(name: str, value: Any) -> None:
    parameter = HYPERPARAMETERS[name]
    if name == "eval_metric":
        for metric in value:
            _check_metric(metric)
    elif parameter.kind == NESTED:
        if any(item not in parameter.range for inner in value for item in inner):
            raise UserError(f"Hyperparameter {name}: value {value} not in range {parameter.range}")
    elif parameter.kind in (LIST, TUPLE):
        if any(item not in parameter.range for item in value):
            raise UserError(f"Hyperparameter {name}: value {value} not in range {_printed(parameter.range)}")
    elif value not in parameter.range:
        raise UserError(f"Hyperparameter {name}: {value} is not in {_printed(parameter.range)}")


def _check_metric(metric: str) -> None:
    name, at, threshold = (part.strip() for part in metric.partition("@"))
    if not at:
        if metric not in METRICS:
            raise UserError(f"Hyperparameter eval_metric: value {metric} not in range {list(METRICS)}")
        return
    if name not in WITH_THRESHOLD:
        raise UserError(
            f"Metric '{metric}' is not supported. Parameter 'eval_metric' with customized threshold should be one of "
            "these options: 'error', 'ndcg', 'map'."
        )
    try:
        float(threshold.rstrip("-"))
    except ValueError:
        raise UserError(f"Threshold value 't' in '{name}@t' expects float input.") from None


def _check_dependencies(values: Mapping[str, Any]) -> None:
    objective = values.get("objective")
    multiclass = objective in ("multi:softmax", "multi:softprob")
    if multiclass and "num_class" not in values:
        raise UserError("Require input for parameter 'num_class' for multi-classification")
    if not multiclass and "num_class" in values:
        raise UserError("Do not need to setup parameter 'num_class' for learning task other than multi-classification.")
    metrics = [metric.partition("@")[0] for metric in values.get("eval_metric", ())]
    if "auc" in metrics and not (objective or "").startswith(("binary:", "rank:", "multi:", "reg:logistic")):
        raise UserError("Metric 'auc' can only be applied for classification and ranking problems.")
    if "aft-nloglik" in metrics and objective != "survival:aft":
        raise UserError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")
    tree_method = values.get("tree_method")
    if "monotone_constraints" in values and tree_method not in ("exact", "hist"):
        raise UserError(
            "monotone_constraints can be used only when the tree_method parameter is set to either 'exact' or 'hist'."
        )
    if "interaction_constraints" in values and tree_method not in ("exact", "hist", "approx"):
        raise UserError(
            "interaction_constraints can be used only when the tree_method parameter is set to either 'exact', 'hist' "
            "or 'approx'."
        )
    if "updater" in values:
        _check_updater(values["updater"], values.get("booster"), values.get("process_type"))
    if values.get("use_dask_gpu_training") == "true":
        raise UserError("use_dask_gpu_training: training by Dask on several GPUs is not supported here.")


def _check_updater(updaters: list[str], booster: str | None, process_type: str | None) -> None:
    if booster == "gblinear":
        if len(updaters) != 1 or updaters[0] not in _LINEAR_UPDATERS:
            raise UserError("Linear updater should be one of these options: 'shotgun', 'coord_descent'.")
    elif process_type == "update":
        if not set(updaters) <= {"refresh", "prune"}:
            raise UserError("process_type 'update' can only be used with updater 'refresh' and 'prune'")
    elif not set(updaters) <= set(_TREE_UPDATERS):
        raise UserError(f"Tree updater should be selected from these options: {_printed(_TREE_UPDATERS)}.")
    elif sum(updater in _GROWING for updater in updaters) > 1:
        choice = _printed(_GROWING)
        raise UserError(f"Only one tree grow plugin can be selected. Choose one from the following: {choice}")


def _printed(values: Any) -> str:
    return str(list(values)) if isinstance(values, tuple) else str(values)
