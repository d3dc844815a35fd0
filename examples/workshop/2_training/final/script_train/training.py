"""The network, and its training."""

import shutil
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


def latest_checkpoint(checkpoint_dir):
    """The newest checkpoint and the number of epochs that are in it; (None, 0) where there is none."""
    found = sorted(Path(checkpoint_dir).glob("checkpoint-*.keras"))
    return (found[-1], int(found[-1].stem.rpartition("-")[2])) if found else (None, 0)


def train_model(model, train, validation, checkpoint_dir, model_dir, *, epochs=12):
    """Train with ``(X, y)`` pairs, a checkpoint an epoch. Goes on from the newest checkpoint that is there.

    The best model, the one with the least loss on the validation data, is kept beside the checkpoints too: what is in
    model_dir does not outlive an interruption.
    """
    keepsake, best = Path(checkpoint_dir) / "best_model.keras", Path(model_dir) / "best_model.keras"
    checkpoint, done = latest_checkpoint(checkpoint_dir)
    least_loss = None
    if checkpoint:
        print(f"going on after epoch {done} from {checkpoint}", flush=True)
        model = keras.models.load_model(checkpoint)
    if keepsake.exists():
        shutil.copy(keepsake, best)
        least_loss = keras.models.load_model(keepsake).evaluate(*validation, verbose=0)[0]
    if done >= epochs:
        return

    def keep_best(path):
        return keras.callbacks.ModelCheckpoint(
            path, monitor="val_loss", save_best_only=True, initial_value_threshold=least_loss
        )

    callbacks = [
        keep_best(best),
        keep_best(keepsake),
        keras.callbacks.ModelCheckpoint(Path(checkpoint_dir) / "checkpoint-{epoch:03d}.keras"),
        keras.callbacks.LambdaCallback(on_epoch_end=print_metrics),
    ]
    model.fit(
        *train,
        validation_data=validation,
        epochs=epochs,
        initial_epoch=done,
        batch_size=32,
        callbacks=callbacks,
        verbose=0,
    )
