"""From the data as they come to what your model gets: the hook ``preprocess``, and a main that runs as a job.

The job gets this file and nothing else of yours. Of the public data it gets inputs and targets, of the private data the
inputs alone: what you compute here must not need a target. Keep the order of the rows, and their number.
"""

import argparse

import pandas as pd

TARGETS = ["fails_within_24h", "fails_within_48h", "fails_within_72h"]
SENSORS = ["temperature", "vibration", "pressure", "speed"]


def preprocess(data: pd.DataFrame) -> pd.DataFrame:
    """One row of numbers for each row of ``data``, which may or may not have the targets."""
    inputs = data.drop(columns=TARGETS, errors="ignore")
    sensors = inputs.groupby("machine")[SENSORS].ffill().fillna(inputs[SENSORS].median())
    return pd.concat([sensors, inputs[["load", "hours_since_repair"]]], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", default="/opt/ml/processing/input/data.csv")
    parser.add_argument("--output", default="/opt/ml/processing/output/preprocessed.csv")
    options = parser.parse_args()
    # Without header and index: the file is cut into lines on its way to your input_fn.
    preprocess(pd.read_csv(options.input)).to_csv(options.output, header=False, index=False)


if __name__ == "__main__":
    main()
