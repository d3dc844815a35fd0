"""A worker's process and its end, and what is left of workers whose server is gone."""

import asyncio
import contextlib
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from selfmaker.executors.protocol import Exit, RunHandle
from selfmaker.serving.channel import SocketChannel
from selfmaker.serving.output_log import OutputLog, PendingLog

_LAST_WORDS = 5.0  # seconds that a worker has to end by itself


class WorkerProcess:
    """A worker that is starting, ready or ending. All methods are for the event loop's thread.

    ``ended`` is done when the process is gone and its folder removed. Until then that holds a file ``pid``, by which a
    later server finds a worker that its own server's death left behind.
    """

    def __init__(self, handle: RunHandle, channel: SocketChannel, ended: "asyncio.Future[Exit]") -> None:
        self.handle = handle
        self.channel = channel
        self.ended = ended

    async def stop(self) -> None:
        """End the worker: a moment to finish by itself, then by force."""
        await self.channel.closed()
        done, _ = await asyncio.wait([self.ended], timeout=_LAST_WORDS)
        if not done:
            self.kill()
            await asyncio.wait([self.ended])

    def kill(self) -> None:
        """End the worker now."""
        self.handle.signal(signal.SIGKILL)


@dataclass(frozen=True)
class Spare:
    """A worker that waits for something to serve. ``run`` is its folder, with ``model`` and ``code`` in it, which it
    sees as its own; ``log`` holds what it says until its log is known."""

    process: WorkerProcess
    run: Path
    log: PendingLog


def end_left_behind(folder: Path) -> None:
    """Kill the workers that a server which is gone left anywhere below ``folder``, and remove what they had."""
    for note in folder.glob("**/pid"):
        with contextlib.suppress(OSError, ValueError):
            pid, started = note.read_text().split()
            if _started(int(pid)) == started:
                os.kill(int(pid), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def note_pid(path: Path, pid: int) -> None:
    path.write_text(f"{pid} {_started(pid)}")


def _started(pid: int) -> str:
    """The kernel's start time of a process, which tells it from a later one of that number; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def why(exit_: Exit, log: OutputLog) -> str:
    if exit_.launch_error:
        return exit_.launch_error
    if exit_.code > 128:
        name = signal.Signals(exit_.code - 128).name if exit_.code - 128 in set(signal.Signals) else str(exit_.code)
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the worker was ended by {name}{hint} while it loaded the model"
    said = log.last or "it printed nothing"
    return f"the worker ended with exit code {exit_.code} before its model was loaded: {said}"
