"""``selfmaker stop``"""

import click

from selfmaker.cli import inventory
from selfmaker.cli.calls import Caller
from selfmaker.cli.options import expect_server, home_option, region_of, region_option
from selfmaker.errors import Conflict


@click.command(name="stop")
@click.argument("name")
@home_option
@region_option
def command(name: str, home: str | None, region: str | None) -> None:
    """Stop the job NAME, as StopTrainingJob does: SIGTERM, and what it has made so far is kept."""
    running = expect_server(home)
    caller = Caller(running.connection, region_of(running, region))
    kind, description = inventory.find_job(caller, name)
    status = description[f"{kind.noun}Status"]
    if status not in inventory.UNFINISHED:
        raise Conflict(f"{name} has ended already: {status}; there is nothing to stop")
    caller.call("sagemaker", f"Stop{kind.noun}", **{f"{kind.noun}Name": name})
    click.echo(f"stopping {name}; follow it with `selfmaker logs {name} -f`")
