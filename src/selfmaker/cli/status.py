"""``selfmaker status``"""

import click

from selfmaker import clock
from selfmaker.cli.calls import Caller
from selfmaker.cli.inventory import endpoints, jobs_in_progress
from selfmaker.cli.options import home_option, json_option, load
from selfmaker.cli.output import age, print_json
from selfmaker.client import server
from selfmaker.errors import NotFound, Unavailable


@click.command(name="status")
@home_option
@json_option
@click.pass_context
def command(ctx: click.Context, home: str | None, as_json: bool) -> None:
    """Show the server: where it is, since when, and what runs. Exit code 1 when none runs."""
    folder = load(home).home
    running = server.find(folder)
    if running is None:
        if not as_json:
            raise NotFound(f"no server runs on {folder}; start one with `selfmaker up --detach`")
        print_json({"running": False, "home": str(folder)})
        ctx.exit(1)
    address = running.connection.endpoint_url
    if not server.answers(running):
        raise Unavailable(
            f"process {running.pid} has {folder} but does not answer on {address}; look into "
            f"{folder / 'logs' / 'server.log'}, then `selfmaker down` and `selfmaker up`"
        )
    caller = Caller(running.connection)
    jobs, serving = jobs_in_progress(caller), [e for e in endpoints(caller) if e["status"] == "InService"]
    if as_json:
        print_json(
            {
                "running": True,
                "home": str(folder),
                "endpoint_url": address,
                "pid": running.pid,
                "started": clock.iso8601(running.started),
                "version": running.version,
                "region": running.connection.region,
                "account": running.connection.account,
                "jobs_in_progress": len(jobs),
                "endpoints_in_service": len(serving),
            }
        )
        return
    click.echo(f"selfmaker {running.version} answers on {address}, process {running.pid}, up {age(running.started)}")
    click.echo(f"home {folder}, region {running.connection.region}, account {running.connection.account}")
    click.echo(f"{len(jobs)} jobs in progress, {len(serving)} endpoints in service")
