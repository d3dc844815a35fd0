"""``selfmaker run``: the command's own environment, signals and exit code, and a server for as long as it is needed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from selfmaker.client import server

PRINT_ENVIRONMENT = "import os, json; print(json.dumps(dict(os.environ)))"


def started_and_gone(cli: Any) -> bool:
    return (cli.home / "run" / "server.lock").exists() and server.find(cli.home) is None


def test_with_a_server_of_its_own(cli: Any) -> None:
    code = "import os, urllib.request as u; print(u.urlopen(os.environ['AWS_ENDPOINT_URL'] + '/x').status)"
    cli.answer(**{"": {}})
    result = cli.run("run", "--", sys.executable, "-c", code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "200\n", "")
    assert started_and_gone(cli)


def test_with_the_server_that_runs(running: Any) -> None:
    found = server.find(running.home)
    result = running.run("run", "--", sys.executable, "-c", PRINT_ENVIRONMENT)
    environment = json.loads(result.stdout)
    assert environment["AWS_ENDPOINT_URL"] == found.connection.endpoint_url
    assert environment["AWS_ACCESS_KEY_ID"] == "AKIAOURS"
    assert environment["SELFMAKER_HOME"] == str(running.home)
    assert server.find(running.home) == found


@pytest.mark.parametrize("with_server", [True, False])
def test_exit_codes_are_the_commands(cli: Any, with_server: bool) -> None:
    if with_server:
        cli.run("up", "--detach", "--port", "0")
    assert cli.run("run", "sh", "-c", "exit 7").returncode == 7
    killed = cli.run("run", "--", "sh", "-c", "kill -9 $$")
    assert killed.returncode in (128 + 9, -9)  # a shell shows 137 for either
    missing = cli.run("run", "no-such-program")
    assert missing.returncode == 127
    assert missing.stderr == "selfmaker: no-such-program: command not found; check its name and PATH\n"
    assert cli.run("run", "--", str(cli.folder)).returncode == 126
    assert (server.find(cli.home) is not None) == with_server


def test_the_commands_own_options_are_its_own(running: Any) -> None:
    result = running.run("run", "--home", str(running.home), "echo", "-n", "--home", "x", "--", "y")
    assert result.stdout == "--home x -- y"


def test_standard_input_is_the_commands(cli: Any) -> None:
    process = cli.start("run", "--", "cat", stdin=subprocess.PIPE)
    assert process.communicate("hello", timeout=60)[0] == "hello"


def test_a_program_sees_signals_as_from_a_shell(running: Any) -> None:
    """Python ignores SIGPIPE; what it starts must not: `yes | head` would go on for ever."""
    shell = running.run("run", "--", "sh", "-c", "grep -i SigIgn /proc/self/status")
    ignored = int(shell.stdout.split()[1], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1))
    assert not ignored & (1 << (signal.SIGINT - 1))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_the_command_and_the_server_ends(cli: Any, number: signal.Signals) -> None:
    program = (
        "import signal, time, sys\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(42))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    process = cli.start("run", "--", sys.executable, "-c", program)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 42
    assert started_and_gone(cli)


def test_ctrl_c_is_the_commands_affair(cli: Any) -> None:
    """The terminal sends it to the whole group: the command answers it, the server ends after the command."""
    program = (
        "import signal, time, sys\n"
        "try:\n    print('ready', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('interrupted'); sys.exit(3)"
    )
    process = cli.start("run", "--", sys.executable, "-c", program, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (3, "interrupted\n", "")
    assert started_and_gone(cli)


def test_the_server_ends_when_run_is_killed(cli: Any) -> None:
    process = cli.start("run", "--", "sh", "-c", "echo ready; sleep 2")
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.communicate(timeout=60)
    cli.wait_for(lambda: server.find(cli.home) is None)


def test_a_second_run_keeps_the_first_ones_server(cli: Any) -> None:
    """Two at once on one home: the server lives until the last of them has ended, and the first does not wait."""
    gate = cli.folder / "gate"
    os.mkfifo(gate)
    first = cli.start("run", "--", "sh", "-c", f"echo ready; read line < {gate}")
    assert first.stdout.readline() == "ready\n"
    hold = cli.folder / "hold"
    os.mkfifo(hold)
    second = cli.start("run", "--", "sh", "-c", f"echo ready; read line < {hold}; echo $AWS_ENDPOINT_URL")
    assert second.stdout.readline() == "ready\n"
    found = server.find(cli.home)
    gate.write_text("\n")
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert server.find(cli.home) == found
    hold.write_text("\n")
    assert second.communicate(timeout=60)[0] == f"{found.connection.endpoint_url}\n"
    cli.wait_for(lambda: server.find(cli.home) is None)


def test_many_at_once_start_one_server(cli: Any) -> None:
    processes = [cli.start("run", "--", "sh", "-c", "echo $AWS_ENDPOINT_URL; sleep 1") for _ in range(3)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert len({out for out, _ in outputs}) >= 1
    cli.wait_for(lambda: server.find(cli.home) is None)


def test_what_outlives_the_server_is_said(cli: Any) -> None:
    job = {"TrainingJobName": "long", "TrainingJobStatus": "InProgress", "CreationTime": 1.0}
    endpoint = {"EndpointName": "e", "EndpointStatus": "InService", "CreationTime": 1.0, "LastModifiedTime": 1.0}
    cli.answer(ListTrainingJobs={"TrainingJobSummaries": [job]}, ListEndpoints={"Endpoints": [endpoint]})
    result = cli.run("run", "true")
    assert result.returncode == 0
    again = f"`selfmaker up --home {cli.home}`"
    assert f"still running, and going on without the server: long; {again} shows them" in result.stderr
    assert f"endpoints that stop with the server: e; {again} serves them" in result.stderr


def test_the_servers_modules_are_not_looked_for_in_the_users_folder(cli: Any) -> None:
    (cli.folder / "json.py").write_text("raise SystemExit('the user has a json.py')")
    script = Path(sys.executable).parent / "selfmaker"
    if not script.exists():
        pytest.skip("selfmaker is not installed as a command here")
    done = subprocess.run(
        [str(script), "run", "--", "echo", "fine"], env=cli.environment, cwd=cli.folder, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


def concerned(environment: dict[str, str]) -> dict[str, str]:
    """Without what a shell adds of its own."""
    names = ("AWS_", "SELFMAKER_", "PYTHON", "NO_PROXY", "no_proxy")
    return {name: value for name, value in environment.items() if name.startswith(names)}


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_env_is_what_run_gives(running: Any, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    awkward = {"PYTHONPATH": f"{running.environment['PYTHONPATH']}:/it's a $place", "AWS_SESSION_TOKEN": "theirs"}
    lines = running.run("env", **awkward).stdout
    program = f'eval "$LINES_OF_ENV"; exec {sys.executable} -c "{PRINT_ENVIRONMENT}"'
    variables = {**running.environment, **awkward, "LINES_OF_ENV": lines}
    evaluated = json.loads(subprocess.check_output([shell, "-c", program], env=variables, text=True))
    given = json.loads(running.run("run", "--", sys.executable, "-c", PRINT_ENVIRONMENT, **awkward).stdout)
    assert concerned(evaluated) == concerned(given)
    assert "AWS_SESSION_TOKEN" not in evaluated


def test_env_for_fish(running: Any) -> None:
    lines = running.run("env", "--shell", "fish", NO_PROXY="it's\\odd", AWS_ROLE_ARN="r").stdout.splitlines()
    assert "set -gx NO_PROXY 'it\\'s\\\\odd,127.0.0.1,localhost'" in lines
    assert "set -e AWS_ROLE_ARN" in lines
