"""``selfmaker interrupt``"""

import click

from selfmaker.cli.calls import Caller
from selfmaker.cli.options import expect_server, home_option, region_of, region_option


@click.command(name="interrupt")
@click.argument("name")
@home_option
@region_option
def command(name: str, home: str | None, region: str | None) -> None:
    """Interrupt the spot training job NAME: it is stopped, and starts again from its checkpoints."""
    running = expect_server(home)
    caller = Caller(running.connection, region_of(running, region))
    caller.call("sagemaker", "SelfmakerInterruptTrainingJob", TrainingJobName=name)
    click.echo(f"interrupted {name}; follow it with `selfmaker logs {name} -f`")
