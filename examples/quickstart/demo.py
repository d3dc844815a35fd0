"""``make demo``: both quickstarts, unchanged, against a local selfmaker server, and a summary of what happened.

The steps are the ``>>>`` lines that the quickstarts print; their times are taken here, from the outside.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOME = ROOT / ".cache" / "demo"
SELFMAKER = Path(sys.executable).parent / "selfmaker"
START = "start and import the SDK"
console = Console(highlight=False, soft_wrap=True)


@dataclass
class Outcome:
    """What one quickstart did: seconds by step, in order, its accuracy as printed, and its exit code."""

    title: str
    seconds: dict[str, float] = field(default_factory=dict)
    accuracy: str = "-"
    code: int = 1


def run(version: str) -> Outcome:
    """Run the quickstart of one SDK in that SDK's environment, its output passed on line by line."""
    outcome = Outcome(f"SageMaker SDK {version}")
    script = HERE / f"quickstart_{version}.py"
    command = [str(SELFMAKER), "run", "--home", str(HOME), "--"]
    command += [str(ROOT / ".cache" / f"sdk-{version}" / "bin" / "python"), str(script)]
    console.rule(f"[bold]{outcome.title}[/bold]  selfmaker run -- python {script.relative_to(ROOT)}", style="cyan")
    step, started = START, time.monotonic()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command,
        cwd=HERE,
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
                outcome.seconds[step] = now - started
                step, started = line[4:].strip(), now
                console.print(f"\n[bold cyan]>>> {step}[/bold cyan]")
                continue
            print(line, end="", flush=True)
            found = re.match(r"accuracy on \d+ held-out rows: ([\d.]+)", line)
            outcome.accuracy = found.group(1) if found else outcome.accuracy
    outcome.seconds[step] = time.monotonic() - started
    outcome.code = process.returncode
    return outcome


def print_summary(outcomes: list[Outcome]) -> None:
    console.rule("[bold]summary[/bold]", style="cyan")
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("what ran")
    for outcome in outcomes:
        table.add_column(outcome.title, justify="right")
    for step in dict.fromkeys(step for outcome in outcomes for step in outcome.seconds):
        times = (outcome.seconds.get(step) for outcome in outcomes)
        table.add_row(step, *("-" if seconds is None else f"{seconds:.1f} s" for seconds in times))
    table.add_section()
    table.add_row("all", *(f"{sum(outcome.seconds.values()):.1f} s" for outcome in outcomes), style="bold")
    table.add_row("accuracy on held-out rows", *(outcome.accuracy for outcome in outcomes), style="bold")
    table.add_row("ended", *("well" if not outcome.code else f"exit code {outcome.code}" for outcome in outcomes))
    console.print(table)
    selfmaker = SELFMAKER.relative_to(ROOT) if SELFMAKER.is_relative_to(ROOT) else SELFMAKER
    home = HOME.relative_to(ROOT)
    console.print(
        "\nNo AWS account, no Docker: the same two scripts run on AWS as they are. Where to look next:\n"
        f"  {HERE.relative_to(ROOT)}/README.md        what the scripts do\n"
        f"  {selfmaker} run -- python yours.py   your own script against a server of its own\n"
        f"  {selfmaker} up --home {home}        serve what this demo left behind, then in another terminal\n"
        f"  {selfmaker} jobs --home {home}      its training jobs; logs NAME shows a job's log\n"
    )


def main() -> int:
    shutil.rmtree(HOME, ignore_errors=True)
    console.print(f"Home of this demo's server: {HOME} (made anew each time)")
    outcomes = [run("v2"), run("v3")]
    print_summary(outcomes)
    return int(any(outcome.code or outcome.accuracy == "-" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
