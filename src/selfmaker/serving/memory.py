"""The memory of processes and all that they started, as the kernel knows it."""

from pathlib import Path


def total_bytes(pids: list[int]) -> int:
    """The proportional memory (a page that n processes share counts as 1/n) of those processes and their descendants;
    processes that are gone count nothing."""
    seen: set[int] = set()
    waiting = list(pids)
    total = 0
    while waiting:
        pid = waiting.pop()
        if pid not in seen:
            seen.add(pid)
            total += _own_bytes(pid)
            waiting += _children(pid)
    return total


def _own_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]
    except OSError:
        return []
