"""Workers in the real sandbox, where this machine allows one."""

import json
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from selfmaker.errors import Unavailable
from selfmaker.executors.process import ProcessExecutor
from selfmaker.executors.protocol import RunSpec
from selfmaker.runtimes.base import Environment
from selfmaker.serving.channel import Ticket
from selfmaker.serving.launcher import Launcher
from selfmaker.serving.worker.transport import Message
from selfmaker.serving.worker_plan import WorkerPlan

SCRIPT = """
import json, os, pathlib, socket
def model_fn(model_dir):
    path = pathlib.Path(model_dir, "weights")
    before = path.read_text()
    path.write_text("scribbled")
    return before
def transform_fn(model, body, content_type, accept):
    hidden = pathlib.Path(body.decode())
    try:
        socket.create_connection(("127.0.0.1", int(accept)), 1).close()
        network = True
    except OSError:
        network = False
    found = os.listdir(hidden) if hidden.is_dir() else []
    pids = [p for p in os.listdir("/proc") if p.isdigit()]
    return json.dumps({"model": model, "directory": os.getcwd(), "pids": len(pids),
                       "hidden": found, "network": network})
"""


@pytest.fixture
def environment():
    base = Path(sys.base_prefix).resolve()
    return Environment(
        prefix=Path(sys.prefix),
        python=Path(sys.executable),
        base=None if base.is_relative_to("/usr") else base,
        packages={},
    )


@pytest.fixture
def launcher(loop, tmp_path):
    executor = ProcessExecutor()
    scratch = tmp_path / "probe"
    scratch.mkdir()
    with tempfile.TemporaryFile() as output:
        try:
            executor.start(RunSpec(("true",), {"PATH": "/usr/bin:/bin"}, "/", scratch), output.fileno()).wait()
        except Unavailable as error:
            pytest.skip(error.message)
    made = Launcher(executor, loop)
    yield made
    made.close()


@pytest.mark.parametrize("network", [True, False])
def test_a_worker_answers_from_inside(loop, on_loop, launcher, environment, output_log, tmp_path, network):
    home = tmp_path / "home"
    model, code = home / "models" / "m", home / "code"
    for folder in (model, code):
        folder.mkdir(parents=True)
    (model / "weights").write_text("w")
    (code / "serve.py").write_text(SCRIPT)
    plan = WorkerPlan(
        framework="",
        environment=environment,
        model=model,
        code=code,
        code_dir="/opt/ml/code",
        program="serve.py",
        network=network,
        hidden=(home,),
    )

    async def scene():
        process = await launcher.launch(plan, home / "runs", output_log, 60)
        request = Message(0, "x/y", str(server.getsockname()[1]), "", str(home).encode())
        ticket = Ticket(request, loop.create_future(), 0)
        process.channel.send(ticket)
        answer = await ticket.answer
        await process.stop()
        return answer

    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = on_loop(scene())
    assert answer.status == 200, answer.body
    seen = json.loads(answer.body)
    assert seen["model"] == "w"
    assert (model / "weights").read_text() == "w"
    assert seen["directory"] == "/opt/ml/code"
    assert seen["hidden"] == []
    assert seen["network"] is network
    assert seen["pids"] <= 3
    assert list((home / "runs").iterdir()) == []


def test_a_worker_that_is_killed_takes_its_sandbox_with_it(on_loop, launcher, environment, output_log, tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "serve.py").write_text("def model_fn(d): pass\n")
    plan = WorkerPlan("", environment, None, code, "/opt/ml/code", "serve.py")

    async def scene():
        process = await launcher.launch(plan, tmp_path / "runs", output_log, 60)
        process.kill()
        return await process.ended

    assert on_loop(scene()).code == 137
    assert list((tmp_path / "runs").iterdir()) == []
