"""The sensors over the last half day and two days of each machine, beside what they say now."""

import argparse

import pandas as pd

TARGETS = ["fails_within_24h", "fails_within_48h", "fails_within_72h"]
SENSORS = ["temperature", "vibration", "pressure", "speed"]
WINDOWS = (12, 48)


def preprocess(data: pd.DataFrame) -> pd.DataFrame:
    machines = data.groupby("machine")
    sensors = machines[SENSORS].ffill().fillna(data[SENSORS].median())
    parts = [sensors, data[["load", "hours_since_repair"]]]
    by_machine = sensors.groupby(data["machine"])
    for window in WINDOWS:
        mean = by_machine.rolling(window, min_periods=1).mean().droplevel(0).reindex(data.index)
        parts.append(mean.add_suffix(f"_{window}"))
    return pd.concat(parts, axis=1).round(5)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", default="/opt/ml/processing/input/data.csv")
    parser.add_argument("--output", default="/opt/ml/processing/output/preprocessed.csv")
    options = parser.parse_args()
    preprocess(pd.read_csv(options.input)).to_csv(options.output, header=False, index=False)


if __name__ == "__main__":
    main()
