"""Runs ``load.c``, compiled for this machine, as a process of its own: a light load, the same for all.

Where there is no C compiler, ``load.py`` does what it does.
"""

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Figures:
    """Requests a second, milliseconds, and milliseconds of the servers' processor time for a request."""

    rate: float
    p50: float
    p99: float
    cpu: float


@dataclass(frozen=True)
class Side:
    """One of those that are compared: where it listens, what it is sent, and the processes that are its."""

    name: str
    port: int
    pids: tuple[int, ...]
    request: bytes


def measure(side: Side, connections: int, seconds: float) -> Figures:
    """What the side does under so many connections. Ends the bench when an answer is not a 200."""
    pids = tree(side.pids)
    with tempfile.NamedTemporaryFile() as request:
        request.write(side.request)
        request.flush()
        before = cpu_seconds(pids)
        command = [*program(), str(side.port), str(connections), str(seconds), request.name]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        used = cpu_seconds(pids) - before
    first, *latencies = told.stdout.splitlines()
    count, failed, took = (float(word) for word in first.split())
    if told.returncode or failed:
        raise SystemExit(f"{side.name}: {failed:.0f} of {count:.0f} requests failed: {told.stderr[:500]}")
    sorted_ms = sorted(float(line) / 1000 for line in latencies)
    middle, high = sorted_ms[len(sorted_ms) // 2], sorted_ms[min(len(sorted_ms) - 1, len(sorted_ms) * 99 // 100)]
    return Figures(count / took, middle, high, used / count * 1000)


@cache
def program() -> tuple[str, ...]:
    """The command of the load, but for its arguments."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    made = Path(tempfile.mkdtemp(prefix="selfmaker-load-")) / "load"
    atexit.register(shutil.rmtree, made.parent, ignore_errors=True)
    if compiler is not None:
        built = subprocess.run([compiler, "-O2", "-o", made, HERE / "load.c"], capture_output=True, check=False)
        if built.returncode == 0:
            return (str(made),)
    print("no C compiler here: the load is a Python program, which takes more of the machine itself", file=sys.stderr)
    return (sys.executable, str(HERE / "load.py"))


def tree(pids: tuple[int, ...]) -> tuple[int, ...]:
    """Processes and all their descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    todo = list(pids)
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return tuple(found)


def cpu_seconds(pids: tuple[int, ...]) -> float:
    """User and system time that the processes have used so far."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
