"""``make bench``: every bench, one table. ``python bench/run.py channel invoke`` runs only those."""

import importlib
import os
import platform
import sys
from pathlib import Path

from report import Row, print_table

HERE = Path(__file__).resolve().parent
BENCHES = (
    "training_job",
    "pipeline",
    "jobs",
    "environments",
    "s3",
    "channel",
    "invoke",
    "serverless",
    "transform",
    "accelerated",
)


def machine() -> str:
    """What the numbers were taken on, in a line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}, {python}"


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in names or [name for name in BENCHES if (HERE / f"{name}.py").exists()]:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(name).run()
    print(machine())
    print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
