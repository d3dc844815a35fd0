"""What ``make test`` runs, in order: lint, unit, sdk-v2, sdk-v3; or only those named on the command line.

A suite that fails doesn't keep the next from running; the exit code is 1 when any failed.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
# The tests of a file stay together, in order. Each process has a server of its own; much of a test is waiting, so there
# is one process more than cores.
AT_ONCE = ["-n", str(min(4, (os.cpu_count() or 1) + 1)), "--dist", "loadfile"]


def sdk_suite(version: str, home: str) -> list[list[str]]:
    """The suite of one SDK, run by that SDK's own environment as a user runs a script: under ``selfmaker run``."""
    python = ROOT / ".cache" / f"sdk-{version}" / "bin" / "python"
    pytest = [str(python), "-m", "pytest", *AT_ONCE, "-c", "tests/sdk/sdk-environments.ini", f"tests/sdk/{version}"]
    return [[str(BIN / "selfmaker"), "run", "--home", home, "--", *pytest]]


def commands(suite: str, home: str) -> list[list[str]]:
    if suite == "lint":
        return [[str(BIN / "ruff"), "check", "."], [str(BIN / "mypy")]]
    if suite == "unit":
        return [[str(BIN / "python"), "-m", "pytest", *AT_ONCE]]
    return sdk_suite(suite.removeprefix("sdk-"), home)


def main(names: list[str]) -> int:
    results = []
    for suite in names or ["lint", "unit", "sdk-v2", "sdk-v3"]:
        with tempfile.TemporaryDirectory(prefix=f"selfmaker-{suite}-") as home:
            for command in commands(suite, home):
                print(f"\n== {suite}: {Path(command[0]).name}", flush=True)
                started = time.monotonic()
                code = subprocess.run(command, cwd=ROOT).returncode
                results.append((suite, Path(command[0]).name, code, time.monotonic() - started))
    print()
    for suite, program, code, seconds in results:
        print(f"{'passed' if code == 0 else 'FAILED'}  {suite:7} {program:10} {seconds:6.1f} s")
    return int(any(code for _, _, code, _ in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
