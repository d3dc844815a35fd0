"""From sheets of drawings to arrays that a network can be trained with."""

from pathlib import Path

import numpy as np

SIZE = 16


def read_sheet(path):
    """The drawings on a PGM sheet: an array (drawings, SIZE, SIZE) of bytes."""
    _, size, _, pixels = path.read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    sheet = np.frombuffer(pixels, np.uint8).reshape(height // SIZE, SIZE, width // SIZE, SIZE)
    return sheet.swapaxes(1, 2).reshape(-1, SIZE, SIZE)


def preprocess_data(local_folder):
    """X_train, X_val, y_train, y_val, X_test, y_test: 70, 15 and 15 of each 100. Classes count from 0, by name."""
    sheets = [read_sheet(path) for path in sorted(Path(local_folder).glob("*.pgm"))]
    if not sheets:
        raise SystemExit(f"there are no sheets (*.pgm) in {local_folder}")
    images = np.concatenate(sheets)[..., np.newaxis].astype(np.float32) / 255
    labels = np.repeat(np.arange(len(sheets)), [len(sheet) for sheet in sheets])
    order = np.random.default_rng(7).permutation(len(images))
    train, val, test = np.split(order, [int(0.7 * len(images)), int(0.85 * len(images))])
    return images[train], images[val], labels[train], labels[val], images[test], labels[test]


# TASK 3  Let the raw data come from /opt/ml/processing/source_data: pass that path as local_folder.
# TASK 4  Make this file a program that can be run by itself, as evaluation.py is in 0_monolith.
# TASK 5  Save each of the six arrays with np.save into a folder of its own, such as
#         /opt/ml/processing/train/X_train/X_train.npy
