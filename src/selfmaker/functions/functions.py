"""All functions' processes: started when they are called, kept warm, ended when nobody calls them any more."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from selfmaker import clock, ids
from selfmaker.errors import LimitExceeded
from selfmaker.functions.code import FunctionCode
from selfmaker.functions.plan import FunctionPlan, Invocation, Outcome
from selfmaker.functions.process import FunctionProcess, Surroundings
from selfmaker.runtimes.base import Environment, EnvironmentRequest, Log
from selfmaker.runtimes.functions import function_environment
from selfmaker.store.log_streams import LogStreams

_log = logging.getLogger(__name__)

IDLE_SECONDS = 300.0
_LOOK_SECONDS = 5.0
_MOST = 64  # processes at once, of all functions


class Environments(Protocol):
    """What functions ask of the runtimes."""

    def build(self, request: EnvironmentRequest, log: Log) -> Environment:
        """The environment, built if need be. Raises Unavailable or Invalid."""


Variables = Callable[[str, str, Mapping[str, str]], Mapping[str, str]]
"""A process's environment by its owner (who gets credentials of its own), region, and own variables, which win."""


class Functions:
    """Thread safe. ``invoke`` blocks; ``threads`` is where it may."""

    def __init__(
        self, environments: Environments, around: Surroundings, logs: LogStreams, folder: Path, variables: Variables
    ) -> None:
        self.code = FunctionCode(folder / "code")
        self.variables = variables
        self.threads = ThreadPoolExecutor(_MOST, "selfmaker-functions")
        self._environments = environments
        self._around = around
        self._logs = logs
        self._folder = folder
        self._lock = threading.Condition()
        self._idle: dict[str, list[FunctionProcess]] = {}
        self._busy: dict[str, int] = {}
        self._calling: set[FunctionProcess] = set()
        self._builds: dict[str, Future[Environment]] = {}
        self._closed = threading.Event()
        self._reaper = threading.Thread(target=self._reap, name="selfmaker-function-reaper", daemon=True)

    def start(self) -> None:
        shutil.rmtree(self._folder / "run", ignore_errors=True)
        (self._folder / "run").mkdir(mode=0o700, parents=True)
        self._reaper.start()

    def close(self) -> None:
        """End all processes. A call that is under way ends with them."""
        self._closed.set()
        if self._reaper.is_alive():
            self._reaper.join()
        self.threads.shutdown(wait=False, cancel_futures=True)
        for process in self._take_idle(lambda process: True):
            self._end(process)
        with self._lock:
            busy = list(self._calling)
        for process in busy:
            process.kill()

    def prepare(self, runtime: str) -> "Future[Environment]":
        """Have the environment of a runtime built; the same future for all. A build that failed is tried again."""
        request = function_environment(runtime)
        with self._lock:
            build = self._builds.get(runtime)
            if build is None or (build.done() and build.exception() is not None):
                build = self._builds[runtime] = Future()
                threading.Thread(target=self._build, args=(request, build), daemon=True).start()
            return build

    def invoke(self, plan: FunctionPlan, call: Invocation) -> Outcome:
        """Raises LimitExceeded when as many calls as it allows are under way, and SelfmakerError where this machine
        cannot run the function at all."""
        environment = self.prepare(plan.runtime).result()
        self._enter(plan)
        try:
            process = self._warm(plan) or self._new(plan, environment)
            with self._lock:
                self._calling.add(process)
            outcome = process.invoke(call)
            with self._lock:
                self._calling.discard(process)
            self._keep(process)
            return outcome
        finally:
            with self._lock:
                self._busy[plan.name] -= 1
                if not self._busy[plan.name]:
                    del self._busy[plan.name]
                self._lock.notify_all()

    def forget(self, name: str) -> None:
        """End the idle processes of a function that has changed or gone."""
        for process in self._take_idle(lambda process: process.plan.name == name):
            self._end(process)

    # -- processes

    def _build(self, request: EnvironmentRequest, build: "Future[Environment]") -> None:
        try:
            build.set_result(self._environments.build(request, lambda line: _log.info("%s: %s", request.name, line)))
        except Exception as error:  # noqa: BLE001 - carried to whoever waits for the environment
            build.set_exception(error)

    def _enter(self, plan: FunctionPlan) -> None:
        with self._lock:
            mine = self._busy.get(plan.name, 0)
            if plan.most is not None and mine >= plan.most:
                raise LimitExceeded("Rate Exceeded.")
            while sum(self._busy.values()) >= _MOST:
                self._lock.wait()
            self._busy[plan.name] = self._busy.get(plan.name, 0) + 1

    def _warm(self, plan: FunctionPlan) -> FunctionProcess | None:
        with self._lock:
            found = self._idle.get(plan.key)
            return found.pop() if found else None

    def _new(self, plan: FunctionPlan, environment: Environment) -> FunctionProcess:
        name = ids.unique_id()
        run, log = self._folder / "run" / name, self._folder / "logs" / f"{name}.log"
        stream = plan.variables["AWS_LAMBDA_LOG_STREAM_NAME"] + name
        plan = plan.with_variables({"AWS_LAMBDA_LOG_STREAM_NAME": stream})
        self._logs.register(plan.region, plan.log_group, stream, log, clock.now_ms())
        try:
            return FunctionProcess(plan, environment, self._around, run, log)
        except BaseException:
            shutil.rmtree(run, ignore_errors=True)
            raise

    def _keep(self, process: FunctionProcess) -> None:
        with self._lock:
            if process.alive and not self._closed.is_set():
                self._idle.setdefault(process.plan.key, []).append(process)
                return
        self._end(process)

    def _end(self, process: FunctionProcess) -> None:
        process.close()
        shutil.rmtree(process.run, ignore_errors=True)

    def _take_idle(self, which: Callable[[FunctionProcess], bool]) -> list[FunctionProcess]:
        taken = []
        with self._lock:
            for key, processes in list(self._idle.items()):
                taken += [process for process in processes if which(process)]
                self._idle[key] = [process for process in processes if not which(process)]
                if not self._idle[key]:
                    del self._idle[key]
        return taken

    def _reap(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            for process in self._take_idle(lambda p: time.monotonic() - p.idle_since > IDLE_SECONDS):
                self._end(process)
