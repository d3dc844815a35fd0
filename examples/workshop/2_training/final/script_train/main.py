"""The program that the training job starts: SageMaker's folders and hyperparameters in, train_model called."""

import argparse
import os
from pathlib import Path

import keras
import numpy as np
from training import create_cnn_model, train_model


def parse_arguments():
    """Hyperparameters arrive as arguments, folders as variables. Both can be given by hand on one's own machine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--X-train", default=os.environ.get("SM_CHANNEL_X_TRAIN"))
    parser.add_argument("--y-train", default=os.environ.get("SM_CHANNEL_Y_TRAIN"))
    parser.add_argument("--X-val", default=os.environ.get("SM_CHANNEL_X_VAL"))
    parser.add_argument("--y-val", default=os.environ.get("SM_CHANNEL_Y_VAL"))
    parser.add_argument("--model-output", default=os.environ.get("SM_MODEL_DIR", "model"))
    parser.add_argument("--checkpoint-dir", default="/opt/ml/checkpoints")
    parser.add_argument("--epochs", type=int, default=12)
    return parser.parse_args()


def load(folder, name):
    return np.load(Path(folder) / f"{name}.npy")


def main():
    arguments = parse_arguments()
    keras.utils.set_random_seed(7)
    X_train, y_train = load(arguments.X_train, "X_train"), load(arguments.y_train, "y_train")
    X_val, y_val = load(arguments.X_val, "X_val"), load(arguments.y_val, "y_val")
    for folder in (arguments.checkpoint_dir, arguments.model_output):
        Path(folder).mkdir(parents=True, exist_ok=True)
    model = create_cnn_model(X_train.shape[1:], int(y_train.max()) + 1)
    train_model(
        model,
        (X_train, y_train),
        (X_val, y_val),
        arguments.checkpoint_dir,
        arguments.model_output,
        epochs=arguments.epochs,
    )


if __name__ == "__main__":
    main()
