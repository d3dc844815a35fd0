"""``demo.py`` against a local selfmaker server of its own, and a summary: what ``make examples`` runs.

``--folder`` is where the server's home is made, anew each time; ``--data`` a raw CSV in place of generated customers.
"""

import argparse
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
console = Console(highlight=False, soft_wrap=True)


def run(home: Path, arguments: list[str]) -> tuple[int, dict[str, float], list[str]]:
    """The exit code, the seconds that each step took, and the accuracies as printed."""
    program = [str(SDK), str(HERE / "demo.py"), "--selfmaker", str(SELFMAKER), *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "SAGEMAKER_SUPPRESS_V2_WARNING": "1"}
    environment |= {"SELFMAKER_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    step, seconds, accuracies, started = "start, import the SDK", {}, [], time.monotonic()
    command = [str(SELFMAKER), "run", "--home", str(home), "--", *program]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(">>> "):
                now = time.monotonic()
                seconds[step], step, started = now - started, line[4:].strip(), now
                console.rule(f"[bold]{step}[/bold]", style="cyan")
                continue
            if line.startswith("accuracy on "):
                accuracies.append(line.strip())
            print(line, end="", flush=True)
    return process.returncode, seconds, accuracies


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache" / "churn")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, default=5000)
    options = parser.parse_args()
    home = options.folder.resolve() / "home"
    shutil.rmtree(home, ignore_errors=True)
    declare = [str(SELFMAKER), "images", "add", "--home", str(home), str(HERE / "container")]
    subprocess.run(declare, check=True)
    given = ["--data", str(options.data.resolve())] if options.data else ["--rows", str(options.rows)]
    code, seconds, accuracies = run(home, given)
    table = Table(title="examples/churn", title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for step, taken in seconds.items():
        table.add_row(step, f"{taken:.1f}")
    console.print(table)
    for line in accuracies:
        console.print(line)
    return code


if __name__ == "__main__":
    sys.exit(main())
