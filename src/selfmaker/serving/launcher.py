"""Starts workers: through the executor in their sandboxes, each with a Unix socket of its own to answer on."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfmaker import ids
from selfmaker.errors import SelfmakerError
from selfmaker.executors.protocol import Executor, Exit, RunHandle, RunSpec
from selfmaker.serving.channel import LineCut, SocketChannel, WorkerFailed
from selfmaker.serving.output_log import OutputLog, PendingLog
from selfmaker.serving.worker_plan import WorkerPlan, arguments, run_spec, spare_spec
from selfmaker.serving.worker_process import Spare, WorkerProcess, note_pid, why

if TYPE_CHECKING:
    from selfmaker.serving.spares import Spares

_MOST_COPIED = 64 << 20  # bytes


class Launcher:
    """Starts workers. Owns a few threads for what blocks: ``close`` when no worker is left."""

    def __init__(self, executor: Executor, loop: asyncio.AbstractEventLoop) -> None:
        self.spares: Spares | None = None
        self._executor = executor
        self._loop = loop
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="selfmaker-serving")

    async def launch(self, plan: WorkerPlan, folder: Path, log: OutputLog, patience: float) -> WorkerProcess:
        """Start a worker and wait until it is ready, at most ``patience`` seconds.

        ``folder`` gets a folder for the run. Raises WorkerFailed, once nothing is left of it.
        """
        spare = await self._spare(plan)
        if spare is not None:
            process = await self._begin(spare, plan, log, patience)
        else:
            process = await self._launch(plan, folder / ids.unique_id(), log, patience)
        if self.spares is not None:
            self.spares.used(plan)
        return process

    async def spare(self, plan: WorkerPlan, folder: Path) -> Spare:
        """Start a worker that may serve ``plan`` or its like later. Raises WorkerFailed; then nothing is left of it."""
        run = folder / ids.unique_id()
        for name in ("router", "scratch", "model", "code"):
            (run / name).mkdir(mode=0o700, parents=True)
        listener = _listen(run / "router")
        process: WorkerProcess | None = None
        log = PendingLog()
        try:
            process = await self._start(spare_spec(plan, run), run, log)
            connected = await self._accepted(listener, process)
            if connected is None:
                raise WorkerFailed("it ended before it was wanted")
            await process.channel.attach(connected)
        except BaseException:
            await _undone(process, run)
            raise
        finally:
            listener.close()
        return Spare(process, run, log)

    async def _spare(self, plan: WorkerPlan) -> Spare | None:
        """A spare worker that has the plan's files, if one can serve it."""
        if self.spares is None or not await self._loop.run_in_executor(self._threads, small, plan):
            return None
        spare = self.spares.take(plan)
        if spare is None:
            return None
        try:
            await self._loop.run_in_executor(self._threads, furnish, spare, plan)
        except BaseException as error:
            await _undone(spare.process, spare.run)
            if isinstance(error, OSError):
                return None
            raise
        return spare

    async def _begin(self, spare: Spare, plan: WorkerPlan, log: OutputLog, patience: float) -> WorkerProcess:
        spec = run_spec(plan, spare.run)
        told = {"arguments": arguments(plan), "variables": dict(spec.environment), "directory": spec.directory}
        spare.log.assign(log)
        try:
            spare.process.channel.start(json.dumps(told).encode())
            await asyncio.wait_for(self._until_loaded(spare.process, log), patience)
        except BaseException as error:
            await _undone(spare.process, spare.run)
            if isinstance(error, asyncio.TimeoutError):
                raise _too_slow(patience) from None
            raise
        return spare.process

    async def _launch(self, plan: WorkerPlan, run: Path, log: OutputLog, patience: float) -> WorkerProcess:
        (run / "router").mkdir(mode=0o700, parents=True)
        (run / "scratch").mkdir(mode=0o700)
        listener = _listen(run / "router")
        process: WorkerProcess | None = None
        try:
            process = await self._start(run_spec(plan, run), run, log)
            await asyncio.wait_for(self._until_ready(listener, process, log), patience)
        except BaseException as error:
            await _undone(process, run)
            if isinstance(error, asyncio.TimeoutError):
                raise _too_slow(patience) from None
            raise
        finally:
            listener.close()
        return process

    def close(self) -> None:
        self._threads.shutdown(wait=True)

    async def _start(self, spec: RunSpec, run: Path, log: "OutputLog | PendingLog") -> WorkerProcess:
        read, write = os.pipe()

        def start() -> RunHandle:
            try:
                return self._executor.start(spec, write)
            finally:
                os.close(write)

        starting = self._loop.run_in_executor(self._threads, start)
        try:
            handle = await asyncio.shield(starting)
        except asyncio.CancelledError:
            os.close(read)
            starting.add_done_callback(_unwanted)
            raise
        except SelfmakerError as error:
            os.close(read)
            raise WorkerFailed(error.message) from error
        except OSError as error:
            os.close(read)
            raise WorkerFailed(f"the worker could not be started: {error}") from error
        note_pid(run / "pid", handle.pid)
        ended: asyncio.Future[Exit] = self._loop.create_future()

        def tell(exit_: Exit) -> None:
            if not ended.done():
                ended.set_result(exit_)

        def attend() -> None:
            with contextlib.suppress(OSError):
                log.pump(read)
            os.close(read)
            exit_ = handle.wait() or Exit(0)
            shutil.rmtree(run, ignore_errors=True)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server has gone
                self._loop.call_soon_threadsafe(tell, exit_)

        threading.Thread(target=attend, name="selfmaker-worker", daemon=True).start()
        return WorkerProcess(handle, SocketChannel(self._loop), ended)

    async def _until_ready(self, listener: socket.socket, process: WorkerProcess, log: OutputLog) -> None:
        connected = await self._accepted(listener, process)
        if connected is None:
            raise WorkerFailed(why(process.ended.result(), log))
        await process.channel.attach(connected)
        await self._until_loaded(process, log)

    async def _until_loaded(self, process: WorkerProcess, log: OutputLog) -> None:
        try:
            await process.channel.ready
        except LineCut as cut:
            process.kill()
            raise WorkerFailed(why(await asyncio.shield(process.ended), log)) from cut

    async def _accepted(self, listener: socket.socket, process: WorkerProcess) -> socket.socket | None:
        """The worker's end of the line; None when it ended instead. However this ends, the loop has let go of the
        listener, whose number the next socket may get, and nothing that was accepted is forgotten."""
        accepted: asyncio.Future[socket.socket] = self._loop.create_future()

        def accept() -> None:
            with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
                connected, _ = listener.accept()
                self._loop.remove_reader(listener)
                connected.setblocking(False)
                accepted.set_result(connected)

        self._loop.add_reader(listener, accept)
        either: list[asyncio.Future[Any]] = [accepted, process.ended]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if accepted.done():
                accepted.result().close()
            raise
        finally:
            self._loop.remove_reader(listener)
        return accepted.result() if accepted.done() else None


