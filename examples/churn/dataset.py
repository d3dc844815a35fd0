"""Customers of a telecom that does not exist, in the columns of the churn data set: as many as you like.

python dataset.py customers.csv --rows 10000
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

STATES = (
    "AK AL AR AZ CA CO CT DC DE FL GA HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT NC ND NE NH NJ NM NV NY OH OK OR "
    "PA RI SC SD TN TX UT VA VT WA WI WV WY"
).split()
PERIODS = {"Day": (180, 54, 0.17), "Eve": (201, 51, 0.085), "Night": (201, 51, 0.045)}  # minutes: mean, spread; price


def generate(rows, seed=0):
    """The table. About one customer of seven leaves: those who call the service often, have an international plan and
    use it, or talk so much by day that the bill hurts."""
    random = np.random.default_rng(seed)
    table = {
        "State": random.choice(STATES, rows),
        "Account Length": np.clip(random.normal(101, 40, rows), 1, 243).astype(int),
        "Area Code": random.choice([408, 415, 510], rows, p=[0.25, 0.5, 0.25]),
        "Phone": [f"{number // 10_000}-{number % 10_000:04}" for number in random.integers(3_270_000, 4_230_000, rows)],
        "Int'l Plan": np.where(random.random(rows) < 0.1, "yes", "no"),
        "VMail Plan": np.where(random.random(rows) < 0.28, "yes", "no"),
    }
    mails = np.clip(random.normal(29, 7, rows), 4, 51).astype(int)
    table["VMail Message"] = np.where(table["VMail Plan"] == "yes", mails, 0)
    for period, (mean, spread, price) in PERIODS.items():
        minutes = np.clip(random.normal(mean, spread, rows), 0, None).round(1)
        table[f"{period} Mins"] = minutes
        table[f"{period} Calls"] = random.poisson(100, rows)
        table[f"{period} Charge"] = (minutes * price).round(2)
    minutes = np.clip(random.normal(10.2, 2.8, rows), 0, None).round(1)
    table["Intl Mins"] = minutes
    table["Intl Calls"] = random.poisson(4.5, rows)
    table["Intl Charge"] = (minutes * 0.27).round(2)
    table["CustServ Calls"] = random.poisson(1.56, rows)
    table["Churn?"] = np.where(_leave(table, random), "True.", "False.")
    return pd.DataFrame(table)


def _leave(table, random):
    by_day = table["Day Charge"] + table["Eve Charge"]
    abroad = (table["Int'l Plan"] == "yes") & ((table["Intl Mins"] > 12.5) | (table["Intl Calls"] < 3))
    annoyed = (table["CustServ Calls"] >= 4) & (by_day < 48)
    poor = (by_day > 63) & (table["VMail Plan"] == "no")
    return (abroad | annoyed | poor) ^ (random.random(len(by_day)) < 0.02)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = generate(options.rows, options.seed)
    table.to_csv(options.file, index=False)
    print(f"{len(table)} customers, {(table['Churn?'] == 'True.').mean():.1%} of them left: {options.file}")


if __name__ == "__main__":
    main()
