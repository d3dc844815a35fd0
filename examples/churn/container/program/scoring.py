"""The churn model and its predictions, by oneDAL where it can be had and by XGBoost otherwise.

ACCELERATED=0 in the environment takes XGBoost's own prediction. Both give the same numbers, up to 1e-6.
"""

import functools
import os
from pathlib import Path

import numpy as np
import xgboost as xgb

FILE = "xgboost-model.json"
ACCELERATED = os.environ.get("ACCELERATED", "1") != "0"


@functools.lru_cache(maxsize=1)
def model():
    """The model of this container."""
    return load(Path("/opt/ml/model"), ACCELERATED)


def load(folder, accelerated=True):
    """The model in ``folder``: oneDAL's form of it, or XGBoost's."""
    booster = xgb.Booster()
    booster.load_model(Path(folder) / FILE)
    return accelerate(booster) if accelerated else booster


def accelerate(booster):
    """oneDAL's form of an XGBoost model."""
    import daal4py

    return daal4py.mb.convert_model(booster)


def predict(model, rows):
    """The probability of churn for each row."""
    rows = np.ascontiguousarray(rows)
    if rows.shape[1] != features(model):
        raise ValueError(f"a row has {rows.shape[1]} features, the model {features(model)}")
    if isinstance(model, xgb.Booster):
        return model.inplace_predict(rows)
    return model.predict_proba(rows)[:, 1]


def features(model):
    return model.num_features() if isinstance(model, xgb.Booster) else model.n_features_in_
