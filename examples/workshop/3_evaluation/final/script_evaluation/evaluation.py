"""A processing job: the metrics of a training job's model, as a JSON file."""

import argparse
import json
import tarfile
from pathlib import Path

import keras
import numpy as np


def evaluate_model(model, X_test, y_test):
    """The metrics of the model for the test data. Precision, recall and F1 are means over the classes."""
    probabilities = model.predict(X_test, verbose=0)
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((probabilities.shape[1],) * 2, int)
    np.add.at(confusion, (y_test, predicted), 1)
    right = confusion.diagonal()
    precision = right / np.maximum(confusion.sum(axis=0), 1)
    recall = right / np.maximum(confusion.sum(axis=1), 1)
    f1 = 2 * right / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    return {
        "samples": len(y_test),
        "loss": float(-np.log(probabilities[np.arange(len(y_test)), y_test] + 1e-7).mean()),
        "accuracy": float(right.sum() / len(y_test)),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "f1": float(f1.mean()),
        "confusion_matrix": confusion.tolist(),
    }


def load_best_model(folder):
    """The model in the ``model.tar.gz`` of a training job, which lies in the folder."""
    with tarfile.open(folder / "model.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return keras.models.load_model(folder / "best_model.keras")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-dir", type=Path, default=Path("/opt/ml/processing"))
    base = parser.parse_args().base_dir
    X_test = np.load(base / "test" / "X_test" / "X_test.npy")
    y_test = np.load(base / "test" / "y_test" / "y_test.npy")
    metrics = evaluate_model(load_best_model(base / "model"), X_test, y_test)
    metrics_file_path = base / "evaluation" / "evaluation.json"
    metrics_file_path.parent.mkdir(parents=True, exist_ok=True)
    metrics_file_path.write_text(json.dumps(metrics, indent=2))
    print(f"accuracy on {metrics['samples']} drawings never seen: {metrics['accuracy']:.4f}")


if __name__ == "__main__":
    main()
