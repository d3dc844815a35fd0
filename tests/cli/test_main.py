"""What holds for every command: how it is found, and how it says what is wrong."""

import importlib
import subprocess
import sys
from typing import Any

import click
import pytest
from click.testing import CliRunner

from selfmaker import __version__
from selfmaker.cli import main as command_line


@pytest.mark.parametrize("name", command_line.COMMANDS)
def test_every_command_exists_and_explains_itself(name: str) -> None:
    command = importlib.import_module(f"selfmaker.cli.{name}").command
    assert command.name == name
    result = CliRunner().invoke(command_line.selfmaker, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output
    assert all(p.help for p in command.params if isinstance(p, click.Option) and not p.hidden)


@pytest.mark.parametrize("name", ["status", "jobs", "logs", "endpoints", "operations", "doctor"])
def test_what_shows_something_can_show_it_to_programs(name: str) -> None:
    command = importlib.import_module(f"selfmaker.cli.{name}").command
    assert "--json" in {option for parameter in command.params for option in parameter.opts}


def test_version_and_help(cli: Any) -> None:
    assert cli.run("--version").stdout == f"selfmaker {__version__}\n"
    shown = cli.run()
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in command_line.COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frobnicate"], "No such command 'frobnicate'; see `selfmaker --help`"),
        (["jobs", "--colour"], "No such option '--colour'; see `selfmaker jobs --help`"),
        (["logs"], "Missing argument 'NAME'; see `selfmaker logs --help`"),
        (["run"], "Missing argument"),
        (["up", "--port", "99999"], "99999 is not in the range"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(cli: Any, arguments: list[str], message: str) -> None:
    result = cli.run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("selfmaker: ")
    assert message in line


@pytest.mark.parametrize("arguments", [["status"], ["env"], ["jobs"], ["endpoints"], ["logs", "x"], ["stop", "x"]])
def test_without_a_server_the_remedy_is_named(cli: Any, arguments: list[str]) -> None:
    result = cli.run(*arguments)
    assert result.returncode == 1
    expected = f"selfmaker: no server runs on {cli.home}; start one with `selfmaker up --detach`\n"
    assert (result.stdout, result.stderr) == ("", expected)


def test_a_wrong_setting_is_one_line(cli: Any) -> None:
    result = cli.run("status", SELFMAKER_ACCOUNT="12")
    assert (result.returncode, result.stderr) == (1, "selfmaker: account: expected 12 digits, got '12'\n")


def test_a_defect_is_one_line_and_a_traceback_when_asked_for(cli: Any) -> None:
    result = cli.run("up", "--port", "0", STAND_IN_FAILS="1")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("selfmaker: RuntimeError: the stand-in fails; SELFMAKER_DEBUG=1 shows where")
    assert "Traceback" in cli.run("up", "--port", "0", STAND_IN_FAILS="1", SELFMAKER_DEBUG="1").stderr


def test_a_reader_that_goes_away_is_no_error(running: Any) -> None:
    jobs = [{"TrainingJobName": f"j{i}", "TrainingJobStatus": "Failed", "CreationTime": 1.0} for i in range(999)]
    running.answer(ListTrainingJobs={"TrainingJobSummaries": jobs})
    process = running.start("jobs", "--json", "--limit", "999")
    process.stdout.close()
    process.wait(60)
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_command_reads_only_what_it_needs() -> None:
    """``selfmaker run`` stands before every command of the user's: neither botocore nor rich nor the server is read."""

    def read_by(modules: str) -> set[str]:
        code = f"import sys, {modules}; print(*sys.modules)"
        return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())

    heavy = {"botocore", "rich", "sqlalchemy", "uvloop", "http.client", "subprocess", "configparser", "asyncio"}
    read = read_by("selfmaker.cli.main, selfmaker.cli.run") - read_by("click")  # before 3.11 it brings subprocess
    assert heavy & read == set()
    assert "selfmaker.client" not in read_by("selfmaker")
