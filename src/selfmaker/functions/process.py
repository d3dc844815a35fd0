"""One process of a function: its sandbox, the line to it, and its log."""

import contextlib
import json
import os
import re
import signal
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfmaker import clock
from selfmaker.executors.protocol import Executor, Mount, RunSpec
from selfmaker.functions import program
from selfmaker.functions.plan import FunctionPlan, Invocation, Outcome
from selfmaker.runtimes.base import Environment
from selfmaker.serving.output_log import LONGEST_LINE, OutputLog

START_SECONDS = 60.0

_OURS = "/opt/selfmaker/function"
_TASK = "/var/task"
_TAIL = 4096
_SENTINEL = re.compile(rb"\0END ([0-9a-f-]+)\n")
_LAST_WORDS = 2.0


class ProcessEnded(Exception):
    """The process is gone."""


@dataclass(frozen=True)
class Surroundings:
    """What every function's process has about it, and host paths that are out of its reach."""

    executor: Executor
    mounts: tuple[Mount, ...]
    hidden: tuple[Path, ...]


class FunctionProcess:
    """Serves one call at a time: its owner sees to that. ``run`` is a folder of its own, the caller's to remove.

    Made, it has loaded the handler, or it is not ``alive`` and ``failure`` says why. Raises what Executor.start does.
    """

    def __init__(
        self, plan: FunctionPlan, environment: Environment, around: Surroundings, run: Path, log: Path
    ) -> None:
        self.plan = plan
        self.run = run
        self.idle_since = time.monotonic()
        self.failure = ""
        self.alive = True
        self._code = 0
        self._log = OutputLog(log)
        self._said: deque[bytes] = deque(maxlen=4096)
        self._drained = threading.Event()
        (run / "scratch").mkdir(mode=0o700, parents=True)
        (run / "line").mkdir(mode=0o700)
        started = time.monotonic()
        with _listen(run / "line") as listener:
            self._start(_run_spec(plan, environment, around, run), around.executor)
            self._line = self._accept(listener, started + START_SECONDS)
        self._await_ready(started + START_SECONDS)
        self._init_ms: float | None = (time.monotonic() - started) * 1000

    def invoke(self, call: Invocation) -> Outcome:
        """Raises nothing: whatever happens is the call's outcome. The process may not be ``alive`` afterwards."""
        self._said.clear()
        self._drained.clear()
        self._say(f"START RequestId: {call.request_id} Version: {self.plan.version}")
        started = time.monotonic()
        memory, failed = 0, True
        try:
            if not self.alive:
                raise ProcessEnded
            header, payload = self._exchange(call)
            failed, memory = header["kind"] != "result", header["memory"]
            self._drained.wait(_LAST_WORDS)
            if header["last"]:
                self._end_process()
        except TimeoutError:
            payload = self._timed_out(call)
        except (ProcessEnded, OSError):
            payload = self._exited(call)
        self._report(call, (time.monotonic() - started) * 1000, memory)
        self.idle_since = time.monotonic()
        return Outcome(payload, failed, b"".join(line + b"\n" for line in self._said)[-_TAIL:])

    def kill(self) -> None:
        """End the process now, from another thread: the call that is under way fails."""
        self._handle.signal(signal.SIGKILL)

    def close(self) -> None:
        """End the process now, and its log. Nothing may be called afterwards."""
        self._handle.signal(signal.SIGKILL)
        self._end_process()
        self._log.close()

    # -- the process

    def _start(self, spec: RunSpec, executor: Executor) -> None:
        read, write = os.pipe()
        try:
            self._handle = executor.start(spec, write)
        except BaseException:
            os.close(read)
            self._log.close()
            raise
        finally:
            os.close(write)
        self._pump = threading.Thread(target=self._read_output, args=(read,), name="selfmaker-function", daemon=True)
        self._pump.start()

    def _accept(self, listener: socket.socket, deadline: float) -> socket.socket:
        """The line to the process; one that is closed when the process never asked for it."""
        while self._pump.is_alive() and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                return listener.accept()[0]
        nobody, other = socket.socketpair()
        other.close()
        return nobody

    def _await_ready(self, deadline: float) -> None:
        try:
            self._receive(deadline)
        except TimeoutError:
            self.failure = f"the handler was not loaded within {START_SECONDS:g} seconds"
            self._handle.signal(signal.SIGKILL)
            self._end_process()
        except (ProcessEnded, OSError):
            self._end_process()

    def _end_process(self) -> int:
        """Wait for the end of the process, at most a moment, then end it; its exit code."""
        self.alive = False
        self._line.close()
        exit_ = self._handle.wait(_LAST_WORDS)
        if exit_ is None:
            self._handle.signal(signal.SIGKILL)
            exit_ = self._handle.wait()
        self._pump.join(_LAST_WORDS)
        self._code = exit_.code if exit_ is not None else self._code
        return self._code

    def _read_output(self, source: int) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while data := os.read(source, LONGEST_LINE):
                rest += data
                while found := _SENTINEL.search(rest):
                    self._record(rest[: found.start()])
                    rest = rest[found.end() :]
                    self._drained.set()
                text, newline, rest = rest.rpartition(b"\n")
                self._record(text + newline)
                if len(rest) > LONGEST_LINE:
                    self._record(rest)
                    rest = b""
        self._record(rest)
        os.close(source)
        self._drained.set()

    def _record(self, text: bytes) -> None:
        lines = text.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if lines:
            self._said.extend(lines)
            self._log.lines(lines)

    def _say(self, text: str) -> None:
        self._said.append(text.encode())
        self._log.say(text)

    # -- the line

    def _exchange(self, call: Invocation) -> tuple[dict[str, Any], bytes]:
        deadline = time.monotonic() + self.plan.timeout
        header = json.dumps(
            {
                "request_id": call.request_id,
                "arn": call.arn,
                "deadline_ms": int((clock.now() + self.plan.timeout) * 1000),
                "client_context": call.client_context,
            }
        ).encode()
        self._line.settimeout(self.plan.timeout)
        self._line.sendall(struct.pack(">II", len(header), len(call.event)) + header + call.event)
        return self._receive(deadline)

    def _receive(self, deadline: float | None = None) -> tuple[dict[str, Any], bytes]:
        head_size, body_size = struct.unpack(">II", self._exactly(8, deadline))
        header: dict[str, Any] = json.loads(self._exactly(head_size, deadline))
        return header, self._exactly(body_size, deadline)

    def _exactly(self, size: int, deadline: float | None) -> bytes:
        parts = []
        while size:
            if deadline is not None:
                self._line.settimeout(max(0.001, deadline - time.monotonic()))
            part = self._line.recv(min(size, 1 << 20))
            if not part:
                raise ProcessEnded
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    # -- how it ends

    def _timed_out(self, call: Invocation) -> bytes:
        self._handle.signal(signal.SIGKILL)
        self._end_process()
        told = f"Task timed out after {self.plan.timeout:.2f} seconds"
        self._say(f"{clock.iso8601(clock.now())} {call.request_id} {told}")
        return problem("Sandbox.Timedout", f"RequestId: {call.request_id} Error: {told}")

    def _exited(self, call: Invocation) -> bytes:
        code = self._end_process()
        how = f"signal: {(signal.strsignal(code - 128) or '?').lower()}" if code > 128 else f"exit status {code}"
        why = f"Runtime exited with error: {how}" if code else "Runtime exited without providing a reason"
        told = f"RequestId: {call.request_id} Error: {self.failure or why}"
        self._say(told)
        return problem("Runtime.ExitError", told)

    def _report(self, call: Invocation, milliseconds: float, memory: int) -> None:
        billed = int(milliseconds) + 1
        init = f"\tInit Duration: {self._init_ms:.2f} ms\t" if self._init_ms is not None else "\t"
        self._init_ms = None
        self._say(f"END RequestId: {call.request_id}")
        self._say(
            f"REPORT RequestId: {call.request_id}\tDuration: {milliseconds:.2f} ms\tBilled Duration: {billed} ms\t"
            f"Memory Size: {self.plan.memory} MB\tMax Memory Used: {memory} MB{init}"
        )


def problem(kind: str, message: str) -> bytes:
    """The document of an error that no code of the user's raised."""
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _run_spec(plan: FunctionPlan, environment: Environment, around: Surroundings, run: Path) -> RunSpec:
    mounts = [
        Mount(environment.prefix, str(environment.prefix)),
        Mount(Path(program.__file__).parent, f"{_OURS}/program"),
        Mount(run / "line", f"{_OURS}/line"),
        Mount(plan.code, _TASK),
        *around.mounts,
    ]
    if environment.base is not None:
        mounts.append(Mount(environment.base, str(environment.base)))
    path = f"{environment.prefix / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return RunSpec(
        argv=(str(environment.python), f"{_OURS}/program/bootstrap.py", f"{_OURS}/line/s"),
        environment={**plan.variables, "PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        directory=_TASK,
        scratch=run / "scratch",
        mounts=tuple(mounts),
        hidden=around.hidden,
        hostname="function",
    )


def _listen(folder: Path) -> socket.socket:
    """A listening socket named ``s`` in ``folder``, whose path may be longer than a socket's address (108 bytes)."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{descriptor}/s")
        listener.listen(1)
        listener.settimeout(0.2)
    finally:
        os.close(descriptor)
    return listener
