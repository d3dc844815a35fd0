"""One worker process: started through the executor in its sandbox, with a Unix socket of its own to answer on."""

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfmaker import ids
from selfmaker.errors import SelfmakerError
from selfmaker.executors.protocol import Access, Executor, Exit, Mount, RunHandle, RunSpec
from selfmaker.runtimes.base import Environment, Programs
from selfmaker.serving import worker
from selfmaker.serving.channel import LineCut, SocketChannel, WorkerFailed
from selfmaker.serving.output_log import OutputLog, PendingLog

if TYPE_CHECKING:
    from selfmaker.serving.spares import Spares

MODEL_DIR = "/opt/ml/model"
CODE_DIR = "/opt/ml/code"
_OURS = "/opt/selfmaker"
_ROUTER = _OURS + "/router"
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from selfmaker_worker.main import main; del sys.path[0]; main()"
)
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_LAST_WORDS = 5.0
_MOST_COPIED = 64 << 20  # bytes


@dataclass(frozen=True)
class WorkerPlan:
    """How to start a worker. ``model`` and ``code`` are folders on the host (None: there is none); ``code_dir`` is
    the script's folder in the sandbox, ``program`` the script in it; ``variables`` are the container's environment."""

    framework: str
    environment: Environment
    model: Path | None
    code: Path | None = None
    code_dir: str | None = None
    program: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    network: bool = True
    hidden: tuple[Path, ...] = ()


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

    async def spare(self, plan: WorkerPlan, folder: Path) -> "Spare":
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
            channel = process.channel
            await self._loop.connect_accepted_socket(lambda: channel, connected)
            channel.ready.add_done_callback(_looked_at)  # nobody waits for it until the spare is wanted
        except BaseException:
            await _undone(process, run)
            raise
        finally:
            listener.close()
        return Spare(process, run, log)

    async def _spare(self, plan: WorkerPlan) -> "Spare | None":
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

    async def _begin(self, spare: "Spare", plan: WorkerPlan, log: OutputLog, patience: float) -> WorkerProcess:
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
        try:
            handle = await self._loop.run_in_executor(self._threads, self._executor.start, spec, write)
        except SelfmakerError as error:
            os.close(read)
            raise WorkerFailed(error.message) from error
        except OSError as error:
            os.close(read)
            raise WorkerFailed(f"the worker could not be started: {error}") from error
        finally:
            os.close(write)
        _note_pid(run / "pid", handle.pid)
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
            raise WorkerFailed(_why(process.ended.result(), log))
        await self._loop.connect_accepted_socket(lambda: process.channel, connected)
        await self._until_loaded(process, log)

    async def _until_loaded(self, process: WorkerProcess, log: OutputLog) -> None:
        try:
            await process.channel.ready
        except LineCut as cut:
            process.kill()
            raise WorkerFailed(_why(await asyncio.shield(process.ended), log)) from cut

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


async def _undone(process: WorkerProcess | None, run: Path) -> None:
    """End the process, if there is one, and remove its folder."""
    if process is not None:
        process.kill()
        await asyncio.wait([process.ended])
        await process.channel.closed()
    shutil.rmtree(run, ignore_errors=True)


def _looked_at(ready: "asyncio.Future[None]") -> None:
    if not ready.cancelled():
        ready.exception()


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


