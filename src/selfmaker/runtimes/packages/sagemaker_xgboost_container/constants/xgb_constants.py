from __future__ import annotations

MODEL_NAME = "xgboost-model"
TRAIN_CHANNEL = "train"
VAL_CHANNEL = "validation"

# A greater value is the better one.
XGB_MAXIMIZE_METRICS = [
    "accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "interval-regression-accuracy",
    "map", "ndcg", "precision", "precision_macro", "precision_micro", "r2", "recall", "recall_macro", "recall_micro",
]  # fmt: skip
XGB_MINIMIZE_METRICS = [
    "aft-nloglik", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik", "logloss", "mae", "mape", "merror",
    "mlogloss", "mphe", "mse", "poisson-nloglik", "rmse", "rmsle", "tweedie-nloglik",
]  # fmt: skip

# What XGBoost says when the data or the hyperparameters are at fault.
CUSTOMER_ERRORS = [
    "label must be in [0,1] for logistic regression",
    "label must be in [0, num_class)",
    "feature_names mismatch",
    "Check failed: preds.size() == info.labels_.size()",
    "the dataset only contains pos or neg samples",
    "base_score must be in (0,1) for logistic loss",
    "label must be nonnegative",
    "label must be positive",
    "Parameter reg_lambda should be greater equal to 0",
    "Invalid Input",
    "should be smaller than num_class",
]
