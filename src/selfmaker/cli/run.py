"""``selfmaker run``"""

import fcntl
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from selfmaker.cli.options import home_option, load
from selfmaker.client import server
from selfmaker.client.environment import client_environment
from selfmaker.client.profiles import write_profiles

_HIGH_DESCRIPTOR = 100
"""Beyond those that shell scripts use."""


@click.command(name="run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@home_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="-- CMD [ARGS]...", required=True)
def command(home: str | None, arguments: tuple[str, ...]) -> None:
    """Run CMD so that every AWS client in it, and in what it starts, talks to selfmaker.

    Uses the server that runs on the home folder. When none does, one is started on a free port and stopped when CMD has
    ended. The exit code is CMD's.
    """
    folder = load(home).home
    descriptor = server.hold(folder)
    running = server.find(folder)
    if running is not None:
        # CMD and what it starts keep the server, if it is one that another `run` started.
        os.set_inheritable(fcntl.fcntl(descriptor, fcntl.F_DUPFD, _HIGH_DESCRIPTOR), True)
        _become(arguments, _environment(running))
    os.close(descriptor)
    sys.exit(_run_with_server(folder, arguments))


def _environment(running: server.Running) -> dict[str, str]:
    profiles = write_profiles(running.home / "run" / "profiles", running.connection, os.environ)
    return client_environment(running.connection, os.environ, profiles, running.home).applied(os.environ)


def _become(arguments: tuple[str, ...], environment: dict[str, str]) -> NoReturn:
    for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores them, which a program would inherit
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    sys.stdout.flush()
    try:
        os.execvpe(arguments[0], arguments, environment)
    except OSError as error:
        sys.exit(_not_started(arguments[0], error))


def _run_with_server(home: Path, arguments: tuple[str, ...]) -> int:
    from selfmaker.client.child import Use

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit)
    use = Use(home)
    try:
        code = _run(arguments, _environment(use.running))
        if use.started:
            _report_what_goes_on(use.running)
    finally:
        use.end()
    return code


def _run(arguments: tuple[str, ...], environment: dict[str, str]) -> int:
    """Run the program; the terminal's signals reach it by themselves, those sent to us we hand on."""
    import subprocess

    try:
        process = subprocess.Popen(arguments, env=environment)
    except OSError as error:
        return _not_started(arguments[0], error)

    def hand_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, hand_on)
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda *_: None)
    code = process.wait()
    return 128 - code if code < 0 else code


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _not_started(program: str, error: OSError) -> int:
    if isinstance(error, FileNotFoundError):
        _say(f"{program}: command not found; check its name and PATH")
        return 127
    _say(f"{program}: {error.strerror}; check that it is a program that you may run")
    return 126


def _report_what_goes_on(running: server.Running) -> None:
    """What outlives the server, and what doesn't, when it is about to stop."""
    from selfmaker.cli.calls import Caller
    from selfmaker.cli.inventory import endpoints, jobs_in_progress
    from selfmaker.errors import SelfmakerError

    try:
        caller = Caller(running.connection)
        jobs = [job["name"] for job in jobs_in_progress(caller)]
        serving = [endpoint["name"] for endpoint in endpoints(caller) if endpoint["status"] == "InService"]
    except SelfmakerError:
        return
    again = f"`selfmaker up --home {running.home}`"
    if jobs:
        _say(f"still running, and going on without the server: {_some(jobs)}; {again} shows them")
    if serving:
        _say(f"endpoints that stop with the server: {_some(serving)}; {again} serves them")


def _say(text: str) -> None:
    print("selfmaker:", text, file=sys.stderr)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
