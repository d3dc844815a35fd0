"""Everything in one program: gets the data, prepares it, trains the network, evaluates it, writes the metrics.

``python evaluation.py``. With ``--bucket`` the raw data is taken from S3, and checkpoints, model and metrics go there.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np
from drawings import write_sheets
from preprocessing import preprocess_data
from training import create_cnn_model, train_model, upload_file


def download_data_from_s3(bucket_name, remote_folder, local_folder):
    import boto3

    Path(local_folder).mkdir(parents=True, exist_ok=True)
    for item in boto3.resource("s3").Bucket(bucket_name).objects.filter(Prefix=f"{remote_folder}/"):
        item.Object().download_file(str(Path(local_folder) / Path(item.key).name))


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


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bucket", help="S3 bucket; without one, everything stays on this machine")
    parser.add_argument("--remote-folder", default="workshop/raw_data", help="where the raw data is in the bucket")
    parser.add_argument("--local-folder", default="data")
    parser.add_argument("--output-dir", default="output")
    parser.add_argument("--epochs", type=int, default=12)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    keras.utils.set_random_seed(7)
    if arguments.bucket:
        print("downloading the data")
        download_data_from_s3(arguments.bucket, arguments.remote_folder, arguments.local_folder)
    else:
        print("making the data")
        write_sheets(arguments.local_folder)

    print("preprocessing")
    X_train, X_val, y_train, y_val, X_test, y_test = preprocess_data(arguments.local_folder)

    print("training")
    model = create_cnn_model(X_train.shape[1:], int(y_train.max()) + 1)
    train, validation = (X_train, y_train), (X_val, y_val)
    best = train_model(model, train, validation, arguments.output_dir, arguments.bucket, epochs=arguments.epochs)

    print("evaluating")
    metrics = evaluate_model(keras.models.load_model(best), X_test, y_test)
    metrics_file_path = Path(arguments.output_dir) / "evaluation.json"
    metrics_file_path.write_text(json.dumps(metrics, indent=2))
    if arguments.bucket:
        upload_file(metrics_file_path, arguments.bucket, "evaluation.json")
    print(f"accuracy on {metrics['samples']} drawings never seen: {metrics['accuracy']:.4f}")


if __name__ == "__main__":
    main()

# TASK 2  The job before this one left a model.tar.gz: unpack it and load best_model.keras from it with load_model.
# TASK 3  Preprocessing and training have jobs of their own now, and SageMaker moves the files: take all of that out.
# TASK 4  Write the metrics into a folder that is an output of the job.
