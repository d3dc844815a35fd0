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


class Checkpoints(keras.callbacks.Callback):
    """Saves the model after each epoch, and the best one, with the least loss on the validation data, apart.

    A file gets its name when it is whole, for an interruption may come at any time. The best model is kept beside the
    checkpoints too: what is in model_dir does not outlive an interruption.
    """

    def __init__(self, checkpoint_dir, model_dir):
        super().__init__()
        self.checkpoint_dir, self.best = Path(checkpoint_dir), Path(model_dir) / "best_model.keras"
        self.keepsake = self.checkpoint_dir / self.best.name
        self.least_loss = float("inf")

    def take_up(self, validation):
        """Put the best model of before an interruption back into model_dir, if there is one."""
        if self.keepsake.exists():
            shutil.copy(self.keepsake, self.best)
            self.least_loss = keras.models.load_model(self.keepsake).evaluate(*validation, verbose=0)[0]

    def save(self, path):
        unfinished = self.checkpoint_dir / "unfinished.keras"
        self.model.save(unfinished)
        unfinished.replace(path)

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < self.least_loss:
            self.least_loss = logs["val_loss"]
            self.save(self.keepsake)
            shutil.copy(self.keepsake, self.best)
        self.save(self.checkpoint_dir / f"checkpoint-{epoch + 1:03d}.keras")


def train_model(model, train, validation, checkpoint_dir, model_dir, *, epochs=12):
    """Train with ``(X, y)`` pairs, a checkpoint an epoch. Goes on from the newest checkpoint that is there."""
    checkpoints = Checkpoints(checkpoint_dir, model_dir)
    checkpoints.take_up(validation)
    checkpoint, done = latest_checkpoint(checkpoint_dir)
    if checkpoint:
        print(f"going on after epoch {done}", flush=True)
        model = keras.models.load_model(checkpoint)
    if done < epochs:
        model.fit(
            *train,
            validation_data=validation,
            epochs=epochs,
            initial_epoch=done,
            batch_size=32,
            callbacks=[checkpoints, keras.callbacks.LambdaCallback(on_epoch_end=print_metrics)],
            verbose=0,
        )
