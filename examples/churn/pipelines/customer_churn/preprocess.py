"""Raw customers to features: categories become one column for each value, numbers are scaled.

The raw file is a CSV with the columns of the telecom data set. Written are train, validation and test rows, without
header and with the label first, and the fitted transformation, by which an application turns one raw customer into
features later: ``Transformation.load(path).transform(table)``.
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

BASE = Path("/opt/ml/processing")
CATEGORIES = ["state", "areacode", "intlplan", "vmailplan"]
NUMBERS = [
    "accountlength", "vmailmessage", "daymins", "daycalls", "daycharge", "evemins", "evecalls", "evecharge",
    "nightmins", "nightcalls", "nightcharge", "intlmins", "intlcalls", "intlcharge", "custservcalls",
]  # fmt: skip
LABEL = "churn"
PARTS = {"train": 0.70, "validation": 0.15, "test": 0.15}


def read_raw(path):
    """The table, with columns called by their letters alone: ``Int'l Plan`` and ``Int l Plan`` are both intlplan."""
    table = pd.read_csv(path)
    table.columns = [re.sub("[^a-z0-9]", "", name.lower()) for name in table.columns]
    missing = [name for name in [*CATEGORIES, *NUMBERS] if name not in table.columns]
    if missing:
        raise ValueError(f"{path} has no column {', '.join(missing)}")
    return table


def labels(table):
    """1 for those who left: the file says ``True.``, or True, yes, 1."""
    if LABEL not in table.columns:
        raise ValueError("the raw data has no column Churn")
    text = table[LABEL].astype(str).str.strip().str.rstrip(".?").str.lower()
    return text.isin(["true", "yes", "1"]).to_numpy(dtype=np.int64)


class Transformation:
    """What was learnt from the training rows: the values of each category, mean and deviation of each number."""

    def __init__(self, categories, means, deviations):
        self.categories, self.means, self.deviations = categories, means, deviations

    @classmethod
    def fit(cls, table):
        categories = {name: sorted(table[name].astype(str).str.strip().unique()) for name in CATEGORIES}
        numbers = table[NUMBERS].astype(float)
        deviations = numbers.std(ddof=0).replace(0, 1)
        return cls(categories, numbers.mean().to_dict(), deviations.to_dict())

    @classmethod
    def load(cls, path):
        told = json.loads(Path(path).read_text())
        return cls(told["categories"], told["means"], told["deviations"])

    def save(self, path):
        Path(path).write_text(json.dumps(vars(self), indent=1))

    @property
    def names(self):
        """The features in their order."""
        encoded = [f"{name}={value}" for name in CATEGORIES for value in self.categories[name]]
        return [*NUMBERS, *encoded]

    def transform(self, table):
        """The features of each row. A value that the training rows did not have belongs to no column."""
        columns = [(table[name].astype(float) - self.means[name]) / self.deviations[name] for name in NUMBERS]
        for name in CATEGORIES:
            values = table[name].astype(str).str.strip()
            columns += [(values == value).astype(float) for value in self.categories[name]]
        return np.column_stack(columns)


def split(count, seed):
    """For each part the numbers of its rows."""
    order, ends = np.random.default_rng(seed).permutation(count), np.cumsum(list(PARTS.values()))
    pieces = np.split(order, (ends[:-1] * count).round().astype(int))
    return {part: pieces[number] for number, part in enumerate(PARTS)}


def main(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", type=Path, default=BASE / "raw")
    parser.add_argument("--output", type=Path, default=BASE)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    files = sorted(options.input.rglob("*")) if options.input.is_dir() else [options.input]
    table = pd.concat([read_raw(path) for path in files if path.is_file()], ignore_index=True)
    label, parts = labels(table), split(len(table), options.seed)
    transformation = Transformation.fit(table.iloc[parts["train"]])
    features = transformation.transform(table)
    for part, rows in parts.items():
        folder = options.output / part
        folder.mkdir(parents=True, exist_ok=True)
        written = np.column_stack([label[rows], features[rows]])
        np.savetxt(folder / f"{part}.csv", written, delimiter=",", fmt=["%d"] + ["%.9g"] * features.shape[1])
        print(f"{part}: {len(rows)} rows, {label[rows].mean():.1%} of them left")
    (options.output / "transformation").mkdir(parents=True, exist_ok=True)
    transformation.save(options.output / "transformation" / "transformation.json")
    print(f"{len(transformation.names)} features")


if __name__ == "__main__":
    main()
