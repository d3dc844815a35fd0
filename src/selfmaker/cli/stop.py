"""``selfmaker stop``"""

import re

import click

from selfmaker.cli import inventory
from selfmaker.cli.calls import Caller
from selfmaker.cli.options import expect_server, home_option, region_of, region_option
from selfmaker.errors import Conflict, NotFound

_EXECUTION = re.compile(r"arn:.*:pipeline/.*/execution/.*|[a-z0-9]{12}")


@click.command(name="stop")
@click.argument("name")
@home_option
@region_option
def command(name: str, home: str | None, region: str | None) -> None:
    """Stop the job NAME, as StopTrainingJob does: SIGTERM, and what it has made so far is kept.

    NAME may be an execution of a pipeline, too, by its id or its ARN: its jobs are stopped.
    """
    running = expect_server(home)
    caller = Caller(running.connection, region_of(running, region))
    try:
        kind, description = inventory.find_job(caller, name)
    except NotFound:
        if not _EXECUTION.fullmatch(name):
            raise
        _stop_execution(caller, name)
        return
    status = description[f"{kind.noun}Status"]
    if status not in inventory.UNFINISHED:
        raise Conflict(f"{name} has ended already: {status}; there is nothing to stop")
    caller.call("sagemaker", f"Stop{kind.noun}", **{f"{kind.noun}Name": name})
    click.echo(f"stopping {name}; follow it with `selfmaker logs {name} -f`")


def _stop_execution(caller: Caller, name: str) -> None:
    from selfmaker.cli import runs

    run = runs.look(caller, runs.find_execution(caller, name))
    if run.ended:
        raise Conflict(f"{name} has ended already: {run.status}; there is nothing to stop")
    token = f"{run.arn}-stop"[-64:]
    caller.call("sagemaker", "StopPipelineExecution", PipelineExecutionArn=run.arn, ClientRequestToken=token)
    click.echo(f"stopping {name}; follow it with `selfmaker watch {run.arn.rpartition('/')[2]}`")
