"""The challenge's data: a made-up works whose machines wear, fail and are repaired, one row an hour.

    python generate_data.py --machines 12 --days 90 --folder data

writes three files. ``public.csv`` is what entrants get: the inputs and the targets of the first part of the time.
``private_inputs.csv`` and ``private_targets.csv`` are of the rest; entrants get neither.

A target says whether the machine fails within so many hours. Rows whose hours reach into the private time are left out
of the public file, so that no public row tells of what is to be predicted.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

HORIZONS = (24, 48, 72)
TARGETS = [f"fails_within_{hours}h" for hours in HORIZONS]
PUBLIC_SHARE = 0.65
START = pd.Timestamp("2025-01-01")


def machine(name: str, hours: int, random: np.random.Generator) -> pd.DataFrame:
    """One machine's life: wear that grows with the load, sensors that follow it, failures and repairs."""
    pace = random.uniform(0.6, 1.6) / (24 * 14)
    limit, wear, since = random.uniform(0.95, 1.05), random.uniform(0, 0.8), 0
    rows, failures = [], []
    for hour in range(hours):
        load = np.clip(0.6 + 0.3 * np.sin(2 * np.pi * hour / 24) + random.normal(0, 0.1), 0.05, 1.2)
        wear += pace * load * random.uniform(0.4, 1.6)
        since += 1
        stress = max(0.0, wear - 0.55)
        rows.append(
            (
                50 + 15 * load + 90 * stress**2 + random.normal(0, 2),
                1.2 + 0.5 * load + 16 * stress**2 + abs(random.normal(0, 0.4)),
                8 - 3 * stress + random.normal(0, 0.3),
                1500 * (0.4 + 0.6 * load) - 240 * stress + random.normal(0, 25),
                load,
                since,
            )
        )
        if wear >= limit:
            failures.append(hour)
            limit, wear, since = random.uniform(0.95, 1.05), random.uniform(0, 0.1), 0
    columns = ["temperature", "vibration", "pressure", "speed", "load", "hours_since_repair"]
    frame = pd.DataFrame(rows, columns=columns).round(4)
    frame.insert(0, "timestamp", START + pd.to_timedelta(np.arange(hours), unit="h"))
    frame.insert(0, "machine", name)
    gaps = random.random((hours, 4)) < 0.01  # a sensor that says nothing for an hour
    frame[columns[:4]] = frame[columns[:4]].mask(gaps)
    hour_of = np.arange(hours)
    following = np.append(failures, np.inf)
    left = following[np.searchsorted(following, hour_of, side="right")] - hour_of
    for horizon, target in zip(HORIZONS, TARGETS, strict=True):
        frame[target] = np.where(left <= horizon, "yes", "no")
    return frame


def generate(machines: int, days: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Public and private rows, inputs and targets together, in the order of time."""
    random = np.random.default_rng(seed)
    hours = days * 24
    frames = [machine(f"machine-{number:03d}", hours, random) for number in range(machines)]
    frame = pd.concat(frames).sort_values(["timestamp", "machine"], kind="stable")
    border = START + pd.Timedelta(hours=int(hours * PUBLIC_SHARE))
    end = START + pd.Timedelta(hours=hours - max(HORIZONS))  # later rows: nobody knows their targets
    public = frame[frame["timestamp"] < border - pd.Timedelta(hours=max(HORIZONS))]
    private = frame[(frame["timestamp"] >= border) & (frame["timestamp"] < end)]
    return public, private


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machines", type=int, default=12)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=Path("data"))
    options = parser.parse_args()
    if options.days < 20:
        parser.error("--days: at least 20, so that there is something on both sides of the border")
    public, private = generate(options.machines, options.days, options.seed)
    options.folder.mkdir(parents=True, exist_ok=True)
    public.to_csv(options.folder / "public.csv", index=False)
    private.drop(columns=TARGETS).to_csv(options.folder / "private_inputs.csv", index=False)
    private[TARGETS].to_csv(options.folder / "private_targets.csv", index=False)
    print(f"{len(public)} public rows, {len(private)} private rows of {options.machines} machines in {options.folder}")


if __name__ == "__main__":
    main()
