"""The data of both quickstarts: the breast cancer measurements that scikit-learn carries, split in three."""

from pathlib import Path

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

LABEL = "benign"


def write_channels(folder: Path) -> pd.DataFrame:
    """Write train/train.csv and validation/validation.csv below ``folder``; return the rows held out from both."""
    table = load_breast_cancer(as_frame=True).frame.rename(columns={"target": LABEL})
    rest, held_out = train_test_split(table, test_size=0.2, random_state=0, stratify=table[LABEL])
    train, validation = train_test_split(rest, test_size=0.2, random_state=0, stratify=rest[LABEL])
    for name, part in (("train", train), ("validation", validation)):
        (folder / name).mkdir(parents=True)
        part.to_csv(folder / name / f"{name}.csv", index=False)
    return held_out
