"""Your submission on your own machine, step by step as the submission does it.

    python challenge.py train        train.py's main on data/public.csv
    python challenge.py preprocess   preprocess.py alone, once with the targets and once without
    python challenge.py predict      model_fn and input_fn on the preprocessed file
    python challenge.py score        score.py on the predictions
    python challenge.py all          one after the other

Whatever is made is in ``local/``. Needs pandas and scikit-learn 1.4, as the image has them: another version may score
otherwise.
"""

import argparse
import csv
import importlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCAL = HERE / "local"
MODEL, PREPROCESSED = LOCAL / "model", LOCAL / "preprocessed.csv"
PREDICTIONS, SCORE = LOCAL / "predictions.csv", LOCAL / "score.json"
SKLEARN = "1.4."
LINES = 5000  # that input_fn gets at a time; the platform sends as many as fit into 6 MB


def train(data: Path) -> None:
    shutil.rmtree(MODEL, ignore_errors=True)
    MODEL.mkdir(parents=True)
    variables = {"SM_CHANNEL_TRAINING": str(data), "SM_MODEL_DIR": str(MODEL)}
    _run([HERE / "train.py"], HERE, variables)
    if not any(MODEL.iterdir()):
        raise SystemExit("train.py has saved nothing: write your model into the folder that SM_MODEL_DIR names")


def preprocess(data: Path) -> None:
    """As on the platform: in a folder where there is no other file of yours."""
    alone = LOCAL / "alone"
    shutil.rmtree(alone, ignore_errors=True)
    alone.mkdir(parents=True)
    shutil.copy(HERE / "preprocess.py", alone)
    public = data / "public.csv"
    _run([alone / "preprocess.py", "--input", public, "--output", PREPROCESSED], alone, {})
    without = alone / "inputs.csv"
    _write_inputs(public, without)
    print("once more without the targets, as for the private data")
    _run([alone / "preprocess.py", "--input", without, "--output", alone / "preprocessed.csv"], alone, {})
    if (alone / "preprocessed.csv").read_bytes() != PREPROCESSED.read_bytes():
        raise SystemExit(
            "preprocess.py makes something else of the data when the targets are not there: don't use them"
        )


def predict(data: Path) -> None:
    sys.path.insert(0, str(HERE))
    module = importlib.import_module("train")
    model = module.model_fn(str(MODEL))
    read = getattr(module, "predict_fn", lambda rows, model: model.predict(rows))
    lines = PREPROCESSED.read_text().splitlines(keepends=True)
    with PREDICTIONS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for start in range(0, len(lines), LINES):
            made = read(module.input_fn("".join(lines[start : start + LINES]), "text/csv"), model)
            writer.writerows(row if hasattr(row, "__len__") and not isinstance(row, str) else [row] for row in made)


def score(data: Path) -> None:
    _run(
        [HERE / "score.py", "--predictions", PREDICTIONS, "--targets", data / "public.csv", "--output", SCORE], HERE, {}
    )


STEPS = {"train": train, "preprocess": preprocess, "predict": predict, "score": score}


def _run(command: list, folder: Path, variables: dict) -> None:
    done = subprocess.run([sys.executable, *map(str, command)], cwd=folder, env={**os.environ, **variables})
    if done.returncode:
        raise SystemExit(
            f"{Path(command[0]).name} ended with exit code {done.returncode}: its last lines above say why"
        )


def _write_inputs(public: Path, target: Path) -> None:
    with public.open(newline="") as source, target.open("w", newline="") as file:
        rows = csv.DictReader(source)
        kept = [name for name in rows.fieldnames or [] if not name.startswith("fails_within_")]
        writer = csv.DictWriter(file, kept, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("step", choices=[*STEPS, "all"])
    parser.add_argument("--data", type=Path, default=HERE / "data", help="the folder with public.csv")
    options = parser.parse_args()
    here = importlib.metadata.version("scikit-learn")
    if not here.startswith(SKLEARN):
        print(f"this is scikit-learn {here}, the image has {SKLEARN}x: the platform's score may be another")
    LOCAL.mkdir(exist_ok=True)
    for name in STEPS if options.step == "all" else (options.step,):
        print(f"== {name}", flush=True)
        STEPS[name](options.data.resolve())


if __name__ == "__main__":
    main()
