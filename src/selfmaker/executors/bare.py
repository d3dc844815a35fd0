"""A program of our own, run as it is: no sandbox. For what is trusted and must start sandboxes itself.

Imported by supervisors: only light parts of the standard library.
"""

import os
import subprocess
import threading

from selfmaker.errors import Invalid, Unavailable
from selfmaker.executors.protocol import Exit, RunSpec

BACKEND = "none"


class BareExecutor:
    """An Executor for programs that are ours. ``mounts``, ``hidden`` and ``network`` of a spec do not apply. A process
    ends when the one that started it dies only if it sees to that itself (its stdin is at its end then)."""

    def start(self, spec: RunSpec, output: int) -> "BareRun":
        """See Executor."""
        if not spec.argv:
            raise Invalid("there is no program to run: argv is empty")
        try:
            process = subprocess.Popen(
                spec.argv,
                env=dict(spec.environment),
                cwd=spec.directory,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )
        except OSError as error:
            raise Unavailable(f"{spec.argv[0]} could not be started: {error}") from error
        return BareRun(process)


class BareRun:
    """A RunHandle. Thread safe."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.pid = process.pid
        self._process = process
        self._lock = threading.Lock()

    def signal(self, number: int) -> None:
        """See RunHandle. What the program has started ends with it, by its own doing."""
        with self._lock:
            if self._process.returncode is None:
                os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> Exit | None:
        """See RunHandle."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        if self._process.stdin is not None:
            self._process.stdin.close()
        return Exit(code if code >= 0 else 128 - code)
