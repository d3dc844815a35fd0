"""``selfmaker up``"""

import contextlib
import logging
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from selfmaker.cli.options import home_option, load
from selfmaker.client import server
from selfmaker.client.child import BUSY, Child
from selfmaker.errors import Conflict
from selfmaker.settings import Settings

if TYPE_CHECKING:
    from selfmaker.app import Server


@click.command(name="up")
@click.option("--host", metavar="ADDRESS", help="Address to listen on; else SELFMAKER_HOST, else 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; else SELFMAKER_PORT, else 4600. 0: a free one.")
@home_option
@click.option("--detach", "-d", is_flag=True, help="Return once it answers, and leave it running.")
@click.option("--until-eof", is_flag=True, hidden=True, help="End when stdin does and nobody uses the server.")
def command(host: str | None, port: int | None, home: str | None, detach: bool, until_eof: bool) -> None:
    """Start the server, in the foreground until Ctrl-C or SIGTERM."""
    settings = load(home, host=host, port=port)
    running = server.find(settings.home)
    if running is not None:
        address = running.connection.endpoint_url
        raise Conflict(
            f"a server already runs on {settings.home}: {address}, process {running.pid}; "
            "use it, stop it with `selfmaker down`, or choose another folder with --home"
        )
    if detach:
        _detach(settings)
    else:
        _serve(settings, until_eof)


def _detach(settings: Settings) -> None:
    child = Child(settings.home, ("--host", settings.host, "--port", str(settings.port)), tied=False)
    running = child.wait_until_ready()
    click.echo(f"selfmaker answers on {running.connection.endpoint_url} (process {running.pid}, log {child.log})")


def _serve(settings: Settings, until_eof: bool) -> None:
    from selfmaker.app import serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if until_eof:
        threading.Thread(target=_end_with_stdin, args=(settings.home,), name="selfmaker-tie", daemon=True).start()

    def ready(running: "Server") -> None:
        click.echo(
            f"selfmaker answers on {running.endpoint} (home {settings.home})\n"
            "  in another terminal:  selfmaker run -- python train.py\n"
            '                   or:  eval "$(selfmaker env)"\n'
            "  Ctrl-C ends it; running jobs go on."
        )

    serve(settings, ready)


def _end_with_stdin(home: Path) -> None:
    """Stop the server when the program that started it has ended and everybody else who uses it has, too."""
    while os.read(0, 4096):
        pass
    server.wait_for_users(home, _say_busy)
    os.kill(os.getpid(), signal.SIGTERM)


def _say_busy() -> None:
    with contextlib.suppress(OSError):  # who started us need not be there to hear it
        os.write(0, BUSY)
