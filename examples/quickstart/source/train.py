"""A training script as SageMaker runs it: what it needs to know comes in SM_* variables and hyperparameters."""

import argparse
import os
from pathlib import Path

import joblib
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, log_loss

LABEL = "benign"


def load(folder: str) -> tuple[pd.DataFrame, pd.Series]:
    """The features and labels of all CSV files of a channel."""
    table = pd.concat([pd.read_csv(path) for path in sorted(Path(folder).glob("*.csv"))])
    return table.drop(columns=LABEL), table[LABEL]


def model_fn(model_dir: str) -> RandomForestClassifier:
    """Called by the endpoint when it starts."""
    return joblib.load(Path(model_dir) / "model.joblib")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-estimators", type=int, default=100)
    parser.add_argument("--max-depth", type=int, default=None)
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    args = parser.parse_args()

    features, labels = load(args.train)
    print(f"training on {len(features)} rows of {features.shape[1]} features")
    model = RandomForestClassifier(n_estimators=args.n_estimators, max_depth=args.max_depth, random_state=0)
    model.fit(features.to_numpy(), labels)

    features, labels = load(args.validation)
    probabilities = model.predict_proba(features.to_numpy())
    print(f"validation accuracy: {accuracy_score(labels, probabilities.argmax(axis=1)):.4f};")
    print(f"validation loss: {log_loss(labels, probabilities):.4f};")
    joblib.dump(model, Path(args.model_dir) / "model.joblib")


if __name__ == "__main__":
    main()
