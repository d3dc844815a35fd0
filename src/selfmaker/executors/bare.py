"""A program of our own, run as it is: no sandbox. For what is trusted and must start sandboxes itself.

Imported by supervisors: only light parts of the standard library.
"""

import subprocess

from selfmaker.errors import Invalid, Unavailable
from selfmaker.executors.protocol import Exit, RunSpec

BACKEND = "none"


class BareExecutor:
    """An Executor for programs that are ours: of the spec only ``argv`` and ``directory`` apply, and the environment is
    the starter's own. The program learns that its starter is gone from its stdin, which is at its end then."""

    def start(self, spec: RunSpec, output: int) -> "BareRun":
        """See Executor."""
        if not spec.argv:
            raise Invalid("there is no program to run: argv is empty")
        try:
            process = subprocess.Popen(
                spec.argv, cwd=spec.directory, stdin=subprocess.PIPE, stdout=output, stderr=output
            )
        except OSError as error:
            raise Unavailable(f"{spec.argv[0]} could not be started: {error}") from error
        return BareRun(process)


class BareRun:
    """A RunHandle. Thread safe. What the program has started ends with it by the program's own doing."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.pid = process.pid
        self._process = process

    def signal(self, number: int) -> None:
        """See RunHandle."""
        self._process.send_signal(number)

    def wait(self, timeout: float | None = None) -> Exit | None:
        """See RunHandle."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        if self._process.stdin is not None:
            self._process.stdin.close()
        return Exit(code if code >= 0 else 128 - code)
