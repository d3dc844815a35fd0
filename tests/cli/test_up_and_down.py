"""The server's life: up, status, down."""

import json
import os
import signal
import socket
from typing import Any

from selfmaker.client import server


def test_detached_and_stopped(cli: Any) -> None:
    started = cli.run("up", "--detach", "--port", "0")
    found = server.find(cli.home)
    assert started.returncode == 0, started.stderr
    assert found is not None
    assert found.connection.endpoint_url in started.stdout
    assert str(cli.home / "logs" / "server.log") in started.stdout
    assert server.answers(found)
    stopped = cli.run("down")
    assert (stopped.returncode, stopped.stdout) == (0, f"stopped the server of {cli.home}\n")
    assert server.find(cli.home) is None


def test_down_without_a_server_is_no_error(cli: Any) -> None:
    result = cli.run("down")
    assert (result.returncode, result.stdout) == (0, f"no server runs on {cli.home}\n")


def test_in_the_foreground_until_a_signal(cli: Any) -> None:
    process = cli.start("up", "--port", "0")
    assert "selfmaker answers on http://127.0.0.1:" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert server.find(cli.home) is None


def test_a_second_one_says_who_runs(running: Any) -> None:
    found = server.find(running.home)
    for options in ([], ["--detach"]):
        result = running.run("up", "--port", "0", *options)
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert f"a server already runs on {running.home}: {found.connection.endpoint_url}, process {found.pid}" in line
        assert "--home" in line


def test_a_taken_port_is_said_by_the_detached_too(cli: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for options in ([], ["--detach"]):
            result = cli.run("up", "--port", port, *options)
            assert result.returncode == 1
            (line,) = result.stderr.splitlines()
            assert f"cannot listen on port {port}" in line
            assert "--port" in line


def test_a_detached_one_that_fails_names_its_log(cli: Any) -> None:
    result = cli.run("up", "--detach", "--port", "0", STAND_IN_FAILS="1")
    assert result.returncode == 1
    assert "the stand-in fails" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_said(cli: Any) -> None:
    blocker = cli.folder / "file"
    blocker.write_text("")
    result = cli.run("up", "--detach", "--home", str(blocker / "home"))
    assert result.returncode == 1
    assert "--home" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_killed_server_is_none(running: Any) -> None:
    found = server.find(running.home)
    os.kill(found.pid, signal.SIGKILL)
    running.wait_for(lambda: server.find(running.home) is None)
    assert (running.home / "run" / "server.json").exists()
    assert running.run("up", "--detach", "--port", "0").returncode == 0


def test_another_process_with_the_servers_number_is_no_server(running: Any) -> None:
    assert running.run("down").returncode == 0
    document = {"pid": os.getpid(), "host": "127.0.0.1", "port": 1, "started": 1.0, "version": "0"}
    (running.home / "run" / "server.json").write_text(json.dumps(document))
    assert server.find(running.home) is None


def test_status(running: Any) -> None:
    found = server.find(running.home)
    running.answer(ListEndpoints={"Endpoints": []})
    shown = running.run("status")
    assert shown.returncode == 0, shown.stderr
    assert found.connection.endpoint_url in shown.stdout
    document = json.loads(running.run("status", "--json").stdout)
    assert (document["running"], document["pid"], document["jobs_in_progress"]) == (True, found.pid, 0)
    running.run("down")
    result = running.run("status", "--json")
    assert (result.returncode, json.loads(result.stdout)) == (1, {"running": False, "home": str(running.home)})


def test_a_server_that_hangs_is_said(running: Any) -> None:
    found = server.find(running.home)
    document = json.loads((running.home / "run" / "server.json").read_text())
    (running.home / "run" / "server.json").write_text(json.dumps({**document, "port": 1}))
    result = running.run("status")
    assert result.returncode == 1
    assert f"process {found.pid}" in result.stderr
    assert "server.log" in result.stderr
