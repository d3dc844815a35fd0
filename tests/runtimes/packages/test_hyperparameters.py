from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("stand_ins")

BASE = {"num_round": "10"}


def validated(**given: str) -> dict[str, Any]:
    from sagemaker_xgboost_container.algorithm_mode.hyperparameters import validated

    return dict(validated({**BASE, **given}))


def refused(**given: str) -> str:
    from sagemaker_algorithm_toolkit.exceptions import UserError

    with pytest.raises(UserError) as caught:
        validated(**given)
    return str(caught.value)


def test_values_have_their_types() -> None:
    values = validated(
        eta="0.3", max_depth="5.0", objective='"multi:softmax"', num_class="3", eval_metric="merror, accuracy",
        tree_method="hist", monotone_constraints="(1,0,-1)", interaction_constraints="[[0,1],[2]]", seed="-5",
    )  # fmt: skip
    assert values == {
        "num_round": 10,
        "eta": 0.3,
        "max_depth": 5,
        "objective": "multi:softmax",
        "num_class": 3,
        "eval_metric": ["merror", "accuracy"],
        "tree_method": "hist",
        "monotone_constraints": (1, 0, -1),
        "interaction_constraints": [[0, 1], [2]],
        "seed": -5,
    }


@pytest.mark.parametrize(
    ("alias", "name"),
    [("learning_rate", "eta"), ("min_split_loss", "gamma"), ("reg_lambda", "lambda"), ("reg_alpha", "alpha")],
)
def test_xgboosts_own_names_are_aliases(alias: str, name: str) -> None:
    assert validated(**{alias: "0.5"})[name] == 0.5
    assert name in refused(**{alias: "0.5", name: "0.5"})


def test_what_the_sdks_add_is_passed_over() -> None:
    assert validated(sagemaker_region='"us-east-1"') == {"num_round": 10}


def test_num_round_is_required() -> None:
    from sagemaker_algorithm_toolkit.exceptions import UserError
    from sagemaker_xgboost_container.algorithm_mode.hyperparameters import validated

    with pytest.raises(UserError, match="Missing required hyperparameter: num_round"):
        validated({})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"eta": "2"}, "Hyperparameter eta: 2.0 is not in [0, 1]"),
        ({"subsample": "0"}, "Hyperparameter subsample: 0.0 is not in (0, 1]"),
        ({"num_round": "0"}, "Hyperparameter num_round: 0 is not in [1, +inf)"),
        ({"max_depth": "deep"}, "Hyperparameter max_depth: could not parse value 'deep' as integer"),
        ({"max_depth": "2.5"}, "Hyperparameter max_depth: could not parse value '2.5' as integer"),
        ({"max_depth": "inf"}, "Hyperparameter max_depth"),
        ({"eta": "nan"}, "Hyperparameter eta"),
        ({"booster": "gbdt"}, "Hyperparameter booster: gbdt is not in ['gbtree', 'gblinear', 'dart']"),
        ({"epochs": "3"}, "Extraneous hyperparameter found: epochs"),
        ({"eval_metric": "rmse,nonsense"}, "eval_metric: value nonsense"),
        ({"eval_metric": "rmse@5"}, "Metric 'rmse@5' is not supported"),
        ({"eval_metric": "error@high"}, "expects float input"),
        ({"eval_metric": "auc"}, "Metric 'auc' can only be applied"),
        ({"eval_metric": "aft-nloglik"}, "'survival:aft'"),
        ({"objective": "multi:softmax"}, "Require input for parameter 'num_class'"),
        ({"objective": "reg:squarederror", "num_class": "3"}, "Do not need to setup parameter 'num_class'"),
        ({"monotone_constraints": "(1,0)"}, "either 'exact' or 'hist'"),
        ({"monotone_constraints": "(1,5)", "tree_method": "hist"}, "monotone_constraints: value (1, 5)"),
        ({"monotone_constraints": "__import__('os')", "tree_method": "hist"}, "could not parse value"),
        ({"interaction_constraints": "[0,1]", "tree_method": "hist"}, "could not parse value"),
        ({"updater": "grow_colmaker,grow_histmaker"}, "Only one tree grow plugin"),
        ({"updater": "shotgun"}, "Tree updater should be selected"),
        ({"updater": "prune", "booster": "gblinear"}, "Linear updater should be"),
        ({"updater": "grow_colmaker", "process_type": "update"}, "process_type 'update'"),
        ({"_tuning_objective_metric": "validation:nonsense"}, "_tuning_objective_metric"),
        ({"save_model_on_termination": "yes"}, "save_model_on_termination"),
        ({"use_dask_gpu_training": "true"}, "use_dask_gpu_training"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, str], message: str) -> None:
    assert message in refused(**given)


@pytest.mark.parametrize("metric", ["error@0.7", "ndcg@5", "map@3-", "auc", "accuracy"])
def test_metrics_that_are_fine(metric: str) -> None:
    assert validated(objective="binary:logistic", eval_metric=metric)["eval_metric"] == [metric]