def run_spec(plan: WorkerPlan, run: Path) -> RunSpec:
    """The worker's process: its mounts, its environment, its command."""
    environment = plan.environment
    mounts = [
        Mount(environment.prefix, str(environment.prefix), Access.COPY_ON_WRITE),
        Mount(Path(worker.__file__).parent, _OURS + "/selfmaker_worker"),
        Mount(run / "router", _ROUTER),
        *plan.mounts,
    ]
    if environment.base is not None:
        mounts.append(Mount(environment.base, str(environment.base)))
    programs = environment.programs
    if programs is not None:
        mounts += _program_mounts(programs, run)
    if plan.model is not None:
        mounts.append(Mount(plan.model, MODEL_DIR, Access.COPY_ON_WRITE))
    if plan.code is not None:
        mounts.append(Mount(plan.code, CODE_DIR, Access.COPY_ON_WRITE))
    own = f"{programs.directory}:{_OURS}/selfmaker_worker/bin:" if programs is not None else ""
    path = f"{own}{environment.prefix / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    variables = {
        "PATH": path,
        "VIRTUAL_ENV": str(environment.prefix),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "SM_MODEL_DIR": MODEL_DIR,
        **dict.fromkeys(_ONE_THREAD, "1"),
        **(programs.variables if programs is not None else {}),
        **plan.variables,
    }
    return RunSpec(
        argv=(str(environment.python), "-c", _PROGRAM, _OURS, *arguments(plan)),
        environment=variables,
        directory=directory(plan),
        scratch=run / "scratch",
        mounts=tuple(mounts),
        hidden=plan.hidden,
        hostname="model",
        # A program that serves has port 8080 to itself, unless it is to reach others: then it is told a free one.
        network=plan.network and (programs is None or programs.network),
    )


def arguments(plan: WorkerPlan) -> list[str]:
    """The worker program's own."""
    options = ["--socket", _ROUTER + "/s", "--framework", plan.framework, "--model-dir", MODEL_DIR]
    if plan.program and plan.code_dir:
        options += ["--code-dir", plan.code_dir, "--program", plan.program]
    if accept := plan.variables.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"):
        options += ["--default-accept", accept]
    programs = plan.environment.programs
    if programs is not None:
        options += ["--serve", shlex.join(programs.serve), "--serve-dir", programs.directory]
    return options


def directory(plan: WorkerPlan) -> str:
    """Where the worker works."""
    return plan.code_dir if plan.program and plan.code_dir else "/"


def spare_spec(plan: WorkerPlan, run: Path) -> RunSpec:
    """As ``run_spec``, for a worker that has no model yet: what it will serve comes to its folder ``run``."""
    spec = run_spec(replace(plan, model=None, code=None, code_dir=None, program=None), run)
    mounts = (
        Mount(run / "model", MODEL_DIR, Access.READ_WRITE),
        Mount(run / "code", CODE_DIR, Access.READ_WRITE),
    )
    return replace(spec, argv=(*spec.argv, "--spare"), mounts=(*spec.mounts, *mounts))


def _program_mounts(programs: Programs, run: Path) -> list[Mount]:
    """An image's programs, and a place for the logs of the nginx that they may start."""
    logs = run / "nginx"
    logs.mkdir(mode=0o700, exist_ok=True)
    return [
        Mount(programs.folder, programs.directory, Access.COPY_ON_WRITE),
        Mount(logs, "/var/log/nginx", Access.READ_WRITE),
    ]


def end_left_behind(folder: Path) -> None:
    """Kill the workers that a server which is gone left anywhere below ``folder``, and remove what they had."""
    for note in folder.glob("**/pid"):
        with contextlib.suppress(OSError, ValueError):
            pid, started = note.read_text().split()
            if _started(int(pid)) == started:
                os.kill(int(pid), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


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


def _note_pid(path: Path, pid: int) -> None:
    path.write_text(f"{pid} {_started(pid)}")


def _started(pid: int) -> str:
    """The kernel's start time of a process, which tells it from a later one of that number; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _why(exit_: Exit, log: OutputLog) -> str:
    if exit_.launch_error:
        return exit_.launch_error
    if exit_.code > 128:
        name = signal.Signals(exit_.code - 128).name if exit_.code - 128 in set(signal.Signals) else str(exit_.code)
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the worker was ended by {name}{hint} while it loaded the model"
    said = log.last or "it printed nothing"
    return f"the worker ended with exit code {exit_.code} before its model was loaded: {said}"
