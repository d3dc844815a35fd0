"""How a submission is scored. You have this file to score for yourself; what counts is the organiser's copy.

F1 of "yes" for each horizon, weighted: a failure that is near counts most. The targets are in their original format.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

WEIGHTS = {"fails_within_24h": 0.5, "fails_within_48h": 0.3, "fails_within_72h": 0.2}
ANSWERS = ("yes", "no")
MESSAGE = Path("/opt/ml/output/message")  # what a processing job says at its end


class Unscorable(Exception):
    """The predictions cannot be scored; the message says what is wrong with them."""


def f1(predicted: list, actual: list) -> float:
    """F1 of the answer "yes"; 0 where neither side has one."""
    pairs = list(zip(predicted, actual, strict=True))
    hits = sum(p == a == "yes" for p, a in pairs)
    wrong = sum(p != a for p, a in pairs)
    return 2 * hits / (2 * hits + wrong) if hits or wrong else 0.0


def score(predictions: list, targets: list) -> dict:
    """``predictions`` are rows of answers, ``targets`` rows by name. Raises Unscorable."""
    if len(predictions) != len(targets):
        raise Unscorable(
            f"there are {len(predictions)} predictions for {len(targets)} rows: preprocess.py must keep every row, and "
            "predict must give one prediction for each"
        )
    for number, row in enumerate(predictions, start=1):
        if len(row) != len(WEIGHTS):
            raise Unscorable(
                f"prediction {number} has {len(row)} columns, expected {len(WEIGHTS)}: {', '.join(WEIGHTS)}"
            )
        strange = [answer for answer in row if answer not in ANSWERS]
        if strange:
            raise Unscorable(f"prediction {number} holds {strange[0]!r}: predict the targets as they are, yes or no")
    columns = list(zip(*predictions, strict=True))
    by_horizon = {
        name: f1(list(columns[place]) if columns else [], [row[name] for row in targets])
        for place, name in enumerate(WEIGHTS)
    }
    total = sum(weight * by_horizon[name] for name, weight in WEIGHTS.items())
    return {"score": round(total, 6), "rows": len(targets), "f1": {k: round(v, 6) for k, v in by_horizon.items()}}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--predictions", type=Path, default=Path("/opt/ml/processing/predictions"))
    parser.add_argument("--targets", type=Path, default=Path("/opt/ml/processing/targets"))
    parser.add_argument("--output", type=Path, default=Path("/opt/ml/processing/output/score.json"))
    options = parser.parse_args()
    try:
        scored = score(_rows(_one_file(options.predictions)), _named(_one_file(options.targets)))
    except (Unscorable, UnicodeDecodeError, csv.Error) as error:
        print(f"not scored: {error}", file=sys.stderr)
        if MESSAGE.parent.is_dir():
            MESSAGE.write_text(str(error))
        return 1
    options.output.write_text(json.dumps(scored, indent=2) + "\n")
    print(json.dumps(scored))
    return 0


def _one_file(path: Path) -> Path:
    if path.is_file():
        return path
    [found] = [entry for entry in sorted(path.rglob("*")) if entry.is_file()]
    return found


def _rows(path: Path) -> list:
    with path.open(newline="") as file:
        return [row for row in csv.reader(file) if row]


def _named(path: Path) -> list:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    sys.exit(main())