def _unwanted(starting: "asyncio.Future[RunHandle]") -> None:
    """End what was started for somebody who waits no more."""
    if not starting.cancelled() and starting.exception() is None:
        handle = starting.result()
        handle.signal(signal.SIGKILL)
        threading.Thread(target=handle.wait, name="selfmaker-unwanted", daemon=True).start()


async def _undone(process: WorkerProcess | None, run: Path) -> None:
    """End the process, if there is one, and remove its folder."""
    if process is not None:
        process.kill()
        await asyncio.wait([process.ended])
        await process.channel.closed()
    shutil.rmtree(run, ignore_errors=True)


def _too_slow(patience: float) -> WorkerFailed:
    return WorkerFailed(f"the model was not loaded within {patience:g} seconds")


def small(plan: WorkerPlan) -> bool:
    """Whether the plan's files are copied sooner than a process is started. Blocks."""
    size = 0
    for folder in (plan.model, plan.code):
        for path in folder.rglob("*") if folder is not None else ():
            size += path.lstat().st_size
            if size > _MOST_COPIED:
                return False
    return True


def furnish(spare: Spare, plan: WorkerPlan) -> None:
    """Give the spare the plan's files. Blocks; raises OSError."""
    for folder, name in ((plan.model, "model"), (plan.code, "code")):
        if folder is not None:
            shutil.copytree(folder, spare.run / name, symlinks=True, dirs_exist_ok=True)


def _listen(folder: Path) -> socket.socket:
    """A listening socket named ``s`` in ``folder``, whose path may be longer than a socket's address (108 bytes)."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{descriptor}/s")
        listener.listen(1)
        listener.setblocking(False)
    finally:
        os.close(descriptor)
    return listener
