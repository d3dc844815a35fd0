"""Why a job failed, in the words in which AWS's FailureReason says it.

Imported by the supervisor: only light parts of the standard library.
"""

import re
from pathlib import Path

from selfmaker.contract.layout import read_start

LONGEST = 1024  # FailureReason's limit in the API

_KILLED = 137
_TAIL = 256 * 1024
_OURS = "selfmaker: "  # what the supervisor adds to a log
_STAMP = re.compile(r"^\d+ ")


def failure_reason(failure_file: Path, log: Path, code: int, command: str | None = None) -> str:
    """The text for a process that ended with ``code``: what it wrote to /opt/ml/output/failure, else the last line of
    the traceback in its log. ``command`` is that of a script-mode job, which the toolkit's form quotes."""
    own = told(failure_file)
    if own:
        text = f"AlgorithmError: {own}, exit code: {code}"
    elif command is None:
        text = f"AlgorithmError: {signal_text(code) or last_exception(log)}, exit code: {code}"
    else:
        text = script_failure(code, signal_text(code) or last_exception(log), command)
    return shortened(text, code)


def script_failure(code: int, message: str, command: str) -> str:
    """The training toolkit's form for a program of the user's that failed."""
    lines = ["ExecuteUserScriptError:", f"ExitCode {code}", f'ErrorMessage "{message}"']
    if code == _KILLED:
        lines.append('ExtraInfo "OutOfMemory: Process killed by SIGKILL (signal 9)"')
    lines.append(f'Command "{command}"')
    return "AlgorithmError: " + "\n".join(lines) + f", exit code: {code}"


def shortened(text: str, code: int) -> str:
    """At most LONGEST characters; the exit code at the end is kept."""
    if len(text) <= LONGEST:
        return text
    ending = f"..., exit code: {code}"
    return text[: LONGEST - len(ending)] + ending


def last_exception(log: Path) -> str:
    """The last line of the last traceback in a job's log; without a traceback, the last line that says something."""
    lines = [_STAMP.sub("", line, count=1) for line in _tail(log)]
    for start in range(len(lines) - 1, -1, -1):
        if lines[start].strip().startswith("Traceback (most recent call last)"):
            return _raised_in(lines[start + 1 :])
    return next((line.strip() for line in reversed(lines) if line.strip() and not line.startswith(_OURS)), "")


def signal_text(code: int) -> str:
    """What an exit code above 128 means, where that needs telling."""
    if code == _KILLED:
        return "the process was killed (SIGKILL); did the machine run out of memory?"
    if code == 139:
        return "the process crashed (SIGSEGV)"
    return ""


def _raised_in(lines: list[str]) -> str:
    """A traceback's body is indented; the first line that is not is the exception."""
    for line in lines:
        if line and not line[0].isspace():
            return line.strip()
    return ""


def told(path: Path) -> str:
    """What a job wrote to its failure file; empty when there is none."""
    content = read_start(path, 4 * LONGEST)
    return "" if content is None else content.decode("utf-8", "replace").strip()[:LONGEST]


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            start = max(0, file.tell() - _TAIL)
            file.seek(start)
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return lines[1:] if start else lines
