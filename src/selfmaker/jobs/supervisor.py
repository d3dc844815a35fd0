"""The process that sees one job through: it outlives the server, and what it writes in the job's folder is the truth.

It builds the environment, starts the hosts' processes, records what they print, stops them when told or when their
time is up, packs the artifacts, and reports each step by an event. It knows no SQL, no AWS and no network. Imported
by the nursery: only light parts of the standard library and of ours.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from selfmaker.contract.layout import Layout
from selfmaker.contract.pipes import PipeFeeder
from selfmaker.errors import SelfmakerError
from selfmaker.executors.island import Island
from selfmaker.executors.protocol import Exit, RunHandle
from selfmaker.executors.spare import Spare
from selfmaker.jobs import outcome, run_plan
from selfmaker.jobs.folder import JobFolder
from selfmaker.jobs.metric_finder import MetricFinder
from selfmaker.jobs.recorder import Recorder

_CHUNK = 256 * 1024
_TURN = 0.5  # seconds of looking for metrics between looks at everything else
_GLANCE = 5.0  # seconds between looks whether the job's folder is still there


def main(path: Path, notice: Path, ticket: str, spare: Spare | None = None) -> NoReturn:
    """See the job in ``path`` through, in this process, which then ends together with all that it started. ``spare`` is
    a sandbox for its first host."""
    folder = JobFolder(path)
    with (path / "supervisor.log").open("ab", buffering=0) as log:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    with contextlib.suppress(BaseException):
        if not folder.hold(ticket):  # the server was killed, and the next one has started another
            os._exit(0)
        try:
            Supervisor(folder, notice, spare).run()
        except BaseException:  # noqa: BLE001 - the outermost loop: whatever it was, it must be told
            text = traceback.format_exc()
            sys.stderr.write(text)
            report(folder, notice, "ended", outcome="broken", failure=text.strip().splitlines()[-1])
        if spare is not None:
            spare.discard()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.killpg(0, signal.SIGTERM)  # installers that are still at work
    os._exit(0)


def report(folder: JobFolder, notice: Path, event: str, **members: Any) -> None:
    """Append an event and wake the server, if there is one; a later server finds the event in the folder."""
    folder.append_event({"event": event, "time": time.time(), **members}, durable=event == "ended")
    with contextlib.suppress(OSError):
        descriptor = os.open(notice, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(descriptor, folder.path.name.encode() + b"\n")
        finally:
            os.close(descriptor)


class Supervisor:
    """One job's life. ``run`` returns when the last event is written."""

    def __init__(self, folder: JobFolder, notice: Path, spare: Spare | None = None) -> None:
        self._spare = spare
        self._folder = folder
        self._notice = notice
        self._plan = folder.read_plan()
        self._control = os.open(folder.control, os.O_RDWR | os.O_NONBLOCK)
        self._wake_read, self._wake_write = os.pipe()
        self._recorders: dict[str, Recorder] = {}
        self._exits: dict[str, Exit] = {}
        self._handles: dict[str, RunHandle] = {}
        self._ending: str | None = None  # "stopped", "interrupted" or "timeout", once somebody has asked for the end

    def run(self) -> None:
        plan = self._plan
        definitions = plan["metric_definitions"]
        finder = self._finder = MetricFinder(self._folder.metrics, definitions, self._wake, self._say)
        for host in plan["hosts"]:
            self._recorders[host["name"]] = Recorder(self._folder.log(host["name"]), finder if definitions else None)
            for remark in host["remarks"]:
                self._recorders[host["name"]].say(remark)
        report(self._folder, self._notice, "loading")
        problem = self._load()
        if problem is None and self._ending is None:
            problem = self._launch()
        if problem is None:
            self._watch()
        for recorder in self._recorders.values():
            self._finder.find()
            recorder.close()
        self._finder.find()
        report(self._folder, self._notice, "finishing")
        ended = outcome.conclude(self._folder, plan, self._exits, self._ending, problem)
        report(self._folder, self._notice, "ended", **ended)
        if ended["outcome"] != "interrupted":  # then it is about to be laid out again
            for host in plan["hosts"]:  # the rest of the folder is the server's, which publishes it
                shutil.rmtree(self._folder.host(host["name"]) / "scratch", ignore_errors=True)

    def _load(self) -> str | None:
        """Build the environment on a thread, so that a stop is heard meanwhile. Returns what went wrong, or None."""
        problem: list[str] = []

        def build() -> None:
            try:
                self._runs = run_plan.load(self._plan, self._say)
            except SelfmakerError as error:
                problem.append(error.message)
            finally:
                os.write(self._wake_write, b".")

        thread = threading.Thread(target=build, daemon=True)
        thread.start()
        while thread.is_alive() and self._ending is None:
            self._listen(None)
            if not self._pending_wake():
                continue
            thread.join()
        return problem[0] if problem else None

    def _launch(self) -> str | None:
        readers = []
        feeders = self._feeders()
        island = None
        try:
            if len(self._runs) > 1 and not self._plan["network"]:  # its hosts reach each other, and nothing else
                island = Island.make()
            executor = run_plan.executor(self._plan["sandbox"], self._spare)
            for host, spec in self._runs:
                read, write = os.pipe()
                try:
                    self._handles[host] = executor.start(replace(spec, island=island), write)
                finally:
                    os.close(write)
                readers.append(threading.Thread(target=self._record, args=(host, read), daemon=True))
        except SelfmakerError as error:
            return error.message
        finally:
            if island is not None:
                island.close()
        report(self._folder, self._notice, "running")
        for reader in (*readers, *feeders):  # threads only now: a fork beside a running thread is a trap
            reader.start()
        return None

    def _feeders(self) -> list[threading.Thread]:
        """One for each channel in Pipe mode; the first pipe of each is there when this returns."""
        threads = []
        for host in self._plan["hosts"]:
            data = Layout(self._folder.host(host["name"]) / "ml").data
            for channel in host.get("pipes", ()):
                feeder = PipeFeeder(data, channel)
                feeder.prepare()
                threads.append(threading.Thread(target=feeder.run, daemon=True))
        return threads

    def _watch(self) -> None:
        """Until every host has ended: hear the control FIFO, watch the clock, and end all when one has failed, or when
        the job's folder is gone: then somebody has thrown the home away, and nobody is left to be told."""
        limit = time.monotonic() + self._plan["max_runtime"] if self._plan["max_runtime"] else None
        kill_at: float | None = None
        more = False
        while len(self._exits) < len(self._handles):
            glance = time.monotonic() + _GLANCE
            self._listen(time.monotonic() if more else min(kill_at or limit or glance, glance))
            self._pending_wake()
            more = self._finder.find(_TURN)
            if not self._folder.path.exists():
                self._signal(signal.SIGKILL)
                raise FileNotFoundError(self._folder.path)
            now = time.monotonic()
            failed = any(exit_.code != 0 for exit_ in list(self._exits.values()))
            if self._ending is None and limit is not None and now >= limit:
                self._ending = "timeout"
            if kill_at is None and (self._ending is not None or failed):
                self._signal(signal.SIGTERM)
                kill_at = now + self._plan["grace"]
            elif kill_at is not None and now >= kill_at:
                self._signal(signal.SIGKILL)
                kill_at = now + 3600

    def _signal(self, number: int) -> None:
        for host, handle in self._handles.items():
            if host not in self._exits:
                handle.signal(number)

    def _listen(self, until: float | None) -> None:
        """Wait for a wake-up, a control word or ``until`` (monotonic seconds)."""
        timeout = None if until is None else max(0.0, until - time.monotonic())
        ready, _, _ = select.select([self._wake_read, self._control], [], [], timeout)
        if self._control in ready:
            words = os.read(self._control, 4096).split()
            if self._ending is None and words:
                self._ending = "stopped" if b"stop" in words else "interrupted"

    def _pending_wake(self) -> bool:
        if not select.select([self._wake_read], [], [], 0)[0]:
            return False
        return bool(os.read(self._wake_read, 4096))

    def _record(self, host: str, read: int) -> None:
        recorder = self._recorders[host]
        while data := os.read(read, _CHUNK):
            recorder.write(data)
        os.close(read)
        ended = self._handles[host].wait()
        assert ended is not None
        self._exits[host] = ended
        self._wake()

    def _wake(self) -> None:
        os.write(self._wake_write, b".")

    def _say(self, text: str) -> None:
        first = next(iter(self._recorders.values()))
        first.say(text)
