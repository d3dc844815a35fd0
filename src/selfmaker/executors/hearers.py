# Paths are strings here: pathlib costs a forked child more than the child's own work.
# ruff: noqa: PTH115, PTH119, PTH123, PTH208
"""Whom a signal to a run is for: a shell that has no handler of it would die, and the program it waits for with it.

SDK v3's ModelTrainer, and many a container, start the user's script below shells. As process 1 of a container such a
shell isn't ended by SIGTERM; here the script behind it is told, so that it can save what it has.
"""

import os

_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "zsh", "busybox")


def hearers(pid: int, number: int) -> list[int]:
    """``pid``; or, where that is a shell that neither handles nor ignores the signal, the nearest processes below it
    that handle it, if there are any."""
    if not _is_shell(pid) or _in_mask(pid, b"SigCgt", number) or _in_mask(pid, b"SigIgn", number):
        return [pid]
    found = []
    below = _children(pid)
    while below:
        each = below.pop()
        if _in_mask(each, b"SigCgt", number):
            found.append(each)
        else:
            below += _children(each)
    return found or [pid]


def _is_shell(pid: int) -> bool:
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) in _SHELLS
    except OSError:
        return False


def _in_mask(pid: int, name: bytes, number: int) -> bool:
    """Whether a signal is in a process's set of that name, of proc_pid_status(5)."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            sets = dict(line.split(b":", 1) for line in file if line.startswith(b"Sig"))
    except OSError:
        return False
    return bool(int(sets[name], 16) >> (number - 1) & 1)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:
        pass  # it has ended
    return found
