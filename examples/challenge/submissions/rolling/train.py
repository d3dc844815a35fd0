"""Train a model on the public data, and serve it: ``model_fn`` loads it, ``input_fn`` reads what it is to predict.

The main runs as a training job, one hour at most, in the scikit-learn image. The predictions are what the model's
``predict`` returns for what ``input_fn`` made of the lines of your preprocessed file: for each line the targets as they
are in the data, "yes" or "no", in their order.
"""

import argparse
import io
import os
import pickle
from pathlib import Path

import pandas as pd
from preprocess import TARGETS, preprocess
from sklearn.ensemble import RandomForestClassifier


def train(data_dir: str, model_dir: str) -> None:
    public = pd.read_csv(Path(data_dir) / "public.csv")
    model = RandomForestClassifier(
        n_estimators=60, min_samples_leaf=20, class_weight="balanced", n_jobs=-1, random_state=1
    )
    model.fit(preprocess(public).to_numpy(), public[TARGETS].to_numpy())
    save_model(model, model_dir)


def save_model(model, model_dir: str) -> None:
    with Path(model_dir, "model.pkl").open("wb") as file:
        pickle.dump(model, file)


def model_fn(model_dir: str):
    """The model that ``save_model`` has saved."""
    with Path(model_dir, "model.pkl").open("rb") as file:
        return pickle.load(file)


def input_fn(body, content_type: str):
    """Some lines of the preprocessed file, as the model wants them."""
    if content_type != "text/csv":
        raise ValueError(f"expected text/csv, got {content_type}")
    text = body.decode() if isinstance(body, bytes) else body
    return pd.read_csv(io.StringIO(text), header=None).to_numpy()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data_dir", default=os.environ.get("SM_CHANNEL_TRAINING", "/opt/ml/input/data/training"))
    parser.add_argument("--model_dir", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    options, _ = parser.parse_known_args()
    train(options.data_dir, options.model_dir)
