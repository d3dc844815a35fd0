"""The model on rows that it has not seen: evaluation.json, by which the pipeline decides, and which is registered.

Runs in the model's own image: predictions are made by oneDAL, as the endpoint will make them, and held against
XGBoost's own.
"""

import argparse
import json
import tarfile
from pathlib import Path

import daal4py
import numpy as np
import pandas as pd
import xgboost as xgb
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_score, recall_score, roc_auc_score

BASE = Path("/opt/ml/processing")
TOLERANCE = 1e-6


def main(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", type=Path, default=BASE)
    base = parser.parse_args(arguments).base
    with tarfile.open(base / "model" / "model.tar.gz") as archive:
        archive.extractall(base / "unpacked", filter="data")
    booster = xgb.Booster()
    booster.load_model(base / "unpacked" / "xgboost-model.json")
    table = pd.concat([pd.read_csv(path, header=None) for path in sorted((base / "test").rglob("*.csv"))])
    label, features = table.iloc[:, 0].to_numpy(), table.iloc[:, 1:].to_numpy(dtype=np.float64)

    probability = daal4py.mb.convert_model(booster).predict_proba(features)[:, 1]
    difference = float(np.abs(probability - booster.predict(xgb.DMatrix(features))).max())
    if difference > TOLERANCE:
        raise ValueError(f"oneDAL's predictions differ from XGBoost's by {difference:.2g}")
    report = metrics(label, probability)
    report["acceleration"] = {"largest_difference": {"value": difference, "standard_deviation": "NaN"}}
    (base / "evaluation").mkdir(parents=True, exist_ok=True)
    (base / "evaluation" / "evaluation.json").write_text(json.dumps(report, indent=1))
    print(json.dumps(report))


def metrics(label, probability):
    """In the form of the registry's model quality statistics."""
    predicted = (probability >= 0.5).astype(int)
    values = {
        "accuracy": accuracy_score(label, predicted),
        "precision": precision_score(label, predicted, zero_division=0),
        "recall": recall_score(label, predicted, zero_division=0),
        "f1": f1_score(label, predicted, zero_division=0),
        "auc": roc_auc_score(label, probability),
    }
    found = {name: {"value": float(value), "standard_deviation": "NaN"} for name, value in values.items()}
    matrix = confusion_matrix(label, predicted, labels=[0, 1])
    found["confusion_matrix"] = {str(i): {str(j): int(matrix[i][j]) for j in (0, 1)} for i in (0, 1)}
    return {"binary_classification_metrics": found}


if __name__ == "__main__":
    main()
