"""How a job ended, worked out in the supervisor: what to publish, and the reason where it failed.

Imported by the supervisor: only light parts of the standard library and of ours.
"""

from pathlib import Path
from typing import Any

from selfmaker.contract.artifacts import copy_tree, pack
from selfmaker.contract.failure import failure_reason, last_exception, shortened, signal_text, told
from selfmaker.contract.layout import Layout
from selfmaker.executors.protocol import Exit
from selfmaker.jobs.folder import JobFolder

MODEL, OUTPUT = "model", "output"
TRAINING, PROCESSING, TRANSFORM = "training", "processing", "transform"


def conclude(
    folder: JobFolder, plan: dict[str, Any], exits: dict[str, Exit], ending: str | None, problem: str | None
) -> dict[str, Any]:
    """Pack the artifacts; the members of the ``ended`` event. ``ending``: why it was told to end, if it was;
    ``problem``: why it could not be started, if it couldn't."""
    layouts = [Layout(folder.host(host["name"]) / "ml") for host in plan["hosts"]]
    if exits and plan["kind"] == TRAINING and ending != "interrupted":
        for name, folders in (
            (MODEL, [layout.model for layout in layouts]),
            (OUTPUT, [layout.output_data for layout in layouts]),
        ):
            _collect(folders, folder.artifacts / name, plan["compressed"])
    if ending is not None:
        return {"outcome": ending, "exit_code": _worst(exits)}
    if problem is not None:
        return {"outcome": "failed", "failure": shortened(_as_reason(problem), 1)}
    failed = next(((host, ended) for host, ended in exits.items() if ended.code != 0), None)
    if failed is None:
        return {"outcome": "completed", "exit_code": 0}
    host, ended = failed
    return {"outcome": "failed", "exit_code": ended.code, "failure": _failure(folder, plan, host, ended)}


def _failure(folder: JobFolder, plan: dict[str, Any], host: str, ended: Exit) -> str:
    if ended.launch_error is not None:
        return shortened(f"AlgorithmError: {ended.launch_error}, exit code: {ended.code}", ended.code)
    layout = Layout(folder.host(host) / "ml")
    if plan["kind"] == TRANSFORM:  # a program of ours, which says its reason whole
        said = signal_text(ended.code) or last_exception(folder.log(host)) or f"exit code {ended.code}"
        reason = told(layout.failure) or f"InternalServerError: {said}"
        return shortened(reason, ended.code)
    return failure_reason(layout.failure, folder.log(host), ended.code, plan.get("command"))


def _collect(folders: list[Path], target: Path, compressed: bool) -> None:
    """``target``.tar.gz, or a folder ``target``; nothing when there is nothing."""
    if not any(any(folder.iterdir()) for folder in folders if folder.is_dir()):
        return
    if compressed:
        pack(folders, target.with_name(target.name + ".tar.gz"))
    else:
        copy_tree(folders, target)


def _worst(exits: dict[str, Exit]) -> int | None:
    return max((ended.code for ended in exits.values()), default=None)


def _as_reason(problem: str) -> str:
    known = ("AlgorithmError", "ClientError", "InternalServerError", "CustomerError")
    return problem if problem.startswith(known) else f"ClientError: {problem}"
