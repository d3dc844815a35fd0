"""The workshop's three finals, one after the other, against a local selfmaker server, and a summary of what came out.

``make examples`` runs this. The notebooks run as they are, in the environment of the SageMaker SDK v2; the times are
taken here, from the outside. ``--folder`` is where the server's home and a copy of the lab are made, anew each time.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SELFMAKER = Path(sys.executable).parent / "selfmaker"
SDK = ROOT / ".cache" / "sdk-v2" / "bin" / "python"
NOTEBOOKS = (
    "1_processing/final/pre-processing.ipynb",
    "2_training/final/training.ipynb",
    "3_evaluation/final/evaluation.ipynb",
)
METRICS = "3_evaluation/final/evaluation.json"
console = Console(highlight=False, soft_wrap=True)


def copy_lab(folder: Path) -> Path:
    """A copy of the lab, so that what the notebooks write is not written beside the originals."""
    lab = folder / "lab"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "raw_data", "processed", "evaluation.json")
    shutil.copytree(HERE, lab, ignore=ignored)
    return lab


def run(home: Path, lab: Path) -> tuple[int, dict[str, float]]:
    """Run the notebooks in one ``selfmaker run``. The exit code, and the seconds that each took, by name."""
    program = [str(SDK), str(lab / "run_notebooks.py"), *(str(lab / name) for name in NOTEBOOKS)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "SAGEMAKER_SUPPRESS_V2_WARNING": "1"}
    step, seconds, started = "start", {}, time.monotonic()
    with subprocess.Popen(
        [str(SELFMAKER), "run", "--home", str(home), "--", *program],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(">>> "):
                now = time.monotonic()
                seconds[step], step, started = now - started, line[4:].strip(), now
                console.rule(f"[bold]{step}[/bold]", style="cyan")
            else:
                print(line, end="", flush=True)
    seconds[step] = time.monotonic() - started
    return process.returncode, seconds


def print_summary(code: int, seconds: dict[str, float], metrics: dict[str, float]) -> None:
    console.rule("[bold]summary[/bold]", style="cyan")
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("what ran")
    table.add_column("SDK v2", justify="right")
    for step, taken in seconds.items():
        table.add_row(step, f"{taken:.1f} s")
    table.add_section()
    for name in ("samples", "accuracy", "f1"):
        table.add_row(f"{name} (test data)", f"{metrics[name]:.4g}" if metrics else "-", style="bold")
    table.add_row("ended", "well" if not code else f"exit code {code}")
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache" / "workshop")
    folder: Path = parser.parse_args().folder.resolve()
    for name in ("home", "lab"):
        shutil.rmtree(folder / name, ignore_errors=True)
    lab = copy_lab(folder)
    code, seconds = run(folder / "home", lab)
    metrics = json.loads((lab / METRICS).read_text()) if (lab / METRICS).exists() else {}
    print_summary(code, seconds, metrics)
    return code or int(not metrics)


if __name__ == "__main__":
    sys.exit(main())
