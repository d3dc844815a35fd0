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
_WRAPPED = "subprocess.CalledProcessError"
# What programs write that know no more than an exit code: SDK v3's drivers, the training toolkit.
_SAYS_NOTHING = (_WRAPPED, "Training Execution failed. For more details", 'ErrorMessage ""')
_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Failure)(: .*)?$")


def failure_reason(failure_file: Path, log: Path, code: int, command: str | None = None) -> str:
    """The text for a process that ended with ``code``: what it wrote to /opt/ml/output/failure (after the exception in
    its log, where that is only about a program it started), else the last line of the traceback in its log.
    ``command`` is that of a script-mode job, which the toolkit's form quotes."""
    own = told(failure_file)
    if own:
        cause = _wrapped_exception(log) if any(words in own for words in _SAYS_NOTHING) else ""
        text = f"AlgorithmError: {cause}{own}, exit code: {code}"
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


def _wrapped_exception(log: Path) -> str:
    """The exception in a log that is not about a program's exit code, as a line; empty where there is none. Tracebacks
    may have lost their indentation on their way through the program that started the one that raised it."""
    lines = [_STAMP.sub("", line, count=1).strip() for line in _tail(log)]
    for start in range(len(lines) - 1, -1, -1):
        if lines[start].startswith("Traceback (most recent call last)"):
            for line in lines[start + 1 :]:
                if _RAISED.match(line) and not line.startswith(_WRAPPED):
                    return f"{line}\n"
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
