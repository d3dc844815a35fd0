"""``make demo``: both quickstarts, unchanged, against a local selfmaker server, and a summary of what happened.

The two run at the same time, and what they print is shown one after the other. Their steps are the ``>>>`` lines that
they print; the times are taken here, from the outside.
"""

import io
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOME = ROOT / ".cache" / "demo"
SELFMAKER = Path(sys.executable).parent / "selfmaker"
START = "start, import the SDK"
# What the SDKs say of themselves: no defaults files, and (v3) the stream's name above each line of a job's log.
NOISE = re.compile(r"(\S+/algo-\d+-\d+:$|.*Not applying SDK defaults from location)")
VARIABLE = re.compile(r"[A-Za-z_][A-Z0-9_-]*=")  # SDK v3's driver lists all of the job's
console = Console(highlight=False, soft_wrap=True)


@dataclass
class Quickstart:
    """One run. ``seconds`` by step, in order; the accuracy as printed; ``lines`` that wait to be shown, then a None."""

    version: str
    seconds: dict[str, float] = field(default_factory=dict)
    accuracy: str = "-"
    code: int = 1
    lines: "queue.SimpleQueue[str | None]" = field(default_factory=queue.SimpleQueue)

    @property
    def script(self) -> Path:
        return HERE / f"quickstart_{self.version}.py"

    def run(self) -> None:
        """Run the script in its SDK's environment, as a user would."""
        python = ROOT / ".cache" / f"sdk-{self.version}" / "bin" / "python"
        command = [str(SELFMAKER), "run", "--home", str(HOME), "--", str(python), str(self.script)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "SAGEMAKER_SUPPRESS_V2_WARNING": "1"}
        with subprocess.Popen(
            command, cwd=HERE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdout is not None
            self._read(io.TextIOWrapper(process.stdout, errors="replace"))
        self.code = process.returncode
        self.lines.put(None)

    def _read(self, output: Iterable[str]) -> None:
        step, started = START, time.monotonic()
        for line in output:
            if line.startswith(">>> "):
                now = time.monotonic()
                self.seconds[step] = now - started
                step, started = line[4:].strip(), now
            found = re.match(r"accuracy on \d+ held-out rows: ([\d.]+)", line)
            self.accuracy = found.group(1) if found else self.accuracy
            self.lines.put(line)
        self.seconds[step] = time.monotonic() - started

    def show(self) -> None:
        """Print what the run prints, as it comes, to its end; lists of variables as their number."""
        title = f"[bold]SageMaker SDK {self.version}[/bold]"
        console.rule(f"{title}: selfmaker run -- python {self.script.name}", style="cyan")
        variables = 0
        while (line := self.lines.get()) is not None:
            if NOISE.match(line):
                continue
            if VARIABLE.match(line):
                variables += 1
                continue
            if variables:
                console.print(f"[dim]({variables} environment variables)[/dim]")
                variables = 0
            if line.startswith(">>> "):
                console.print(f"\n[bold cyan]{line.rstrip()}[/bold cyan]")
            else:
                print(line, end="", flush=True)
        print()


def print_summary(runs: list[Quickstart], seconds: float) -> None:
    console.rule("[bold]summary[/bold]", style="cyan")
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("what ran")
    for run in runs:
        table.add_column(f"SDK {run.version}", justify="right")
    for step in dict.fromkeys(step for run in runs for step in run.seconds):
        times = (run.seconds.get(step) for run in runs)
        table.add_row(step, *("-" if taken is None else f"{taken:.1f} s" for taken in times))
    table.add_section()
    table.add_row("all", *(f"{sum(run.seconds.values()):.1f} s" for run in runs), style="bold")
    table.add_row("accuracy on held-out rows", *(run.accuracy for run in runs), style="bold")
    table.add_row("ended", *("well" if not run.code else f"exit code {run.code}" for run in runs))
    console.print(table)
    console.print(f"\nBoth ran at the same time, in {seconds:.1f} s. No AWS account, no Docker; on AWS the same two")
    console.print("scripts run as they are. Where to look next:\n")
    selfmaker = SELFMAKER.relative_to(ROOT) if SELFMAKER.is_relative_to(ROOT) else SELFMAKER
    home = HOME.relative_to(ROOT)
    for what, why in (
        (f"{HERE.relative_to(ROOT)}/README.md", "what the scripts do"),
        (f"{selfmaker} run -- python yours.py", "your own script, with a server of its own"),
        (f"{selfmaker} up --home {home}", "serve what this demo left behind; then, in a second terminal:"),
        (f"{selfmaker} jobs --home {home}", "its training jobs; `logs NAME` shows a job's log"),
    ):
        console.print(f"  {what:<45} {why}")


def main() -> int:
    started = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)
    console.print(f"The server's home is {HOME.relative_to(ROOT)} (made anew each time).")
    runs = [Quickstart("v2"), Quickstart("v3")]
    threads = [threading.Thread(target=run.run) for run in runs]
    for thread in threads:
        thread.start()
    for run in runs:
        run.show()
    for thread in threads:
        thread.join()
    print_summary(runs, time.monotonic() - started)
    return int(any(run.code or run.accuracy == "-" for run in runs))


if __name__ == "__main__":
    sys.exit(main())
