"""``selfmaker down``"""

import click

from selfmaker.cli.options import home_option, load
from selfmaker.client import server
from selfmaker.errors import Unavailable


@click.command(name="down")
@home_option
@click.option("--timeout", type=float, default=60, show_default=True, help="Seconds to wait for it to end.")
def command(home: str | None, timeout: float) -> None:
    """Stop the server in good order. Jobs that run go on, and are there when it comes back."""
    folder = load(home).home
    running = server.find(folder)
    if running is None:
        click.echo(f"no server runs on {folder}")
        return
    if not server.stop(running, timeout):
        raise Unavailable(
            f"process {running.pid} has not ended within {timeout:g} s; try again, or `kill -9 {running.pid}`, "
            "by which nothing acknowledged is lost"
        )
    click.echo(f"stopped the server of {folder}")
