"""The network, and its training."""

from pathlib import Path

import keras


def create_cnn_model(input_shape, classes):
    """A small convolutional network, compiled."""
    model = keras.Sequential(
        [
            keras.layers.Input(input_shape),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def print_metrics(epoch, logs):
    """A line for each epoch on standard output."""
    print(
        f"epoch {epoch + 1}: train_loss={logs['loss']:.4f}; train_accuracy={logs['accuracy']:.4f}; "
        f"val_loss={logs['val_loss']:.4f}; val_accuracy={logs['val_accuracy']:.4f};",
        flush=True,
    )


def upload_file(path, bucket_name, key):
    import boto3

    boto3.client("s3").upload_file(str(path), bucket_name, key)


def train_model(model, train, validation, output_dir, bucket_name=None, *, epochs=12):
    """Train with ``(X, y)`` pairs. A checkpoint an epoch goes below output_dir, and to S3 where a bucket is given.

    Returns the path of the best model, the one with the least loss on the validation data.
    """
    checkpoints, best = Path(output_dir) / "checkpoints", Path(output_dir) / "best_model.keras"
    checkpoints.mkdir(parents=True, exist_ok=True)
    callbacks = [
        keras.callbacks.ModelCheckpoint(checkpoints / "checkpoint-{epoch:03d}.keras"),
        keras.callbacks.ModelCheckpoint(best, monitor="val_loss", save_best_only=True),
        keras.callbacks.LambdaCallback(on_epoch_end=print_metrics),
    ]
    model.fit(*train, validation_data=validation, epochs=epochs, batch_size=32, callbacks=callbacks, verbose=0)
    if bucket_name:
        for path in sorted(checkpoints.iterdir()):
            upload_file(path, bucket_name, f"checkpoints/{path.name}")
        upload_file(best, bucket_name, best.name)
    return best


# TASK 3  SageMaker moves the files: no upload is needed here any more.
# TASK 4  Checkpoints belong in one folder (/opt/ml/checkpoints), the best model in another (/opt/ml/model).
# TASK 5  A job that finds checkpoints goes on from the newest: a spot instance may be taken away at any time.
