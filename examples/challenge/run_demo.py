"""The challenge from its opening to its leaderboard: data, an entrant's local run, two submissions, the ranking.

``make examples`` runs this. The submissions run as they are, in the environment of the SageMaker SDK v2, against a
server of their own; ``--folder`` is where everything is made, anew each time.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from selfmaker.runtimes.environments import Environments

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SELFMAKER = Path(sys.executable).parent / "selfmaker"
SDK = ROOT / ".cache" / "sdk-v2" / "bin" / "python"
IMAGE = "sagemaker-scikit-learn:1.4-2-cpu-py3"
ENTRANTS = {"template": HERE / "template", "rolling means": HERE / "submissions" / "rolling"}
console = Console(highlight=False, soft_wrap=True)


def step(title: str, command: list[object], folder: Path) -> None:
    console.rule(f"[bold]{title}[/bold]", style="cyan")
    started = time.monotonic()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "SAGEMAKER_SUPPRESS_V2_WARNING": "1"}
    subprocess.run([str(part) for part in command], cwd=folder, env=environment, check=True)
    console.print(f"{time.monotonic() - started:.1f} s", style="dim")


def python_of_the_image() -> Path:
    """What an entrant has at home: an interpreter with the packages of the scikit-learn image."""
    place = Path(os.environ.get("SELFMAKER_ENVIRONMENTS", ROOT / ".cache" / "environments"))
    return Environments(place).for_image(IMAGE, None, console.print)[1].python


def demo(folder: Path, machines: int, days: int) -> None:
    data, home = folder / "data", folder / "home"
    organiser = HERE / "organiser"
    size = ["--machines", machines, "--days", days]
    step("the data", [SDK, HERE / "generate_data.py", *size, "--folder", data], folder)
    entrant = folder / "entrant"
    shutil.copytree(HERE / "template", entrant, ignore=shutil.ignore_patterns("data", "local", "__pycache__"))
    (entrant / "data").mkdir()
    shutil.copy(data / "public.csv", entrant / "data")
    step("an entrant, at home", [python_of_the_image(), "challenge.py", "all"], entrant)
    run = [SELFMAKER, "run", "--home", home, "--", SDK]
    step("the challenge opens", [*run, organiser / "submit.py", "open", "--data", data], folder)
    for name, code in ENTRANTS.items():
        command = [*run, organiser / "submit.py", "run", "--entrant", name, "--folder", code]
        step(f"submission: {name}", command, folder)
    ranking = [*run, organiser / "leaderboard.py", "--folder", folder / "leaderboard"]
    step("the leaderboard", ranking, folder)
    step("the end: the private scores", [*ranking, "--final"], folder)
    console.print(f"table and picture: {folder / 'leaderboard'}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache" / "challenge")
    parser.add_argument("--machines", type=int, default=12)
    parser.add_argument("--days", type=int, default=90)
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    for name in ("data", "entrant", "home", "leaderboard"):
        shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        demo(folder, options.machines, options.days)
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
