"""Workers from start to end: ready, failing in each way, and gone when their server is."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfmaker.serving import worker_process
from selfmaker.serving.channel import Ticket, WorkerFailed
from selfmaker.serving.worker.transport import Message
from selfmaker.serving.worker_plan import run_spec
from selfmaker.serving.worker_process import end_left_behind

ECHO = """
import os
def model_fn(model_dir):
    print("loading", flush=True)
    return "model"
def transform_fn(model, body, content_type, accept):
    return f"{model} {content_type} {accept} {body!r}", "text/plain"
"""


def ask(loop, process, body=b"x", content_type="text/csv", accept="application/json"):
    async def invoke():
        ticket = Ticket(Message(0, content_type, accept, "", body), loop.create_future(), 0)
        process.channel.send(ticket)
        return await ticket.answer

    return invoke()


def test_a_worker_loads_the_script_and_answers(loop, on_loop, launcher, plan_for, output_log, tmp_path):
    process = on_loop(launcher.launch(plan_for(ECHO), tmp_path / "runs", output_log, 60))
    answer = on_loop(ask(loop, process))
    assert (answer.status, answer.content_type) == (200, "text/plain")
    assert answer.body == b"model text/csv application/json 'x'"
    assert on_loop(ask(loop, process, b"\x00", "application/x-npy", "*/*")).body.endswith(b"application/json b'\\x00'")
    on_loop(process.stop())
    assert list((tmp_path / "runs").iterdir()) == []
    text = (tmp_path / "output.log").read_text()
    assert text.split(" ", 1)[1] == "loading\n"
    assert abs(int(text.split(" ", 1)[0]) / 1000 - time.time()) < 60


def test_the_process_gets_one_thread_for_blas_and_the_users_variables_win(plan_for, tmp_path):
    spec = run_spec(plan_for(ECHO, variables={"MKL_NUM_THREADS": "3", "MY": "own"}, network=False), tmp_path)
    assert spec.environment["OMP_NUM_THREADS"] == "1"
    assert spec.environment["MKL_NUM_THREADS"] == "3"
    assert spec.environment["MY"] == "own"
    assert not spec.network
    assert spec.environment["PATH"].startswith(str(plan_for(ECHO).environment.prefix))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("def model_fn(d):\n    raise ValueError('no weights')\n", "ValueError: no weights"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = 1\n", "NotImplementedError: the script has no model_fn"),
        ("def model_fn(d):\n    import sys; sys.exit('stop here')\n", "SystemExit: stop here"),
        ("import os\ndef model_fn(d):\n    print('before the end', flush=True); os._exit(7)\n", "exit code 7"),
        ("import os\ndef model_fn(d):\n    os.kill(os.getpid(), 11)\n", "SIGSEGV"),
        ("def input_fn(b, c): pass\ndef transform_fn(m, b, c, a): pass\n", "transform_fn replaces them"),
    ],
)
def test_a_worker_that_cannot_load_says_why(script, reason, on_loop, launcher, plan_for, output_log, tmp_path):
    with pytest.raises(WorkerFailed) as caught:
        on_loop(launcher.launch(plan_for(script), tmp_path / "runs", output_log, 60))
    assert reason in caught.value.message
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_missing_script_names_what_is_there(on_loop, launcher, plan_for, output_log, tmp_path):
    with pytest.raises(WorkerFailed) as caught:
        on_loop(launcher.launch(plan_for(ECHO, program="serve.py"), tmp_path / "runs", output_log, 60))
    assert "serve.py" in caught.value.message
    assert "inference.py" in caught.value.message


def test_a_worker_that_takes_too_long_is_ended(on_loop, launcher, plan_for, output_log, tmp_path):
    script = "import time\ndef model_fn(d):\n    time.sleep(600)\n"
    with pytest.raises(WorkerFailed, match=r"not loaded within 0\.5 seconds"):
        on_loop(launcher.launch(plan_for(script), tmp_path / "runs", output_log, 0.5))
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_socket_path_may_be_longer_than_an_address(loop, on_loop, launcher, plan_for, output_log, tmp_path):
    process = on_loop(launcher.launch(plan_for(ECHO), tmp_path / ("x" * 120), output_log, 60))
    assert on_loop(ask(loop, process)).status == 200
    on_loop(process.stop())


def test_a_worker_ends_with_its_server_even_while_it_is_busy(tmp_path, executor):
    """A worker whose peer is killed goes away by itself."""
    address = str(executor.short / "s")
    program = f"""
import socket, subprocess, sys, time
sys.path.insert(0, {str(worker_process.__file__.rsplit("/selfmaker/", 1)[0])!r})
listener = socket.socket(socket.AF_UNIX)
listener.bind({address!r})
listener.listen()
code = "import sys; sys.path.insert(0, {worker_process.__file__.rsplit("/selfmaker/", 1)[0]!r});" \\
       "from selfmaker.serving.worker.main import main; main()"
child = subprocess.Popen([sys.executable, "-c", code, "--socket", {address!r}, "--framework", "",
                          "--model-dir", "/", "--code-dir", {str(tmp_path)!r}, "--program", "busy.py"])
connection, _ = listener.accept()
print(child.pid, flush=True)
time.sleep(600)
"""
    (tmp_path / "busy.py").write_text("import time\ndef model_fn(d):\n    time.sleep(600)\n")
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert server.stdout is not None
    with server.stdout:
        pid = int(server.stdout.readline())
    server.kill()
    server.wait()
    for _ in range(300):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the worker outlived its server")


def test_workers_left_behind_are_ended_and_strangers_are_not(tmp_path):
    ours = subprocess.Popen(["sleep", "600"])
    stranger = subprocess.Popen(["sleep", "600"])
    for number, process, started in ((1, ours, None), (2, stranger, "1")):
        folder = tmp_path / "runs" / str(number)
        folder.mkdir(parents=True)
        worker_process.note_pid(folder / "pid", process.pid)
        if started:
            (folder / "pid").write_text(f"{process.pid} {started}")
    (tmp_path / "runs" / "1" / "other").mkdir()
    end_left_behind(tmp_path / "runs")
    assert ours.wait(10) == -signal.SIGKILL
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
    assert not (tmp_path / "runs").exists()


def test_a_loop_is_not_blocked_while_workers_start(loop, on_loop, launcher, plan_for, output_log, tmp_path):
    async def both():
        launches = [launcher.launch(plan_for(ECHO), tmp_path / "runs", output_log, 60) for _ in range(2)]
        return await asyncio.gather(*launches)

    processes = on_loop(both())
    assert len({process.handle.pid for process in processes}) == 2
    for process in processes:
        on_loop(process.stop())


def test_a_model_without_files_has_an_empty_folder(loop, on_loop, launcher, plan_for, output_log, tmp_path):
    listing = (
        "import os\ndef model_fn(d): return os.listdir(d)\ndef transform_fn(m, *rest): return repr(m), 'text/plain'"
    )
    process = on_loop(launcher.launch(plan_for(listing, model=None), tmp_path / "runs", output_log, 60))
    assert on_loop(ask(loop, process)).body == b"[]"
    on_loop(process.stop())
