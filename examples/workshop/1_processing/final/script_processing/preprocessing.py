"""A processing job: from sheets of drawings to arrays that a network can be trained with."""

import argparse
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


def save(folder, **arrays):
    """``<name>/<name>.npy`` below the folder for each: one folder for one output of the job."""
    for name, array in arrays.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        np.save(folder / name / f"{name}.npy", array)
        print(f"{name}: {array.shape} {array.dtype}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-dir", type=Path, default=Path("/opt/ml/processing"))
    base = parser.parse_args().base_dir
    X_train, X_val, y_train, y_val, X_test, y_test = preprocess_data(base / "source_data")
    save(base / "train", X_train=X_train, y_train=y_train)
    save(base / "validation", X_val=X_val, y_val=y_val)
    save(base / "test", X_test=X_test, y_test=y_test)


if __name__ == "__main__":
    main()
